/* SPDX-License-Identifier: Apache-2.0 */
#include "image/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/seal.h"

/*
 * The road down. A file is a stack of sources:
 *
 *   plain      file → partition → squash
 *   LUKS2      file → partition → payload (luks2) → squash
 *   gocryptfs  file → partition → outer squash → sealed (one file of it) → payload (gocryptfs)
 *              → squash
 */

/* The outer file system holds two files; a large cache has no use there. */
#define OUTER_CACHE_BYTES ((size_t)1 << 20)

/* what, advice: what it is instead; or NULL. */
static int not_recognised(const char *what, const char *advice, struct error **err)
{
	error_set(err, ERROR_UNSUPPORTED, "image format not recognized");
	if (what)
		return error_hint(err, "it is %s: %s", what, advice);
	return error_hint(err, "coffer runs SIF images, squashfs images and sandbox directories");
}

static int classify_file(struct image *img, struct error **err)
{
	char head[IMAGE_HEAD_LEN] = "";
	struct image_probe probe;
	size_t len = img->file->size < sizeof(head) ? (size_t)img->file->size : sizeof(head);
	if (source_read(img->file, head, len, 0, err) < 0)
		return -1;
	image_probe(head, len, &probe);
	if (!probe.format || (probe.what && !img->beside))
		return not_recognised(probe.what, probe.advice, err);
	img->format = probe.format;
	if (img->format->read(img, probe.off, err) < 0)
		return -1;
	const struct image_partition *first = img->partitions;
	if (img->partition_count && first->role == IMAGE_ROOT &&
	    first->filesystem == IMAGE_SQUASHFS)
		img->root = first;
	return 0;
}

/* A name that leads nowhere: often a link to what git-annex has not fetched. */
static int not_there(const char *path, int errnum, struct error **err)
{
	char link[PATH_MAX];
	if (errnum == ENOTDIR)
		error_errno(err, errnum, "failed to retrieve path for %s", path);
	else
		error_errno(err, errnum, "failed to retrieve path for %s: lstat %s", path, path);
	ssize_t len = errnum == ENOENT ? readlink(path, link, sizeof(link)) : -1;
	if (len > 0 && memmem(link, (size_t)len, "annex/objects/", 14))
		return error_hint(err, "it is a link of git-annex to what is not here: get the "
				       "image with `git annex get`");
	if (len > 0)
		return error_hint(err, "it is a link to %.*s, which is not there", (int)len, link);
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ENAMETOOLONG
		       ? error_hint(err, "check the name of the image")
		       : -1;
}

