/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "crypto/crypto.h"

#define PIECE ((size_t)1 << 16)

/* OCI image layout, "Blobs": a file is called by the digest of its bytes. */

char *oci_blob_path(const struct oci_blob *blob, struct error **err)
{
	CLEANUP_BUFFER struct buffer path = { 0 };
	if (buffer_puts(&path, "blobs/sha256/", err) < 0 ||
	    buffer_hex(&path, blob->digest, sizeof(blob->digest), err) < 0)
		return NULL;
	return buffer_steal(&path, err);
}

int oci_blob_parse_digest(const char *text, uint8_t ret[32], struct error **err)
{
	static const char prefix[] = "sha256:";
	uint8_t digest[32];
	if (!strncmp(text, "sha512:", 7) || !strncmp(text, "blake3:", 7))
		return error_set(err, ERROR_UNSUPPORTED,
				 "digests other than sha256 are not supported by coffer");
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0 ||
	    !text_hex(text + sizeof(prefix) - 1, digest, sizeof(digest)))
		return error_set(err, ERROR_DAMAGED, "a digest that is none");
	memcpy(ret, digest, sizeof(digest));
	return 0;
}

int oci_blob_open(int layout, const struct oci_blob *blob, struct error **err)
{
	struct stat st;
	CLEANUP_TEXT char *path = oci_blob_path(blob, err);
	if (!path)
		return -1;
	/* Not to wait for a pipe. */
	CLEANUP_FD int fd = path_open_no_links(layout, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return error_errno(err, -fd, "open %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_DAMAGED, "%s is no file", path);
	if ((uint64_t)st.st_size != blob->size)
		return error_set(err, ERROR_DAMAGED, "%s has %llu bytes, not %llu", path,
				 (unsigned long long)st.st_size, (unsigned long long)blob->size);
	return fd_steal(&fd);
}

int oci_blob_read(int layout, const struct oci_blob *blob, struct buffer *ret, struct error **err)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_TEXT char *path = oci_blob_path(blob, err);
	if (!path)
		return -1;
	if (blob->size > OCI_JSON_MAX)
		return error_set(err, ERROR_LIMIT, "%s has more than %zu bytes", path,
				 OCI_JSON_MAX);
	CLEANUP_FD int fd = oci_blob_open(layout, blob, err);
	if (fd < 0 || fd_read_all(fd, OCI_JSON_MAX, path, &text, err) < 0 ||
	    crypto_sha256(text.data ? text.data : "", text.len, digest, err) < 0)
		return -1;
	if (memcmp(digest, blob->digest, sizeof(digest)) != 0)
		return error_set(err, ERROR_DAMAGED, "%s does not have this digest", path);
	return buffer_append(ret, text.data ? text.data : "", text.len, err);
}

int oci_blob_open_checked(int layout, const struct oci_blob *blob, struct error **err)
{
	__attribute__((cleanup(crypto_digest_free))) struct crypto_digest *sum = NULL;
	CLEANUP_BUFFER struct buffer room = { 0 };
	uint8_t digest[CRYPTO_SHA256_LEN];
	CLEANUP_FD int fd = oci_blob_open(layout, blob, err);
	char *piece = fd < 0 ? NULL : buffer_reserve(&room, PIECE, err);
	if (!piece || crypto_digest_new(CRYPTO_SHA256, &sum, err) < 0 ||
	    crypto_digest_begin(sum, err) < 0)
		return -1;
	ssize_t n;
	while ((n = fd_read(fd, piece, PIECE)) > 0)
		if (crypto_digest_add(sum, piece, (size_t)n, err) < 0)
			return -1;
	if (n < 0)
		return error_errno(err, (int)-n, "read what was got");
	if (crypto_digest_end(sum, digest, err) < 0)
		return -1;
	if (memcmp(digest, blob->digest, sizeof(digest)) != 0)
		return error_set(err, ERROR_DAMAGED, "what was got does not have its digest");
	return fd_steal(&fd);
}
