/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image layout says in JSON. The first byte tells which text the rest is: 'i' index.json,
 * 'm' a manifest, 'c' a configuration; the others are good ones, with the digests that lead there.
 * What is found becomes the scripts of an image.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "oci/oci.h"

static char base[] = "/dev/shm/coffer-fuzz-XXXXXX";
static int base_fd = -1;
static pid_t owner;

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"
static const char good_config[] =
	"{\"rootfs\":{\"diff_ids\":[\"" DIGEST "\"]},\"config\":{\"Cmd\":[\"sh\"]}}";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void remove_base(void)
{
	if (owner == getpid())
		(void)nftw(base, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}

void fuzz_start(void)
{
	owner = getpid();
	if (!mkdtemp(base) || (base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(base_fd, "blobs", 0700) < 0 || mkdirat(base_fd, "blobs/sha256", 0700) < 0)
		fuzz_bug("no folder for a layout");
	(void)atexit(remove_base);
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = openat(base_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write(fd, data, len) < 0)
		fuzz_bug("no room for %s", name);
	(void)close(fd);
}

/* Stores a blob and writes its descriptor: "digest":"...","size":N. */
static void put_blob(const void *data, size_t len, char *ret, size_t cap)
{
	struct oci_blob blob = { .size = len };
	struct error *err = NULL;
	if (crypto_sha256(data, len, blob.digest, &err) < 0)
		fuzz_bug("no digest");
	char *name = oci_blob_path(&blob, &err);
	if (!name)
		fuzz_bug("no memory");
	put(name, data, len);
	(void)snprintf(ret, cap, "\"digest\":\"sha256:%s\",\"size\":%zu", strrchr(name, '/') + 1,
		       len);
	free(name);
}

static void put_layout(char kind, const uint8_t *data, size_t len)
{
	char descriptor[128], text[1024];
	bool config = kind == 'c';
	put_blob("", 0, descriptor, sizeof(descriptor)); /* the layer */
	put_blob(config ? (const void *)data : good_config, config ? len : strlen(good_config),
		 descriptor, sizeof(descriptor));
	int n = snprintf(text, sizeof(text),
			 "{\"config\":{%s},\"layers\":[{\"mediaType\":"
			 "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"" DIGEST
			 "\",\"size\":0}]}",
			 descriptor);
	bool manifest = kind == 'm';
	put_blob(manifest ? (const void *)data : text, manifest ? len : (size_t)n, descriptor,
		 sizeof(descriptor));
	n = snprintf(text, sizeof(text), "{\"manifests\":[{%s}]}", descriptor);
	if (kind == 'i')
		put("index.json", data, len);
	else
		put("index.json", text, (size_t)n);
}

static int clean(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	return type == FTW_F ? remove(path) : 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct oci_image *image CLEANUP_OCI_IMAGE = NULL;
	CLEANUP_BUFFER struct buffer scripts = { 0 };
	const struct oci_wish wish = { .arch = "amd64" };
	struct oci_blob blob;
	CLEANUP_ERROR struct error *other = NULL;
	if (!len)
		return error_set(err, ERROR_DAMAGED, "nothing");
	fault_pause();
	put_layout((char)*data, data + 1, len - 1);
	/* Its other reader, of one file: without faults, as what it says is no part of the result.
	 */
	if (oci_find_file(base_fd, &wish, "application/vnd.oci.image.layer.v1.tar", &blob,
			  &other) == 0) {
		CLEANUP_FD int fd = oci_blob_open_checked(base_fd, &blob, &other);
		fuzz_saw_number(blob.size + (fd >= 0));
	}
	fault_resume();
	int r = oci_open(base_fd, &wish, &image, err);
	if (r == 0 && (oci_put_runscript(&image->config, &scripts, err) < 0 ||
		       oci_put_environment(&image->config, &scripts, err) < 0))
		r = -1;
	fault_pause();
	(void)nftw(base, clean, 16, FTW_PHYS);
	fault_resume();
	if (r == 0) {
		fuzz_saw_number(image->layer_count);
		fuzz_saw(image->config.json.data, image->config.json.len);
		fuzz_saw(scripts.data, scripts.len);
	}
	return r;
}
