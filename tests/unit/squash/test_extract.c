/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Trees are packed by mksquashfs, unpacked by us and compared with the directory they were. */

static char *base;

static int make_base(void **state)
{
	(void)state;
	base = tree_temporary();
	return 0;
}

static int remove_base(void **state)
{
	(void)state;
	tree_remove(base);
	return 0;
}

static int open_below(const char *name)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Packs base/tree and unpacks it to base/out. */
static int round_trip(const char *options, const struct squash_extract_rules *rules,
		      struct error **err)
{
	struct source *s[2];
	char image[4096];
	tree_shell("chmod -R u+rwX %s/out 2>/dev/null; rm -rf %s/out %s/image; mkdir %s/out;"
		   "mksquashfs %s/tree %s/image -quiet -no-progress %s >/dev/null",
		   base, base, base, base, base, base, options);
	(void)snprintf(image, sizeof(image), "%s/image", base);
	struct squash *sq = tree_open(image, 0, s);
	int out CLEANUP_FD = open_below("out");
	int r = squash_extract(sq, out, rules, err);
	tree_close(sq, s);
	return r;
}

static void assert_same(const struct tree_options *options)
{
	struct buffer a CLEANUP_BUFFER = { 0 }, b CLEANUP_BUFFER = { 0 };
	int tree CLEANUP_FD = open_below("tree"), out CLEANUP_FD = open_below("out");
	tree_of_directory(tree, options, &a);
	tree_of_directory(out, options, &b);
	tree_assert_equal(&a, &b);
}

