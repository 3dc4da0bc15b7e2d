/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_OCI_LAYOUT_H
#define COFFER_TESTS_OCI_LAYOUT_H

/* An image layout in the folder of each test, "layout", and beside it a folder "tree". */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "crypto/crypto.h"
#include "oci/oci.h"

static char test_directory[64];

static inline int enter_layout(void **state)
{
	(void)state;
	umask(0);
	strcpy(test_directory, "/tmp/coffer-test-XXXXXX");
	return mkdtemp(test_directory) && chdir(test_directory) == 0 &&
			       mkdir("layout", 0700) == 0 && mkdir("layout/blobs", 0700) == 0 &&
			       mkdir("layout/blobs/sha256", 0700) == 0 && mkdir("tree", 0755) == 0
		       ? 0
		       : -1;
}

static inline int leave_layout(void **state)
{
	char command[160];
	(void)state;
	(void)snprintf(command, sizeof(command), "chmod -R u+rwX %s; rm -rf %s", test_directory,
		       test_directory);
	return chdir("/") < 0 ? -1 : system(command);
}

#define IN_LAYOUT(test) cmocka_unit_test_setup_teardown(test, enter_layout, leave_layout)

static inline int open_folder(const char *name)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", test_directory, name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void put(const char *path, const void *data, size_t len)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, data, len), 0);
}

/* Into the layout; its digest in words goes to `words` ("sha256:" and 64 digits). */
static inline struct oci_blob put_blob(const void *data, size_t len, char words[80])
{
	struct oci_blob blob = { .size = len };
	char path[160];
	assert_ok(crypto_sha256(data, len, blob.digest, err));
	struct error *err = NULL;
	char *name CLEANUP_TEXT = oci_blob_path(&blob, &err);
	assert_non_null(name);
	(void)snprintf(path, sizeof(path), "%s/layout/%s", test_directory, name);
	put(path, data, len);
	if (words)
		(void)snprintf(words, 80, "sha256:%s", strrchr(name, '/') + 1);
	return blob;
}

#endif
