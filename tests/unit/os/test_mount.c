/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "namespace.h"
#include "os/os.h"

/* Everything happens in a mount namespace of this process's own, in a folder that ends with it. */
static char base[] = "/tmp/coffer-mount-XXXXXX";
static int base_fd = -1, proc_fd = -1;

/* A detached tmpfs. */
static int new_tmpfs(const char *source, uint64_t attributes)
{
	static const char *const options[] = { "mode", "0755", "size", "1m", NULL };
	struct mnt_refusal refusal;
	const struct mnt_filesystem fs = {
		.type = "tmpfs", .source = source, .options = options, .attributes = attributes
	};
	return mnt_new(&fs, &refusal);
}

static int make_base(void **state)
{
	(void)state;
	if (!mkdtemp(base) || namespace_own() < 0 || mnt_propagate(MS_PRIVATE) < 0)
		return -1;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int tmpfs = new_tmpfs("base", 0);
	if (tmpfs < 0 || mnt_place(tmpfs, AT_FDCWD, base) < 0 || fchdir(tmpfs) < 0)
		return -1;
	base_fd = fd_steal(&tmpfs);
	return mkdir("from", 0755) < 0 || mkdir("from/deep", 0755) < 0 || mkdir("to", 0755) < 0 ||
			       symlink("from", "link") < 0
		       ? -1
		       : 0;
}

static int remove_base(void **state)
{
	(void)state;
	return chdir("/") < 0 || umount2(base, MNT_DETACH) < 0 || rmdir(base) < 0 ? -1 : 0;
}

/* The list of this process's mounts, as its root shows them. */
static void list(struct buffer *ret)
{
	struct error *err = NULL;
	assert_int_equal(fd_read_file(proc_fd, "self/mountinfo", 1 << 20, ret, &err), 0);
}

static bool is_listed(const char *words)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	list(&text);
	return strstr(text.data, words);
}

static int create(int dirfd, const char *name)
{
	CLEANUP_FD int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

static void is_nowhere_until_it_is_placed(void **state)
{
	(void)state;
	struct stat st;
	CLEANUP_FD int tree = new_tmpfs("a-name", MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
	assert_true(tree >= 0);
	assert_int_equal(fcntl(tree, F_GETFD), FD_CLOEXEC);
	assert_int_equal(mkdirat(tree, "inside", 0755), 0);
	assert_false(is_listed(" a-name "));
	assert_int_equal(mnt_place(tree, base_fd, "to"), 0);
	assert_true(is_listed("/to rw,nosuid,nodev"));
	assert_true(is_listed(" - tmpfs a-name rw,size=1024k,mode=755"));
	assert_int_equal(stat("to/inside", &st), 0);
	/* Once more, to another place; by a descriptor this time. */
	CLEANUP_FD int other = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mnt_place(tree, other, ""), 0);
	assert_int_equal(stat("to/inside", &st), -1);
	assert_int_equal(stat("from/inside", &st), 0);
	assert_int_equal(umount2("from", MNT_DETACH), 0);
	/* No link is followed to a place. */
	CLEANUP_FD int more = new_tmpfs("more", 0);
	assert_true(mnt_place(more, base_fd, "link") < 0);
	assert_false(is_listed("/from rw"));
	assert_int_equal(mnt_place(more, base_fd, "none"), -ENOENT);
}

static void tells_what_was_refused(void **state)
{
	(void)state;
	static const char *const none[] = { NULL };
	static const char *const read_only[] = { "ro", NULL, NULL };
	static const char *const flag[] = { "mode", "0700", "no-such-flag", NULL, NULL };
	struct mnt_refusal refusal;
	struct mnt_filesystem fs = { .type = "no-such-type", .source = "x", .options = none };
	assert_int_equal(mnt_new(&fs, &refusal), -ENODEV);
	assert_int_equal(refusal.step, MNT_STEP_TYPE);
	assert_null(refusal.option);
	fs = (struct mnt_filesystem){ .type = "tmpfs", .source = "x", .options = flag };
	assert_int_equal(mnt_new(&fs, &refusal), -EINVAL);
	assert_int_equal(refusal.step, MNT_STEP_OPTION);
	assert_string_equal(refusal.option, "no-such-flag");
	fs.options = read_only;
	CLEANUP_FD int tree = mnt_new(&fs, &refusal);
	assert_int_equal(create(tree, "x"), -EROFS);
	/* Without anything that it would lie over. */
	fs = (struct mnt_filesystem){ .type = "overlay", .source = "x", .options = none };
	assert_int_equal(mnt_new(&fs, &refusal), -EINVAL);
	assert_int_equal(refusal.step, MNT_STEP_CREATE);
	assert_null(refusal.option);
	fs = (struct mnt_filesystem){
		.type = "tmpfs", .source = "x", .options = none, .attributes = 1U << 31
	};
	assert_int_equal(mnt_new(&fs, &refusal), -EINVAL);
	assert_int_equal(refusal.step, MNT_STEP_MOUNT);
}

static void clones_have_what_is_mounted_below(void **state)
{
	(void)state;
	CLEANUP_FD int below = new_tmpfs("below", 0);
	assert_int_equal(mnt_place(below, base_fd, "from/deep"), 0);
	assert_int_equal(create(below, "file"), 0);
	/* By a name that is a link, and by descriptor. */
	CLEANUP_FD int from = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int by_fd = 0; by_fd < 2; by_fd++) {
		CLEANUP_FD int clone =
			by_fd ? mnt_clone(from, "", 0) : mnt_clone(base_fd, "link", 0);
		assert_true(clone >= 0);
		assert_int_equal(fcntl(clone, F_GETFD), FD_CLOEXEC);
		assert_int_equal(faccessat(clone, "deep/file", F_OK, 0), 0);
	}
	struct stat st;
	CLEANUP_FD int link = mnt_clone(base_fd, "link", AT_SYMLINK_NOFOLLOW);
	assert_true(link < 0 || (fstat(link, &st) == 0 && S_ISLNK(st.st_mode)));
	assert_int_equal(mnt_clone(base_fd, "none", 0), -ENOENT);
	assert_int_equal(umount2("from/deep", MNT_DETACH), 0);
}

