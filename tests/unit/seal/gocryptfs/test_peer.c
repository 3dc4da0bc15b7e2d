/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "seal/gocryptfs/gocryptfs.h"

/* Content goes to the real gocryptfs and comes from it, through its own mount. */

#define CONTENT_LEN (3 * 131072 + 1234)
static uint8_t content[CONTENT_LEN];
static char folder[] = "/tmp/coffer-test-XXXXXX";

static void shell(const char *line)
{
	char *command CLEANUP_TEXT = NULL;
	assert_true(asprintf(&command, "cd %s && %s", folder, line) > 0);
	if (system(command) != 0)
		fail_msg("%s", line);
}

static char *in_folder(const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONTENT_LEN; i++)
		content[i] = (uint8_t)(i * i >> 7);
	assert_non_null(mkdtemp(folder));
	shell("mkdir plain theirs ours && echo secret >password");
	char *path CLEANUP_TEXT = in_folder("content");
	int fd CLEANUP_FD = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, content, CONTENT_LEN), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	char *command CLEANUP_TEXT = NULL;
	assert_true(asprintf(&command, "rm -rf %s", folder) > 0);
	return system(command);
}

static void mount_and(const char *cipher, const char *then)
{
	char *line CLEANUP_TEXT = NULL;
	assert_true(asprintf(&line,
			     "gocryptfs -q -passfile password %s plain && { %s; r=$?; "
			     "fusermount3 -u plain; exit $r; }",
			     cipher, then) > 0);
	shell(line);
}

static void write_ours(bool random_password)
{
	struct gocryptfs_create_options options = { .random_password = random_password };
	struct sink *file CLEANUP_SINK = NULL, *sink CLEANUP_SINK = NULL;
	struct buffer conf CLEANUP_BUFFER = { 0 };
	struct secret *password CLEANUP_SECRET = NULL;
	char *path CLEANUP_TEXT = in_folder("ours/squashfs-1");
	char *conf_path CLEANUP_TEXT = in_folder("ours/gocryptfs.conf");
	int fd CLEANUP_FD = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	int conf_fd CLEANUP_FD = open(conf_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && conf_fd >= 0);
	assert_ok(secret_copy("secret", 6, &password, err));
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(gocryptfs_create(file, password, &options, &conf, &sink, err));
	/* The way a squashfs writer goes: a head that comes last, and pieces of any length. */
	assert_ok(sink_write(sink, content + 96, 1000, 96, err));
	for (size_t off = 1096; off < CONTENT_LEN; off += 77777) {
		size_t len = CONTENT_LEN - off < 77777 ? CONTENT_LEN - off : 77777;
		assert_ok(sink_write(sink, content + off, len, off, err));
	}
	assert_ok(sink_write(sink, content, 96, 0, err));
	assert_ok(sink_finish(sink, err));
	assert_int_equal(fd_write(conf_fd, conf.data, conf.len), 0);
}

static void they_read_ours(void **state)
{
	(void)state;
	for (int random = 0; random < 2; random++) {
		write_ours(random);
		mount_and("ours", "cmp content plain/squashfs-1");
	}
}

static void we_read_theirs(void **state)
{
	(void)state;
	shell("gocryptfs -init -q -scryptn 10 -deterministic-names -plaintextnames "
	      "-passfile password theirs");
	mount_and("theirs", "cp content plain/squashfs-1");
	char *path CLEANUP_TEXT = in_folder("theirs/squashfs-1");
	char *conf_path CLEANUP_TEXT = in_folder("theirs/gocryptfs.conf");
	struct buffer conf CLEANUP_BUFFER = { 0 };
	struct source *file CLEANUP_SOURCE = NULL, *source CLEANUP_SOURCE = NULL;
	struct secret *password CLEANUP_SECRET = NULL;
	static uint8_t back[CONTENT_LEN];
	assert_ok(secret_copy("secret", 6, &password, err));
	assert_ok(fd_read_file(AT_FDCWD, conf_path, GOCRYPTFS_CONF_MAX, &conf, err));
	assert_ok(source_from_fd(open(path, O_RDONLY | O_CLOEXEC), &file, err));
	assert_ok(gocryptfs_open(file, conf.data, conf.len, password, &source, err));
	assert_int_equal(source->size, CONTENT_LEN);
	assert_ok(source_read(source, back, CONTENT_LEN, 0, err));
	assert_memory_equal(back, content, CONTENT_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_read_ours),
		cmocka_unit_test(we_read_theirs),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
