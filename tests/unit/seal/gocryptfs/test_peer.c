/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "seal/gocryptfs/gocryptfs.h"

/* Content goes to the real gocryptfs and comes from it, through its own mount. */

#define CONTENT_LEN (3 * 131072 + 1234)
static uint8_t content[CONTENT_LEN];

static int set_up(void **state)
{
	for (size_t i = 0; i < CONTENT_LEN; i++)
		content[i] = (uint8_t)(i * i >> 7);
	assert_int_equal(folder_make(state), 0);
	folder_shell("mkdir plain theirs ours && echo secret >password");
	folder_save("content", content, CONTENT_LEN);
	return 0;
}

static void mount_and(const char *cipher, const char *then)
{
	char *line CLEANUP_TEXT = NULL;
	assert_true(asprintf(&line,
			     "gocryptfs -q -passfile password %s plain && { %s; r=$?; "
			     "fusermount3 -u plain; exit $r; }",
			     cipher, then) > 0);
	folder_shell(line);
}

static void write_ours(bool random_password)
{
	struct gocryptfs_create_options options = { .random_password = random_password };
	struct sink *file CLEANUP_SINK = NULL, *sink CLEANUP_SINK = NULL;
	struct buffer conf CLEANUP_BUFFER = { 0 };
	struct secret *password CLEANUP_SECRET = NULL;
	char *path CLEANUP_TEXT = folder_path("ours/squashfs-1");
	int fd CLEANUP_FD = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
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
	folder_save("ours/gocryptfs.conf", conf.data, conf.len);
}

static void they_read_ours(void **state)
{
	(void)state;
	for (int random = 0; random < 2; random++) {
		write_ours(random);
		mount_and("ours", "cmp content plain/squashfs-1");
		/* A random secret needs no work; a guess at a passphrase takes 64 MiB, as
		 * gocryptfs'. */
		struct buffer conf CLEANUP_BUFFER = folder_load("ours/gocryptfs.conf");
		assert_non_null(strstr(conf.data, random ? "\"N\": 1024," : "\"N\": 65536,"));
		assert_non_null(strstr(conf.data, "\"R\": 8,"));
	}
}

static void we_read_theirs(void **state)
{
	(void)state;
	folder_shell("gocryptfs -init -q -scryptn 10 -deterministic-names -plaintextnames "
		     "-passfile password theirs");
	mount_and("theirs", "cp content plain/squashfs-1");
	char *path CLEANUP_TEXT = folder_path("theirs/squashfs-1");
	struct buffer conf CLEANUP_BUFFER = folder_load("theirs/gocryptfs.conf");
	struct source *file CLEANUP_SOURCE = NULL, *source CLEANUP_SOURCE = NULL;
	struct secret *password CLEANUP_SECRET = NULL;
	static uint8_t back[CONTENT_LEN];
	assert_ok(secret_copy("secret", 6, &password, err));
	assert_ok(source_from_fd(open(path, O_RDONLY | O_CLOEXEC), &file, err));
	assert_ok(seal_open(&seal_gocryptfs, &(struct sealed){ file, conf.data, conf.len },
			    password, &source, err));
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
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