static void attributes_alone_or_below_too(void **state)
{
	(void)state;
	CLEANUP_FD int below = new_tmpfs("below", 0);
	assert_int_equal(mnt_place(below, base_fd, "from/deep"), 0);
	CLEANUP_FD int alone = mnt_clone(base_fd, "from", 0);
	CLEANUP_FD int all = mnt_clone(base_fd, "from", 0);
	assert_int_equal(mnt_set(alone, MOUNT_ATTR_RDONLY, 0), 0);
	assert_int_equal(create(alone, "one"), -EROFS);
	assert_int_equal(create(alone, "deep/one"), 0);
	assert_int_equal(mnt_set(alone, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY), 0);
	assert_int_equal(create(alone, "one"), 0);
	assert_int_equal(mnt_set_all(all, MOUNT_ATTR_RDONLY), 0);
	assert_int_equal(create(all, "two"), -EROFS);
	assert_int_equal(create(all, "deep/two"), -EROFS);
	/* What they were cloned from is as it was. */
	assert_int_equal(create(base_fd, "from/deep/three"), 0);
	assert_int_equal(mnt_set(-1, MOUNT_ATTR_RDONLY, 0), -EBADF);
	/* No user namespace. */
	assert_int_equal(mnt_map_owners(all, proc_fd, MOUNT_ATTR_RDONLY), -EBADF);
	assert_int_equal(umount2("from/deep", MNT_DETACH), 0);
}

static bool is_at(const char *path, const struct stat *st)
{
	struct stat there;
	return stat(path, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

/* 0 when the root is that mount, and no other is to be seen. */
static int check_new_root(int mount, bool within)
{
	struct stat st;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (create(mount, "it") < 0 || mnt_change_root(mount, within) < 0 || fstat(mount, &st) < 0)
		return 2;
	if (!is_at("/", &st) || !is_at(".", &st) || !is_at("../..", &st) || access("/it", F_OK) < 0)
		return 3;
	list(&text);
	return strchr(text.data, '\n') == text.data + text.len - 1 && strstr(text.data, " / / ")
		       ? 0
		       : 4;
}

/* chrooted: into a folder that is no mount, of which the kernel does not let go. */
static void change_root(bool chrooted, bool within)
{
	struct process p = PROCESS_NONE;
	int r = process_fork(CLONE_NEWNS, &p);
	assert_true(r >= 0);
	if (r > 0) {
		assert_int_equal(process_wait(&p), 0);
		return;
	}
	CLEANUP_FD int over = new_tmpfs("over", 0);
	CLEANUP_FD int inner = new_tmpfs("inner", 0);
	if ((chrooted && chroot("to") < 0) || mnt_place(over, AT_FDCWD, "/") < 0 ||
	    mkdirat(over, "inner", 0755) < 0 || (within && mnt_place(inner, over, "inner") < 0))
		_exit(1);
	_exit(check_new_root(within ? inner : over, within));
}

static void changes_the_root(void **state)
{
	(void)state;
	for (int way = 0; way < 4; way++)
		change_root(way & 1, way & 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_nowhere_until_it_is_placed),
		cmocka_unit_test(tells_what_was_refused),
		cmocka_unit_test(clones_have_what_is_mounted_below),
		cmocka_unit_test(attributes_alone_or_below_too),
		cmocka_unit_test(changes_the_root),
	};
	return cmocka_run_group_tests(tests, make_base, remove_base);
}
