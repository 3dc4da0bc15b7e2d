/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/internal.h"

/*
 * What lies at the target when it is replaced may be another thing than when it was looked at: so
 * here nobody has looked.
 */

static int enter(void **state)
{
	static char name[] = "/tmp/coffer-test-XXXXXX";
	*state = mkdtemp(name);
	return *state && chdir(name) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", (const char *)*state);
	return chdir("/") == 0 ? system(command) : -1;
}

static void make_folder(const char *name, const char *file)
{
	char path[64];
	assert_int_equal(mkdir(name, 0755), 0);
	if (!file)
		return;
	snprintf(path, sizeof(path), "%s/%s", name, file);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void is_there(const char *path, bool is)
{
	if ((access(path, F_OK) == 0) != is)
		fail_msg("%s: %s there", path, is ? "is not" : "is");
}

/* How many names the folder has, . and .. aside. */
static int names(void)
{
	int count = -2;
	DIR *dir = opendir(".");
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	assert_int_equal(closedir(dir), 0);
	return count;
}

static void file_over_a_folder(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		CLEANUP_OUTPUT struct output o = OUTPUT_NONE;
		make_folder("target", full ? "mine" : NULL);
		assert_ok(output_open("target", &o, err));
		if (full) {
			assert_fails(ERROR_EXISTS, output_commit(&o, 0644, true, err));
			is_there("target/mine", true);
			assert_false(o.old_folder);
		} else {
			assert_ok(output_commit(&o, 0644, true, err));
			assert_true(o.old_folder);
			assert_int_equal(rmdir(o.file.name), 0);
		}
		output_free(&o);
		o = OUTPUT_NONE;
		assert_int_equal(names(), 1);
		assert_int_equal(full ? system("rm -r target") : unlink("target"), 0);
	}
	/* Unasked nothing goes. */
	CLEANUP_OUTPUT struct output o = OUTPUT_NONE;
	make_folder("target", NULL);
	assert_ok(output_open("target", &o, err));
	assert_fails(ERROR_EXISTS, output_commit(&o, 0644, false, err));
	assert_int_equal(rmdir("target"), 0);
}

static void folder_over_a_folder(void **state)
{
	bool keep = false;
	(void)state;
	make_folder("tree", "new");
	make_folder("target", "mine");
	assert_fails(ERROR_EXISTS,
		     output_place_folder("tree", "target", "target", "old", true, &keep, err));
	is_there("target/mine", true);
	is_there("tree/new", true);
	assert_false(keep);
	assert_fails(ERROR_EXISTS,
		     output_place_folder("tree", "target", "target", "old", false, &keep, err));
	is_there("target/mine", true);

	assert_int_equal(unlink("target/mine"), 0);
	assert_ok(output_place_folder("tree", "target", "target", "old", true, &keep, err));
	is_there("target/new", true);
	is_there("tree/new", false);
	is_there("tree", true);
	assert_int_equal(system("rm -r tree target"), 0);
	assert_int_equal(names(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_over_a_folder),
		cmocka_unit_test(folder_over_a_folder),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
