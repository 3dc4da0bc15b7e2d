/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "image/image.h"
#include "json/json.h"
#include "os/os.h"

/*
 * oras://, the other way: a SIF goes to a registry as it is, sealed or not. skopeo sends it from an
 * image layout whose one layer is a link to the file, so nothing of it is copied on this side; it
 * looks at the digest that was computed here, so what is changed meanwhile does not arrive.
 */

#define CONFIG_TYPE "application/vnd.sylabs.sif.config.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG "{}"
#define TITLE_MAX 4096

struct layout {
	int folder; /* O_PATH */
	int blobs;
};

static int write_file(int folder, const char *name, const char *text, size_t len,
		      struct error **err)
{
	CLEANUP_FD int fd =
		openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write(fd, text, len);
	return r < 0 ? error_errno(err, -r, "write the layout for skopeo") : 0;
}

/* A small blob; its digest in words is appended. */
static int write_blob(const struct layout *l, const char *text, size_t len, struct buffer *ret,
		      struct error **err)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	if (crypto_sha256(text, len, digest, err) < 0 ||
	    buffer_hex(ret, digest, sizeof(digest), err) < 0)
		return -1;
	return write_file(l->blobs, ret->data, text, len, err);
}

/* The file's digest in words, and its size. */
static int measure(int fd, struct buffer *ret, uint64_t *ret_size, struct error **err)
{
	uint8_t bytes[65536], digest[CRYPTO_SHA256_LEN];
	__attribute__((cleanup(crypto_digest_free))) struct crypto_digest *d = NULL;
	ssize_t n;
	*ret_size = 0;
	if (crypto_digest_new(CRYPTO_SHA256, &d, err) < 0 || crypto_digest_begin(d, err) < 0)
		return -1;
	for (; (n = fd_pread(fd, bytes, sizeof(bytes), *ret_size)) > 0; *ret_size += (uint64_t)n)
		if (crypto_digest_add(d, bytes, (size_t)n, err) < 0)
			return -1;
	if (n < 0)
		return error_errno(err, (int)-n, "read the image");
	return crypto_digest_end(d, digest, err) < 0 ? -1
						     : buffer_hex(ret, digest, sizeof(digest), err);
}

static int open_sif(const char *path, struct error **err)
{
	uint8_t head[IMAGE_HEAD_LEN];
	struct image_probe probe;
	struct stat st;
	/* Not to wait for who writes to a pipe. */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "could not open image %s for verification", path);
	ssize_t n = S_ISREG(st.st_mode) ? fd_pread(fd, head, sizeof(head), 0) : 0;
	if (n < 0)
		return error_errno(err, (int)-n, "read %s", path);
	image_probe(head, (size_t)n, &probe);
	if (probe.format == &image_sif)
		return fd_steal(&fd);
	error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not a SIF", path);
	return error_hint(err, "build one of it first, and push that");
}

static int put_manifest(const struct layout *l, const char *image, const char *sif, uint64_t size,
			struct error **err)
{
	CLEANUP_BUFFER struct buffer config = { 0 }, title = { 0 }, text = { 0 }, name = { 0 },
				     index = { 0 };
	const char *base = path_base_name(image);
	if (write_blob(l, CONFIG, strlen(CONFIG), &config, err) < 0 ||
	    json_put_string(&title, base, strnlen(base, TITLE_MAX), err) < 0 ||
	    buffer_printf(
		    &text, err,
		    "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE "\",\"config\":{"
		    "\"mediaType\":\"" CONFIG_TYPE "\",\"size\":%zu,\"digest\":\"sha256:%s\"},"
		    "\"layers\":[{\"mediaType\":\"" FETCH_SIF_TYPE "\",\"size\":%llu,"
		    "\"digest\":\"sha256:%s\",\"annotations\":{"
		    "\"org.opencontainers.image.title\":%s}}]}",
		    strlen(CONFIG), config.data, (unsigned long long)size, sif, title.data) < 0 ||
	    write_blob(l, text.data, text.len, &name, err) < 0 ||
	    buffer_printf(&index, err,
			  "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST_TYPE
			  "\",\"size\":%zu,\"digest\":\"sha256:%s\"}]}",
			  text.len, name.data) < 0)
		return -1;
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	return write_file(l->folder, "oci-layout", version, strlen(version), err) < 0
		       ? -1
		       : write_file(l->folder, "index.json", index.data, index.len, err);
}

/* What skopeo reads: oci/layout.c has what lies where. */
static int make_layout(const char *folder, const char *image, struct error **err)
{
	CLEANUP_BUFFER struct buffer sif = { 0 };
	uint64_t size = 0;
	CLEANUP_FD int fd = open_sif(image, err);
	CLEANUP_TEXT char *path = fd < 0 ? NULL : path_absolute(image, err);
	if (!path || measure(fd, &sif, &size, err) < 0)
		return -1;
	CLEANUP_FD int in = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int top = in < 0 ? -errno : path_make_directories(in, "layout", 0700);
	CLEANUP_FD int blobs =
		top < 0 ? top : path_make_directories(in, "layout/blobs/sha256", 0700);
	if (blobs < 0)
		return error_errno(err, -blobs, "make the layout for skopeo");
	if (symlinkat(path, blobs, sif.data) < 0)
		return error_errno(err, errno, "make the layout for skopeo");
	const struct layout l = { top, blobs };
	return put_manifest(&l, image, sif.data, size, err);
}

int fetch_push(const struct fetch_wish *wish, const char *image, const char *folder,
	       struct error **err)
{
	CLEANUP_STRINGS struct strings words = { 0 };
	CLEANUP_TEXT char *target = fetch_source(wish, err);
	if (!target || fetch_check(wish, err) < 0)
		return -1;
	CLEANUP_TEXT char *program = process_find_program("skopeo", err);
	if (!program || make_layout(folder, image, err) < 0)
		return -1;
	if (fetch_put_general(wish, program, folder, &words, err) < 0 ||
	    strings_add(&words, "copy", err) < 0 || strings_add(&words, "--quiet", err) < 0 ||
	    strings_add(&words, "--preserve-digests", err) < 0 ||
	    fetch_put_access(wish->options, "dest-", &words, err) < 0 ||
	    strings_addf(&words, err, "oci:%s/layout", folder) < 0 ||
	    strings_add(&words, target, err) < 0)
		return -1;
	return fetch_run_skopeo(wish, folder, &words, NULL, err);
}
