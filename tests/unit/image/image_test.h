/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_IMAGE_TEST_H
#define COFFER_TESTS_IMAGE_TEST_H

#include "unit.h"

#include <openssl/evp.h>

#include "image/image.h"

/* A key as the command line would choose it. */
static inline struct key *test_key(enum key_use use, const char *pem, const char *passphrase)
{
	struct key *k = NULL;
	struct key_request request = { .use = use, .pem_path = pem, .use_environment = true };
	if (passphrase)
		assert_int_equal(setenv("APPTAINER_ENCRYPTION_PASSPHRASE", passphrase, 1), 0);
	assert_ok(key_choose(&request, &k, err));
	unsetenv("APPTAINER_ENCRYPTION_PASSPHRASE");
	return k;
}

static inline char *fixture_path(const char *name)
{
	struct error *err = NULL;
	char *path = path_join(getenv("COFFER_FIXTURES"), name, &err);
	assert_non_null(path);
	return path;
}

/* MD5 of a file's content, in hexadecimal. */
static inline void file_md5(struct squash *sq, const struct squash_inode *inode, char hex[33])
{
	unsigned char sum[16];
	static char buf[100000]; /* no multiple of the block size */
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestInit_ex(md, EVP_md5(), NULL), 1);
	for (uint64_t off = 0;;) {
		struct error *err = NULL;
		ssize_t n = squash_read(sq, inode, buf, sizeof(buf), off, &err);
		if (n < 0)
			fail_msg("%s", error_message(err));
		if (n == 0)
			break;
		EVP_DigestUpdate(md, buf, (size_t)n);
		off += (uint64_t)n;
	}
	EVP_DigestFinal_ex(md, sum, NULL);
	EVP_MD_CTX_free(md);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/* The inode at a path of plain directories. */
static inline int find_path(struct squash *sq, const char *path, struct squash_inode *ret,
			    struct error **err)
{
	squash_ref ref = squash_root(sq);
	if (squash_inode(sq, ref, ret, err) < 0)
		return -1;
	while (*path) {
		while (*path == '/')
			path++;
		size_t len = strcspn(path, "/");
		if (squash_lookup(sq, ret, path, len, &ref, err) < 0 ||
		    squash_inode(sq, ref, ret, err) < 0)
			return -1;
		path += len;
	}
	return 0;
}

#endif
