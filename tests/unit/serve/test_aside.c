/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/serve.h"

/* The process that reads a tree for who only looks into it: what it may do, and how it ends. */

static int collect(void *context, const void *data, size_t len, struct error **err)
{
	return buffer_append(context, data, len, err);
}

static int run(serve_work *work, struct buffer *ret, struct error **failed)
{
	CLEANUP_TEXT char *path = NULL;
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	struct error *none = NULL;
	path = path_join(getenv("COFFER_FIXTURES"), "plain.sif", &none);
	assert_non_null(path);
	assert_ok(image_open(path, &img, err));
	assert_ok(image_unseal(img, NULL, NULL, &tree, err));
	const struct serve_aside plan = { .work = work,
					  .take = collect,
					  .take_context = ret,
					  .image_fd = image_descriptor(img) };
	int r = serve_aside(&tree, &plan, failed);
	assert_null(tree);
	return r;
}

static int say(int out, const char *text)
{
	return fd_write(out, text, strlen(text));
}

/* It reads the tree, and nothing else: no path leads anywhere. */
static int read_tree(void *context, struct squash *sq, int out, struct error **err)
{
	struct squash_inode inode;
	(void)context;
	if (image_find(sq, "/etc", &inode, err) <= 0 || !S_ISDIR(inode.mode))
		return say(out, "no /etc");
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return say(out, "a file opens");
	return say(out, "good");
}

static int open_socket(void *context, struct squash *sq, int out, struct error **err)
{
	(void)context;
	(void)sq;
	(void)err;
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
	return say(out, "lives");
}

static int fail_halfway(void *context, struct squash *sq, int out, struct error **err)
{
	(void)context;
	(void)sq;
	(void)say(out, "half");
	return error_set(err, ERROR_DAMAGED, "a bad block");
}

static void reads_alone(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(run(read_tree, &got, err));
	assert_string_equal(got.data, "good");
}

static void killed_for_a_call(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 };
	struct error *failed CLEANUP_ERROR = NULL;
	assert_int_equal(run(open_socket, &got, &failed), -1);
	assert_int_equal(error_kind(failed), ERROR_SYSTEM);
	assert_int_equal(got.len, 0);
}

static void error_comes_over(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 };
	struct error *failed CLEANUP_ERROR = NULL;
	assert_int_equal(run(fail_halfway, &got, &failed), -1);
	assert_int_equal(error_kind(failed), ERROR_DAMAGED);
	assert_string_equal(error_message(failed), "a bad block");
	assert_string_equal(got.data, "half");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_alone),
		cmocka_unit_test(killed_for_a_call),
		cmocka_unit_test(error_comes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
