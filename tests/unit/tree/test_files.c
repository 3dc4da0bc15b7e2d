/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "tree/files.h"
#include "tree.h"

static int root = -1;

static int enter(void **state)
{
	if (enter_directory(state) < 0 || mkdir("root", 0755) < 0)
		return -1;
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int leave(void **state)
{
	fd_close(&root);
	return leave_directory(state);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, enter, leave)

static void copy(const char *lines)
{
	struct definition_arguments none = { 0 };
	CLEANUP_DEFINITION struct definition *d = NULL;
	CLEANUP_TEXT char *text = NULL;
	assert_int_not_equal(asprintf(&text, "Bootstrap: scratch\n%%files\n%s\n", lines), -1);
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	log_set_level(LOG_FATAL);
	assert_ok(files_copy(root, definition_section(d, "files"), err));
	log_set_level(LOG_INFO);
}

static void test_destinations(void **state)
{
	(void)state;
	assert_int_equal(mkdir("sub", 0755), 0);
	put_file("a", 0755, "A");
	put_file("b", 0666, "B");
	put_file("sub/c d", 0600, "C");
	copy("a /x\na /deep/er/y\na /folder/\nb relative\na\n./sub/../b\n\"sub/c d\" /q\n"
	     "\"\" /nothing\na c # comment");
	file_is("root/x", 0755, "A");
	file_is("root/deep/er/y", 0755, "A");
	file_is("root/folder/a", 0755, "A");
	file_is("root/relative", 0664, "B");
	file_is("root/a", 0755, "A");
	file_is("root/b", 0664, "B");
	file_is("root/q", 0600, "C");
	file_is("root/c", 0755, "A");
	/* Several to one name: the last remains. An existing file keeps its mode. */
	copy("{a,b} /x");
	file_is("root/x", 0755, "B");
	assert_int_equal(chdir("sub"), 0);
	copy("../a");
	file_is("../root/a", 0755, "A");
}

static void test_folders(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(mkdir("d/empty", 0500), 0);
	put_file("d/f", 0644, "F");
	put_file("target", 0644, "T");
	assert_int_equal(symlink("../target", "d/link"), 0);
	copy("d /dd");
	file_is("root/dd/f", 0644, "F");
	file_is("root/dd/link", 0644, "T");
	struct stat st;
	assert_int_equal(stat("root/dd/empty", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	/* Once more: it is there now, and nests. */
	copy("d /dd");
	file_is("root/dd/d/f", 0644, "F");
	copy("d/. /dd");
	file_is("root/dd/f", 0644, "F");
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(mkdir("loop", 0755), 0);
	assert_int_equal(symlink("../loop", "loop/again"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	put_file("f", 0644, "F");
	put_file("root/file", 0644, "old");
	assert_fails(ERROR_NOT_FOUND, files_copy_one(root, "none", "/x", err));
	CLEANUP_ERROR struct error *why = NULL;
	assert_int_equal(files_copy_one(root, "dangling", "/y", &why), -1);
	assert_int_equal(error_kind(why), ERROR_NOT_FOUND);
	assert_string_equal(error_message(why),
			    "dangling is a link to nowhere: no such file or directory");
	assert_fails(ERROR_USAGE, files_copy_one(root, "loop", "/z", err));
	assert_fails(ERROR_EXISTS, files_copy_one(root, "loop", "/file", err));
	assert_fails(ERROR_USAGE, files_copy_one(root, "root", "/r", err));
}

static void link_is(const char *path, const char *want)
{
	char target[256] = "";
	assert_true(readlink(path, target, sizeof(target) - 1) >= 0);
	assert_string_equal(target, want);
}

/* What is neither a folder nor a file that can be read, below a folder. */
static void test_odd_files(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "d/socket" };
	struct stat st;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(symlink("/nowhere/at/all", "d/dangling"), 0);
	assert_int_equal(symlink("itself", "d/itself"), 0);
	assert_int_equal(mkfifo("d/pipe", 0640), 0);
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	copy("d /dd");
	link_is("root/dd/dangling", "/nowhere/at/all");
	link_is("root/dd/itself", "itself");
	assert_int_equal(lstat("root/dd/pipe", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(lstat("root/dd/socket", &st), -1);
	/* Where it leads is not overwritten. */
	put_file("root/target", 0644, "T");
	assert_int_equal(symlink("/target", "root/dd/plain"), 0);
	assert_int_equal(symlink("/nowhere/else", "d/plain"), 0);
	copy("d/. /dd");
	link_is("root/dd/plain", "/nowhere/else");
	file_is("root/target", 0644, "T");
}

/* Files that are longer or shorter than they say, and one with holes. */
static void test_sizes(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer version = { 0 }, cpus = { 0 };
	static const char of_cpus[] = "/sys/devices/system/cpu/online";
	assert_ok(fd_read_file(AT_FDCWD, "/proc/version", 1 << 16, &version, err));
	assert_ok(fd_read_file(AT_FDCWD, of_cpus, 1 << 16, &cpus, err));
	CLEANUP_FD int fd = open("sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite(fd, "x", 1, 10 << 20), 0);
	assert_int_equal(ftruncate(fd, 20 << 20), 0);
	copy("/proc/version /v\n/sys/devices/system/cpu/online /p\nsparse /s\n"
	     "/proc/self/environ /e\n/proc/sys/kernel/ostype /o");
	file_is("root/v", 0444, version.data);
	file_is("root/p", 0444, cpus.data);
	file_is("root/o", 0444, "Linux\n");
	struct stat st;
	assert_int_equal(stat("root/s", &st), 0);
	assert_int_equal(st.st_size, 20 << 20);
	assert_true(st.st_blocks < 1024);
	assert_int_equal(stat("root/e", &st), 0);
	assert_true(st.st_size > 0);
}

/* Links and special files of a hostile tree. */
static void test_hostile_root(void **state)
{
	(void)state;
	CLEANUP_TEXT char *outside = NULL;
	put_file("f", 0644, "new");
	put_file("outside", 0644, "old");
	assert_int_equal(mkdir("folder", 0755), 0);
	assert_int_not_equal(asprintf(&outside, "%s/outside", test_directory), -1);
	assert_int_equal(symlink(outside, "root/absolute"), 0);
	assert_int_equal(symlink("../outside", "root/up"), 0);
	assert_int_equal(symlink("../../../../folder", "root/folder"), 0);
	assert_int_equal(mkfifo("root/pipe", 0600), 0);
	assert_int_equal(mkdir("root/inside", 0755), 0);
	assert_int_equal(symlink("/inside", "root/link"), 0);
	copy("f /absolute\nf /up\nf /pipe\nf /link\nf /../../e\n");
	file_is("outside", 0644, "old");
	file_is("root/absolute", 0644, "new");
	file_is("root/up", 0644, "new");
	file_is("root/pipe", 0644, "new");
	file_is("root/inside/f", 0644, "new");
	file_is("root/e", 0644, "new");
	/* A folder that a link would lead out to is not there for the container. */
	struct error *why = NULL;
	assert_int_equal(files_copy_one(root, "f", "/folder/x", &why), -1);
	error_free(&why);
	assert_int_equal(access("folder/x", F_OK), -1);
}

static int from = -1;

static void copy_across(const char *lines, const char *words)
{
	static const struct copy_rules rules = { 0 };
	struct definition_arguments none = { 0 };
	CLEANUP_DEFINITION struct definition *d = NULL;
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_TEXT char *text = NULL;
	assert_int_not_equal(asprintf(&text, "Bootstrap: scratch\n%%files from a\n%s\n", lines),
			     -1);
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	log_set_level(LOG_FATAL);
	int r = files_copy_from(root, from, definition_section(d, "files"), &rules, &failed);
	log_set_level(LOG_INFO);
	assert_string_equal(r < 0 ? error_message(failed) : "", words);
}

/* What is in both becomes one where both are folders, and what is copied otherwise. */
static void test_across(void **state)
{
	(void)state;
	assert_int_equal(mkdir("from", 0755), 0);
	assert_int_equal(mkdir("from/d", 0700), 0);
	assert_int_equal(mkdir("from/d/both", 0750), 0);
	assert_int_equal(mkdir("from/d/folder", 0755), 0);
	put_file("from/d/both/new", 0640, "new");
	put_file("from/d/both/old", 04755, "newer");
	put_file("from/d/file", 0600, "file");
	put_file("from/d/linked", 0600, "not through");
	assert_int_equal(symlink("both", "from/d/link"), 0);
	assert_int_equal(mkfifo("from/pipe", 0644), 0);
	assert_int_equal(mkdir("root/d", 0711), 0);
	assert_int_equal(mkdir("root/d/both", 0700), 0);
	assert_int_equal(mkdir("root/d/file", 0755), 0);
	put_file("root/d/file/gone", 0644, "");
	put_file("root/d/folder", 0644, "gone");
	put_file("root/d/both/old", 0644, "old");
	put_file("root/d/both/stays", 0644, "stays");
	put_file("outside", 0644, "outside");
	assert_int_equal(symlink("../../outside", "root/d/linked"), 0);
	from = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(from >= 0);
	copy_across("/d /\n/pipe /p\nd/link/new /x/\n/d/both /y", "");
	file_is("root/d/both/new", 0640, "new");
	file_is("root/d/both/old", 04755, "newer");
	file_is("root/d/both/stays", 0644, "stays");
	file_is("root/d/file", 0600, "file");
	file_is("root/d/linked", 0600, "not through");
	file_is("outside", 0644, "outside");
	file_is("root/x/new", 0640, "new");
	file_is("root/y/new", 0640, "new");
	struct stat st;
	assert_int_equal(lstat("root/d", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(lstat("root/d/both", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(lstat("root/y", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(lstat("root/d/folder", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(lstat("root/d/link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lstat("root/p", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
#define ACROSS "unable to copy files from stage to container fs: while copying ["
	copy_across("nothing",
		    ACROSS "/nothing] to /nothing: stat /nothing: no such file or directory");
	copy_across("/ /z",
		    ACROSS "/] to /z: the root of a stage is not copied: name what is in it");
	fd_close(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(test_destinations), IN_ROOT(test_folders), IN_ROOT(test_errors),
		IN_ROOT(test_odd_files),    IN_ROOT(test_sizes),   IN_ROOT(test_hostile_root),
		IN_ROOT(test_across),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