static int open_path(struct image *img, struct error **err)
{
	struct stat st;
	if (stat(img->path, &st) < 0)
		return not_there(img->path, errno, err);
	if (S_ISDIR(st.st_mode) && !img->beside) {
		if (!strcmp(img->path, "/")) {
			error_set(err, ERROR_POLICY, "/ as sandbox is not authorized");
			return error_hint(err, "give a container's folder, not this machine's own");
		}
		img->format = &image_sandbox;
		img->directory = open(img->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return img->directory < 0 ? error_errno(err, errno, "open %s", img->path) : 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return not_recognised(S_ISDIR(st.st_mode)    ? "a folder"
				      : S_ISCHR(st.st_mode)  ? "a device"
				      : S_ISFIFO(st.st_mode) ? "a pipe"
							     : "a socket",
				      img->beside
					      ? "give an image; a folder is bound without image-src"
					      : "give the name of a file or a folder",
				      err);
	/* Not to wait for a writer, should the name have become a fifo meanwhile. */
	img->fd = open(img->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (img->fd < 0) {
		int errnum = errno;
		if (errnum == EACCES)
			return error_set(
				err, ERROR_SYSTEM,
				"%s is not readable by the current user, check permissions",
				img->path);
		return error_errno(err, errnum, "open %s", img->path);
	}
	if (source_from_fd(img->fd, &img->file, err) < 0) {
		fd_close(&img->fd);
		return -1;
	}
	return classify_file(img, err);
}

static int open_image(const char *path, bool beside, struct image **ret, struct error **err)
{
	CLEANUP_IMAGE struct image *img = calloc(1, sizeof(*img));
	if (!img) {
		error_no_memory(err);
		return error_at(err, PLACE_OPENING);
	}
	img->directory = img->fd = -1;
	img->beside = beside;
	img->path = path_absolute(path, err);
	if (!img->path)
		return error_at(err, PLACE_OPENING);
	if (open_path(img, err) < 0) {
		/* Where the file was opened and the error already names it, saying so twice helps
		 * nobody; Apptainer's words do not either. */
		error_at(err, PLACE_OPENING);
		bool framed = (img->sif && !img->partitions) || error_kind(*err) == ERROR_POLICY;
		return framed || beside ? -1
					: error_wrap(err, "could not open image %s", img->path);
	}
	*ret = take_pointer(&img);
	return 0;
}

int image_open(const char *path, struct image **ret, struct error **err)
{
	return open_image(path, false, ret, err);
}

int image_open_beside(const char *path, struct image **ret, struct error **err)
{
	return open_image(path, true, ret, err);
}

void image_free(struct image **img)
{
	struct image *i = *img;
	*img = NULL;
	if (!i)
		return;
	free(i->partitions);
	sif_free(&i->sif);
	source_free(&i->file); /* closes fd */
	fd_close(&i->directory);
	free(i->path);
	free(i);
}

const struct sif_descriptor *image_wrapped_key(const struct image *img)
{
	return img->sif && img->root ? sif_crypt_message(img->sif, img->root->descriptor) : NULL;
}

int image_check_architecture(const struct image *img, struct error **err)
{
	static const struct {
		const char *host, *image;
	} compatible[] = { { "02", "01" }, { "04", "03" }, { "09", "07" }, { "10", "08" } };
	const struct sif_descriptor *d = img->root ? img->root->descriptor : NULL;
	const char *host = sif_arch_native();
	if (!d || !strcmp(d->arch, host))
		return 0;
	for (size_t i = 0; i < sizeof(compatible) / sizeof(*compatible); i++) {
		if (!strcmp(host, compatible[i].host) && !strcmp(d->arch, compatible[i].image))
			return 0;
	}
	error_set(err, ERROR_UNSUPPORTED,
		  "%s: the image's architecture (%s) could not run on the host's (%s)", img->path,
		  sif_arch_name(d->arch), sif_arch_name(host));
	return error_hint(err, "run it on a machine of that kind, or build it for this one");
}

/* ------------------------------------------------------------------ unsealing */

static int with_sealed(const struct seal *seal, const struct sealed *sealed, image_use_volume *use,
		       void *context, struct error **err)
{
	CLEANUP_SEAL_VOLUME struct seal_volume *volume = NULL;
	return seal->probe(sealed, &volume, err) < 0 ? -1 : use(context, volume, err);
}

/* What is looked for in the root of the outer file system (encryption.md 4.2). */
struct outer_search {
	struct squash *outer;
	squash_ref sealed;
	bool found;
	struct error *err;
};

static int outer_entry(void *context, const struct squash_dirent *entry, uint64_t next)
{
	static const char prefix[] = "squashfs-";
	struct outer_search *search = context;
	struct squash_inode inode;
	(void)next;
	if (squash_inode(search->outer, entry->ref, &inode, &search->err) < 0)
		return 1;
	if (S_ISREG(inode.mode) && inode.size == 0) {
		error_set(&search->err, ERROR_DAMAGED, "%.*s file size should not be 0",
			  (int)entry->len, entry->name);
		return 1;
	}
	if (entry->len < strlen(prefix) || memcmp(entry->name, prefix, strlen(prefix)) != 0)
		return 0;
	search->sealed = entry->ref;
	search->found = true;
	return 1;
}

int image_find_conf(const struct image_tree *t, struct squash_inode *ret, struct error **err)
{
	static const char name[] = "gocryptfs.conf";
	struct squash_inode root;
	squash_ref ref;
	if (squash_inode(t->outer, squash_root(t->outer), &root, err) < 0 ||
	    squash_lookup(t->outer, &root, name, strlen(name), &ref, err) < 0 ||
	    squash_inode(t->outer, ref, ret, err) < 0)
		return error_wrap(err, "%s", name);
	return S_ISREG(ret->mode) ? 0 : error_set(err, ERROR_DAMAGED, "%s is not a file", name);
}

static int read_conf(const struct image_tree *t, size_t max, struct buffer *ret, struct error **err)
{
	static const char name[] = "gocryptfs.conf";
	struct squash_inode inode;
	if (image_find_conf(t, &inode, err) < 0)
		return -1;
	if (inode.size > max)
		return error_set(err, ERROR_LIMIT, "%s is larger than %zu bytes", name, max);
	char *to = buffer_reserve(ret, (size_t)inode.size, err);
	if (!to)
		return -1;
	ssize_t n = squash_read(t->outer, &inode, to, (size_t)inode.size, 0, err);
	if (n < 0)
		return error_wrap(err, "read %s", name);
	ret->len += (size_t)n;
	ret->data[ret->len] = '\0';
	return 0;
}

static int with_sealed_in_outer(struct image_tree *t, const struct seal *seal,
				image_use_volume *use, void *context, struct error **err)
{
	struct squash_options options = { .cache_bytes = OUTER_CACHE_BYTES };
	struct squash_inode root, sealed;
	CLEANUP_BUFFER struct buffer conf = { 0 };
	if (squash_open(t->partition, &options, &t->outer, err) < 0 ||
	    squash_inode(t->outer, squash_root(t->outer), &root, err) < 0)
		return error_wrap(err, "the outer file system");
	struct outer_search search = { .outer = t->outer };
	if (squash_readdir(t->outer, &root, 0, outer_entry, &search, err) < 0)
		return -1;
	if (search.err) {
		*err = search.err;
		return -1;
	}
	if (!search.found)
		return error_set(err, ERROR_DAMAGED, "could not find mounted squashfs file");
	if (read_conf(t, seal->conf_max, &conf, err) < 0 ||
	    squash_inode(t->outer, search.sealed, &sealed, err) < 0)
		return -1;
	if (!S_ISREG(sealed.mode))
		return error_set(err, ERROR_DAMAGED, "the encrypted file is not a regular file");
	if (squash_file_source(t->outer, &sealed, &t->sealed, err) < 0)
		return -1;
	const struct sealed parts = { .bytes = t->sealed, .conf = conf.data, .conf_len = conf.len };
	return with_sealed(seal, &parts, use, context, err);
}

int image_with_volume(const struct image *img, struct image_tree *t, image_use_volume *use,
		      void *context, struct error **err)
{
	const struct seal *seal = image_seal(img);
	const struct sealed whole = { .bytes = t->partition };
	return seal->in_outer ? with_sealed_in_outer(t, seal, use, context, err)
			      : with_sealed(seal, &whole, use, context, err);
}

/*
 * What the image was made with is told by whether it has a wrapped key. A passphrase is tried all
 * the same, as it may be what was wrapped; so this is known only now, and better than what the
 * seal's own hint says.
 */
static int explain_passphrase(const struct image *img, const struct key *key, struct error **err)
{
	if (error_kind(*err) != ERROR_KEY_WRONG || !key || !key_is_passphrase(key) ||
	    !image_wrapped_key(img))
		return -1;
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_TEXT char *words = text_dup(error_message(*err), &failed);
	if (!words)
		return -1;
	error_free(err);
	error_set(err, ERROR_KEY_WRONG, "%s", words);
	return error_hint(err, "the image was encrypted for an RSA key: give the private one with "
			       "--pem-path or APPTAINER_ENCRYPTION_PEM_PATH");
}

struct unsealing {
	const struct image_opener *opener;
	struct source **payload;
};

static int unseal_volume(void *context, const struct seal_volume *volume, struct error **err)
{
	const struct unsealing *u = context;
	CLEANUP_SECRET struct secret *key = NULL;
	if (image_unlock(u->opener, volume, &key, err) < 0)
		return -1;
	return volume->seal->open(volume, key, u->payload, err);
}

static int unseal(const struct image *img, const struct image_opener *opener, struct image_tree *t,
		  struct error **err)
{
	struct unsealing u = { .opener = opener, .payload = &t->payload };
	return image_is_encrypted(img) ? image_with_volume(img, t, unseal_volume, &u, err) : 0;
}

static int unseal_failed(const struct image *img, struct error **err)
{
	error_at(err, PLACE_UNSEALING);
	return error_wrap(err, "%s", img->path);
}

int image_unseal(const struct image *img, const struct key *key,
		 const struct squash_options *options, struct image_tree **ret, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *t = calloc(1, sizeof(*t));
	CLEANUP_IMAGE_OPENER struct image_opener opener = { 0 };
	if (!t)
		return error_no_memory(err);
	if (!img->root)
		return error_set(err, ERROR_INTERNAL, "a sandbox needs no unsealing");
	if (source_slice(img->file, img->root->off, img->root->len, &t->partition, err) < 0)
		return unseal_failed(img, err);
	if (image_is_encrypted(img) && image_find_opener(img, key, &opener, err) < 0)
		return -1;
	if (unseal(img, &opener, t, err) < 0) {
		explain_passphrase(img, key, err);
		return unseal_failed(img, err);
	}
	if (squash_open(t->payload ? t->payload : t->partition, options, &t->squash, err) < 0)
		return unseal_failed(img, err);
	*ret = take_pointer(&t);
	return 0;
}

int image_open_partition(const struct image *img, const struct image_partition *part,
			 const struct squash_options *options, struct image_tree **ret,
			 struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *t = calloc(1, sizeof(*t));
	if (!t)
		return error_no_memory(err);
	if (part->seal || part->filesystem != IMAGE_SQUASHFS)
		return error_set(err, ERROR_INTERNAL, "a partition that cannot be read in clear");
	if (source_slice(img->file, part->off, part->len, &t->partition, err) < 0 ||
	    squash_open(t->partition, options, &t->squash, err) < 0)
		return unseal_failed(img, err);
	*ret = take_pointer(&t);
	return 0;
}

void image_tree_free(struct image_tree **tree)
{
	struct image_tree *t = *tree;
	*tree = NULL;
	if (!t)
		return;
	squash_free(&t->squash);
	source_free(&t->payload);
	source_free(&t->sealed);
	squash_free(&t->outer);
	source_free(&t->partition);
	free(t);
}
