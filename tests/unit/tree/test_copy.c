/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tree/files.h"
#include "tree/format.h"
#include "namespace.h"
#include "tree.h"

static int copy(struct error **err)
{
	const struct copy_rules rules = { .owners = geteuid() == 0 };
	CLEANUP_FD int from = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int to = open("to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return copy_tree(from, to, &rules, err);
}

static void make_folders(void)
{
	assert_int_equal(mkdir("from", 0755), 0);
	assert_int_equal(mkdir("to", 0700), 0);
}

static void test_tree(void **state)
{
	(void)state;
	struct stat a, b;
	char target[16] = { 0 };
	make_folders();
	assert_int_equal(chmod("from", 01751), 0);
	put_file("from/f", 04711, "F");
	assert_int_equal(link("from/f", "from/again"), 0);
	assert_int_equal(mkdir("from/d", 0755), 0);
	assert_int_equal(link("from/f", "from/d/third"), 0);
	assert_int_equal(symlink("/no where", "from/d/l"), 0);
	assert_int_equal(mkfifo("from/pipe", 0620), 0);
	put_file("from/odd\nname \xff", 0600, "O");
	const struct timespec times[2] = { { 1, 0 }, { 1234567890, 5000 } };
	assert_int_equal(utimensat(AT_FDCWD, "from/d", times, 0), 0);
	assert_int_equal(setxattr("from/f", "user.note", "x\0y", 3, 0), 0);
	assert_int_equal(chmod("from/d", 0555), 0);
	assert_ok(copy(err));
	file_is("to/f", 04711, "F");
	file_is("to/odd\nname \xff", 0600, "O");
	assert_int_equal(stat("to/f", &a), 0);
	assert_int_equal(stat("to/d/third", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 3);
	assert_int_equal(readlink("to/d/l", target, 15), 9);
	assert_string_equal(target, "/no where");
	assert_int_equal(stat("to/pipe", &a), 0);
	assert_int_equal(a.st_mode, S_IFIFO | 0620);
	assert_int_equal(stat("to/d", &a), 0);
	assert_int_equal(a.st_mode & 07777, 0555);
	assert_int_equal(a.st_mtim.tv_sec, 1234567890);
	assert_int_equal(a.st_mtim.tv_nsec, 5000);
	assert_int_equal(stat("to", &a), 0);
	assert_int_equal(a.st_mode & 07777, 01751);
	assert_int_equal(getxattr("to/f", "user.note", target, 15), 3);
	assert_memory_equal(target, "x\0y", 3);
	if (geteuid() == 0) {
		assert_int_equal(lchown("from/d/l", 5, 6), 0);
		assert_ok(copy_remove(AT_FDCWD, "to", err));
		assert_int_equal(mkdir("to", 0700), 0);
		assert_ok(copy(err));
		assert_int_equal(lstat("to/d/l", &a), 0);
		assert_int_equal(a.st_uid, 5);
		assert_int_equal(a.st_gid, 6);
	}
	chmod("from/d", 0755);
	assert_ok(copy_remove(AT_FDCWD, "to", err));
	assert_int_equal(access("to", F_OK), -1);
	assert_ok(copy_remove(AT_FDCWD, "to", err));
}

static void test_holes(void **state)
{
	(void)state;
	struct stat st;
	char got[4];
	make_folders();
	put_file("from/s", 0600, "");
	assert_int_equal(truncate("from/s", (off_t)1 << 32), 0);
	CLEANUP_FD int fd = open("from/s", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_pwrite(fd, "data", 4, (uint64_t)1 << 31), 0);
	assert_ok(copy(err));
	assert_int_equal(stat("to/s", &st), 0);
	assert_true(st.st_size == (off_t)1 << 32);
	assert_true(st.st_blocks < 1024);
	CLEANUP_FD int in = open("to/s", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread(in, got, 4, (uint64_t)1 << 31), 4);
	assert_memory_equal(got, "data", 4);
}

/* Far more folders in folders than a path can name. */
static void test_deep(void **state)
{
	(void)state;
	make_folders();
	CLEANUP_FD int at = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(mkdirat(at, "a-name-of-some-length", 0755), 0);
		int next = openat(at, "a-name-of-some-length", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(&at);
		at = next;
	}
	assert_ok(copy(err));
	assert_ok(copy_remove(AT_FDCWD, "to", err));
	assert_ok(copy_remove(AT_FDCWD, "from", err));
}

/* Two descriptors a level, and no more: a clear tree would stay. */
static void test_remove_deep(void **state)
{
	(void)state;
	const struct rlimit few = { 1024, 1024 };
	int status;
	CLEANUP_FD int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 450; i++) {
		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		int next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(&fd);
		fd = next;
	}
	pid_t pid = fork();
	if (pid == 0) {
		struct error *err = NULL;
		bool gone = setrlimit(RLIMIT_NOFILE, &few) == 0 &&
			    copy_remove(AT_FDCWD, "d", &err) == 0;
		if (err)
			print_error("%s\n", error_message(err));
		_exit(gone ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access("d", F_OK), -1);
}

static void test_refusals(void **state)
{
	(void)state;
	make_folders();
	/* The copy would never end. */
	assert_int_equal(rmdir("to"), 0);
	assert_int_equal(mkdir("from/to", 0755), 0);
	assert_int_equal(symlink("from/to", "to"), 0);
	assert_fails(ERROR_USAGE, copy(err));
	/* What cannot be read is no gap in the copy: asked as somebody who is not root. */
	assert_int_equal(unlink("to"), 0);
	assert_int_equal(rmdir("from/to"), 0);
	assert_int_equal(mkdir("to", 0700), 0);
	put_file("from/secret", 0000, "S");
	if (geteuid() == 0) {
		assert_int_equal(chmod(test_directory, 0755), 0);
		assert_int_equal(chown("to", 65534, 65534), 0);
	}
	pid_t pid = fork();
	if (pid == 0) {
		struct error *why = NULL;
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		_exit(copy(&why) < 0 && error_to_errno(why) == EACCES && error_hint_text(why) ? 0
											      : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_fix_permissions(void **state)
{
	(void)state;
	struct stat st;
	make_folders();
	assert_int_equal(mkdir("to/d", 0755), 0);
	put_file("to/d/f", 0040, "F");
	assert_int_equal(chmod("to/d", 0), 0);
	CLEANUP_FD int to = open("to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(copy_fix_permissions(to, err));
	assert_int_equal(stat("to/d", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	file_is("to/d/f", 0640, "F");
}

static bool same_inode(const char *a, const char *b)
{
	struct stat x, y;
	assert_int_equal(stat(a, &x), 0);
	assert_int_equal(stat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void write_proc(const char *path, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, text, strlen(text)), 0);
}

static void enter_namespaces(void)
{
	char users[32], groups[32];
	bool root = geteuid() == 0;
	snprintf(users, sizeof(users), "0 %u 1", (unsigned)geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getegid());
	assert_int_equal(unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)), 0);
	if (root)
		return;
	write_proc("/proc/self/setgroups", "deny");
	write_proc("/proc/self/uid_map", users);
	write_proc("/proc/self/gid_map", groups);
}

/* In mount namespaces that end with this process. */
static void look_at_grafts(void)
{
	static const char *const changed[] = { "/", "/etc", NULL };
	const struct copy_rules rules = { .changed = changed };
	enter_namespaces();
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("t", "to", "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("u", "from/etc/deep", "tmpfs", 0, NULL), 0);
	put_file("from/etc/deep/mounted", 0644, "M");
	CLEANUP_FD int from = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int to = open("to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_ok(copy_tree(from, to, &rules, err));

	assert_true(same_inode("from/usr/f", "to/usr/f"));
	assert_true(same_inode("from/large", "to/large"));
	assert_true(same_inode("from/etc/deep/mounted", "to/etc/deep/mounted"));
	assert_false(same_inode("from/etc/hosts", "to/etc/hosts"));
	file_is("to/etc/hosts", 0640, "H");
	assert_int_equal(open("to/usr/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(open("to/large", O_WRONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(open("to/etc/deep/mounted", O_WRONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, EROFS);
	put_file("to/etc/hosts", 0600, "changed");
	file_is("from/etc/hosts", 0640, "H");
	put_file("from/usr/f", 0644, "not ours to protect");
}

static void test_grafts(void **state)
{
	(void)state;
	make_folders();
	assert_int_equal(mkdir("from/etc", 0755), 0);
	assert_int_equal(mkdir("from/etc/deep", 0755), 0);
	assert_int_equal(mkdir("from/usr", 0755), 0);
	put_file("from/usr/f", 0644, "F");
	put_file("from/etc/hosts", 0640, "H");
	put_file("from/large", 0644, "");
	assert_int_equal(truncate("from/large", 1 << 20), 0);
	pid_t pid = fork();
	if (pid == 0) {
		look_at_grafts();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void copy_in_namespace(const void *context)
{
	const struct copy_rules rules = { .owners = true, .unmapped_to_root = true };
	(void)context;
	CLEANUP_FD int from = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int to = open("to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_ok(copy_tree(from, to, &rules, err));
}

/* 65534 is one of the subordinate ids, and how the kernel shows all that are none. */
static void test_nobody(void **state)
{
	(void)state;
	enum { root = NAMESPACE_ROOT, nobody = NAMESPACE_ID(65534), other = NAMESPACE_ID(33) };
	static const struct {
		const char *name;
		uid_t uid, to_uid;
		gid_t gid, to_gid;
	} files[] = {
		{ "f-host", 0, root, 0, root },
		{ "f-nobody", nobody, nobody, nobody, nobody },
		{ "f-other", other, other, nobody, nobody },
		{ "f-own", root, root, 0, root },
		{ "d-nobody", nobody, nobody, other, other },
		{ "d-nobody/l-nobody", nobody, nobody, nobody, nobody },
		{ "l-host", 0, root, 0, root },
	};
	char path[64];
	struct stat st;
	if (geteuid() != 0)
		return; /* nobody else can make such files */
	make_folders();
	assert_int_equal(chmod(test_directory, 0755), 0);
	assert_int_equal(chown("to", root, root), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *name = path_base_name(files[i].name);
		snprintf(path, sizeof(path), "from/%s", files[i].name);
		if (*name == 'f')
			put_file(path, 0644, "F");
		else if (*name == 'd')
			assert_int_equal(mkdir(path, 0755), 0);
		else
			assert_int_equal(symlink("nowhere", path), 0);
		assert_int_equal(lchown(path, files[i].uid, files[i].gid), 0);
	}
	namespace_run(copy_in_namespace, NULL);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "to/%s", files[i].name);
		assert_int_equal(lstat(path, &st), 0);
		if (st.st_uid != files[i].to_uid || st.st_gid != files[i].to_gid)
			fail_msg("%s is of %u:%u", path, st.st_uid, st.st_gid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_tree),     IN_DIRECTORY(test_holes),
		IN_DIRECTORY(test_deep),     IN_DIRECTORY(test_remove_deep),
		IN_DIRECTORY(test_refusals), IN_DIRECTORY(test_fix_permissions),
		IN_DIRECTORY(test_grafts),   IN_DIRECTORY(test_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
