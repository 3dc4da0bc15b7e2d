/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"

/*
 * The cache: SIF images that were made of what registries have, so that the second run of one
 * need not make it again. Its folders are called as Apptainer's are (deffile.md 15), and each
 * program cleans what the other has left.
 *
 * An entry is called by what it was made of, appears whole by a rename, and is never changed; so
 * there is no lock, two that make the same one at once both succeed, and one that is killed leaves
 * at most a file that the next `cache clean` takes. Nobody but the user may write here: what lies
 * here is run without another look at where it came from.
 */

const struct fetch_cache_kind fetch_cache_kinds[] = {
	{ "blob", "blob/blobs/sha256", true },
	{ "library", "library", false },
	{ "oci", "oci-tmp", false },
	{ "shub", "shub", false },
	{ "oras", "oras", false },
	{ "net", "net", false },
	{ NULL, NULL, false },
};

#define FOLDER_SIF "oci-tmp"

int fetch_cache_open(const char *path, bool make, struct error **err)
{
	struct stat st;
	CLEANUP_FD int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int folder = root < 0 ? -errno
				: make	 ? path_make_directories(root, path, 0700)
					 : path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	if (folder < 0)
		return error_errno(err, -folder, "%s the cache %s", make ? "make" : "open", path);
	CLEANUP_FD int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open the cache %s", path);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH)) {
		error_set(err, ERROR_POLICY, "the cache %s can be written by others", path);
		return error_hint(err,
				  "chmod go-w %s, or name another folder with "
				  "APPTAINER_CACHEDIR",
				  path);
	}
	for (const struct fetch_cache_kind *k = fetch_cache_kinds; make && k->name; k++)
		if (!k->blobs && mkdirat(fd, k->folder, 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make a folder in the cache %s", path);
	if (make && faccessat(fd, FOLDER_SIF, W_OK, 0) < 0)
		return error_errno(err, errno, "write to the cache %s", path);
	return fd_steal(&fd);
}

char *fetch_cache_sif(const uint8_t digest[CRYPTO_SHA256_LEN], const char *arch, struct error **err)
{
	uint8_t name[CRYPTO_SHA256_LEN];
	CLEANUP_BUFFER struct buffer facts = { 0 }, path = { 0 };
	/* What else the image would differ by. The first word changes when coffer makes another
	 * image of the same layers. */
	if (buffer_printf(&facts, err, "coffer 1 %s ", arch) < 0 ||
	    buffer_hex(&facts, digest, CRYPTO_SHA256_LEN, err) < 0 ||
	    crypto_sha256(facts.data, facts.len, name, err) < 0 ||
	    buffer_puts(&path, FOLDER_SIF "/", err) < 0 ||
	    buffer_hex(&path, name, sizeof(name), err) < 0)
		return NULL;
	return buffer_steal(&path, err);
}

char *fetch_cache_file(const struct fetch_transport *transport,
		       const uint8_t digest[CRYPTO_SHA256_LEN], struct error **err)
{
	CLEANUP_BUFFER struct buffer path = { 0 };
	if (buffer_printf(&path, err, "%s/", fetch_cache_folder(transport)) < 0 ||
	    buffer_hex(&path, digest, CRYPTO_SHA256_LEN, err) < 0)
		return NULL;
	return buffer_steal(&path, err);
}

int fetch_cache_each(int cache, const struct fetch_cache_kind *kind, fetch_cache_entry *each,
		     void *context, struct error **err)
{
	CLEANUP_DIRECTORY struct directory d = { 0 };
	CLEANUP_FD int fd = path_open_no_links(cache, kind->folder, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return 0;
	int r = fd < 0 ? fd : directory_open(fd, ".", &d);
	if (r < 0)
		return error_errno(err, -r, "open %s of the cache", kind->folder);
	struct stat st;
	for (const struct dirent *entry; (entry = directory_next(&d));)
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && each(context, fd, entry->d_name, &st, err) < 0)
			return -1;
	return d.errnum ? error_errno(err, d.errnum, "read %s of the cache", kind->folder) : 0;
}