static void the_whole_tree(void **state)
{
	(void)state;
	tree_shell(
		"set -e; mkdir -p %s/tree/a/b/c %s/tree/empty; cd %s/tree; umask 022;"
		"seq 1 100000 >numbers; ln numbers a/b/hard; ln numbers a/b/c/harder;"
		"ln -s ../../.. a/up; ln -s /etc/passwd a/absolute; mkfifo fifo;"
		"truncate -s 50M sparse; printf end >>sparse; : >nothing; echo r >read-only;"
		"setfattr -n user.x -v y read-only numbers a; echo s >suid; chmod 400 read-only;"
		"python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")';"
		"chmod 6755 suid; chmod 555 a/b/c; chmod 1777 empty; chmod 2755 a;"
		"touch -h -d @77 a/up; touch -d @88 fifo sock; touch -d @99 numbers a/b/c a/b a .",
		base, base, base);
	const struct squash_extract_rules rules = { .setuid = true };
	const struct tree_options all = { 0 };
	assert_ok(round_trip("", &rules, err));
	assert_same(&all);
	assert_ok(round_trip("-b 4096 -always-use-fragments", &rules, err));
	assert_same(&all);
	/* Sparse is not only equal: it takes no room. */
	struct stat st;
	int out CLEANUP_FD = open_below("out");
	assert_int_equal(fstatat(out, "sparse", &st, 0), 0);
	assert_true(st.st_blocks < 1024);

	const struct squash_extract_rules plain = { 0 };
	assert_ok(round_trip("", &plain, err));
	int again CLEANUP_FD = open_below("out");
	assert_int_equal(fstatat(again, "suid", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void devices_are_left_out(void **state)
{
	(void)state;
	struct stat st;
	const struct squash_extract_rules rules = { 0 };
	tree_shell("chmod -R u+rwX %s/tree; rm -rf %s/tree; mkdir %s/tree", base, base, base);
	assert_ok(round_trip("-p 'null c 666 0 0 1 3' -p 'f f 644 12345 23456 echo'", &rules, err));
	int out CLEANUP_FD = open_below("out");
	assert_int_equal(fstatat(out, "null", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(out, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, geteuid());
}

/* In a user namespace without that user. */
static void an_owner_who_cannot_be(void **state)
{
	(void)state;
	struct source *s[2];
	char image[4096];
	int status;
	struct squash_extract_rules rules = { 0 };
	tree_shell("chmod -R u+rwX %s/tree; rm -rf %s/tree; mkdir %s/tree", base, base, base);
	assert_ok(round_trip("-p 'f f 644 7 8 echo'", &rules, err));
	(void)snprintf(image, sizeof(image), "%s/image", base);
	struct squash *sq = tree_open(image, 0, s);
	tree_shell("rm -r %s/out; mkdir %s/out", base, base);
	int out CLEANUP_FD = open_below("out");
	pid_t pid = fork();
	if (pid == 0) {
		struct error *e = NULL;
		rules.owners = true;
		if (unshare(CLONE_NEWUSER) < 0 || squash_extract(sq, out, &rules, &e) == 0)
			_exit(2);
		const char *hint = error_hint_text(e);
		_exit(error_kind(e) == ERROR_SYSTEM && hint && strstr(hint, "/etc/subuid") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	tree_close(sq, s);
}

static void a_deep_tree(void **state)
{
	(void)state;
	const struct squash_extract_rules rules = { .setuid = true };
	const struct tree_options all = { 0 };
	tree_shell("rm -rf %s/tree; mkdir %s/tree; cd %s/tree; "
		   "for i in $(seq 1 400); do mkdir d && echo $i >f && ln f d/g && cd d || exit 1;"
		   "done; touch -d @5 .",
		   base, base, base);
	assert_ok(round_trip("", &rules, err));
	assert_same(&all);
}

static void what_is_in_the_way(void **state)
{
	(void)state;
	struct source *s[2];
	char image[4096];
	const struct squash_extract_rules rules = { 0 };
	tree_shell("rm -rf %s/tree; mkdir -p %s/tree/d; echo x >%s/tree/d/f", base, base, base);
	assert_ok(round_trip("", &rules, err));
	(void)snprintf(image, sizeof(image), "%s/image", base);
	struct squash *sq = tree_open(image, 0, s);
	/* A link where a directory should come is not followed. */
	tree_shell("rm -rf %s/out; mkdir %s/out %s/elsewhere; ln -s ../elsewhere %s/out/d", base,
		   base, base, base);
	int out CLEANUP_FD = open_below("out");
	struct error *e CLEANUP_ERROR = NULL;
	assert_int_equal(squash_extract(sq, out, &rules, &e), -1);
	assert_int_equal(error_kind(e), ERROR_EXISTS);
	assert_non_null(strstr(error_message(e), "/d"));
	tree_shell("rmdir %s/elsewhere", base);
	tree_close(sq, s);
}

/*
 * Listings with one name twice: a link that leads outside and what would be made through it. xb, in
 * the image as mksquashfs makes it, becomes a second xa.
 */
static void one_name_twice(void **state)
{
	(void)state;
	static const char *const trees[] = {
		"ln -s ../beside xa; mkdir xb; echo x >xb/f",
		"mkdir xa; echo x >xa/f; ln -s ../beside xb",
		"ln -s ../beside/f xa; echo x >xb",
		"echo x >xa; ln -s ../beside/f xb",
		"ln -s ../beside/f xa; echo x >first; ln first xb",
		"ln -s ../beside/f xa; mkfifo xb",
		"ln -s ../beside xa; mkdir -p xb/d; echo x >xb/d/f; ln xb/d/f y",
		"mkdir xa; echo x >xa/f; mkdir xb; ln -s ../../beside xb/l",
		"ln -s . xa; mkdir xb; ln -s ../beside xb/y; mkdir y; echo x >y/f",
	};
	/* of an entry: how long the name is, less one, and the name */
	static const char entry[] = { 1, 0, 'x', 'b' };
	const struct squash_extract_rules rules = { 0 };
	char image[4096];
	(void)snprintf(image, sizeof(image), "%s/image", base);
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct buffer b CLEANUP_BUFFER = { 0 };
		struct source *s CLEANUP_SOURCE = NULL;
		struct squash *sq CLEANUP_SQUASH = NULL;
		struct error *e CLEANUP_ERROR = NULL;
		tree_shell("cd %s; chmod -R u+rwX tree out; rm -rf tree out image; "
			   "mkdir -p tree out beside; cd tree; %s; "
			   "mksquashfs . ../image -quiet -no-progress -noI -no-xattrs >/dev/null",
			   base, trees[i]);
		assert_ok(fd_read_file(AT_FDCWD, image, 1 << 20, &b, err));
		char *at = memmem(b.data, b.len, entry, sizeof(entry));
		assert_non_null(at);
		at[3] = 'a';
		assert_ok(source_from_memory(b.data, b.len, &s, err));
		assert_ok(squash_open(s, NULL, &sq, err));
		int out CLEANUP_FD = open_below("out");
		if (squash_extract(sq, out, &rules, &e) == 0)
			fail_msg("unpacked: %s", trees[i]);
		if (error_kind(e) != ERROR_EXISTS || !strstr(error_message(e), "unpack /xa: "))
			fail_msg("%s: %s", trees[i], error_message(e));
		tree_shell("[ -z \"$(ls -A %s/beside)\" ]", base);
	}
	tree_shell("rmdir %s/beside", base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_tree),	  cmocka_unit_test(devices_are_left_out),
		cmocka_unit_test(an_owner_who_cannot_be), cmocka_unit_test(a_deep_tree),
		cmocka_unit_test(what_is_in_the_way),	  cmocka_unit_test(one_name_twice),
	};
	return cmocka_run_group_tests(tests, make_base, remove_base);
}
