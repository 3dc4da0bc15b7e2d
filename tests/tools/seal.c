/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal and the kernel's mount without the rest, for tests that need no container:
 *
 *   seal create OUT            standard input becomes the payload of a LUKS2 image
 *   seal create-slow OUT       the same with the KDF of a chosen passphrase
 *   seal cat IMAGE             its payload on standard output
 *   seal secrets FILE DIR      the keys of an image file into files of DIR: the secret that opens
 * it and the keys that its content is encrypted with seal mount FILE DIR CMD…   mounts an image
 * file as --mount=kernel does, in a mount namespace of its own, and becomes CMD
 *
 * The passphrase is in APPTAINER_ENCRYPTION_PASSPHRASE; for images as for coffer itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mount/mount.h"
#include "seal/gocryptfs/internal.h"
#include "seal/luks2/internal.h"

#define PIECE_LEN (1 << 20)

static int passphrase(struct secret **ret, struct error **err)
{
	const char *text = getenv("APPTAINER_ENCRYPTION_PASSPHRASE");
	return text ? secret_copy(text, strlen(text), ret, err)
		    : error_set(err, ERROR_KEY_MISSING, "no passphrase");
}

static int create(const char *path, bool random, struct error **err)
{
	static char buf[PIECE_LEN];
	CLEANUP_SECRET struct secret *secret = NULL;
	CLEANUP_SINK struct sink *file = NULL, *seal = NULL;
	CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct luks2_create_options options = { .random_passphrase = random };
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (passphrase(&secret, err) < 0 || sink_from_fd(fd, &file, err) < 0 ||
	    luks2_create(file, secret, &options, &seal, err) < 0)
		return -1;
	for (;;) {
		ssize_t n = fd_read(0, buf, sizeof(buf));
		if (n < 0)
			return error_errno(err, (int)-n, "read the payload");
		if (n == 0)
			break;
		if (sink_write(seal, buf, (size_t)n, seal->size, err) < 0)
			return -1;
	}
	int r = sink_finish(seal, err);
	sink_free(&seal); /* before the one below it */
	return r;
}

static int cat(const char *path, struct error **err)
{
	static char buf[PIECE_LEN];
	CLEANUP_SECRET struct secret *secret = NULL;
	struct source *file = NULL, *clear = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	int r = -1;
	if (passphrase(&secret, err) < 0 || source_from_fd(fd, &file, err) < 0 ||
	    seal_open(&seal_luks2, &(struct sealed){ .bytes = file }, secret, &clear, err) < 0)
		goto out;
	for (uint64_t off = 0; off < clear->size;) {
		size_t n = clear->size - off < PIECE_LEN ? (size_t)(clear->size - off) : PIECE_LEN;
		if (source_read(clear, buf, n, off, err) < 0)
			goto out;
		int w = fd_write(1, buf, n);
		if (w < 0) {
			error_errno(err, -w, "write the payload");
			goto out;
		}
		off += n;
	}
	r = 0;
out:
	source_free(&clear);
	source_free(&file);
	return r;
}

static int mount_and_run(char **argv, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_FD int fd = -1;
	struct key_request request = { .use = KEY_FOR_RUN, .use_environment = true };
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "make a mount namespace");
	if (key_choose(&request, &key, err) < 0 || image_open(argv[0], &img, err) < 0 ||
	    mount_kernel(img, key, &fd, err) < 0 || mount_kernel_attach(fd, argv[1], err) < 0)
		return -1;
	execvp(argv[2], argv + 2);
	return error_errno(err, errno, "%s", argv[2]);
}

static int save(const char *folder, const char *name, const struct secret *s, struct error **err)
{
	CLEANUP_TEXT char *path = path_join(folder, name, err);
	if (!path)
		return -1;
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write(fd, secret_bytes(s), secret_size(s));
	return r < 0 ? error_errno(err, -r, "%s", path) : 0;
}

/* The only file system that a test makes so: the configuration is the file of that name. */
static int outer_conf(struct source *partition, struct buffer *ret, struct error **err)
{
	static const char name[] = "gocryptfs.conf";
	static const struct squash_options options = { 0 };
	struct squash *outer = NULL;
	struct squash_inode root, inode;
	squash_ref ref;
	int r = -1;
	if (squash_open(partition, &options, &outer, err) < 0)
		return -1;
	if (squash_inode(outer, squash_root(outer), &root, err) < 0 ||
	    squash_lookup(outer, &root, name, strlen(name), &ref, err) < 0 ||
	    squash_inode(outer, ref, &inode, err) < 0)
		goto out;
	char *to = buffer_reserve(ret, (size_t)inode.size + 1, err);
	if (!to || squash_read(outer, &inode, to, (size_t)inode.size, 0, err) < 0)
		goto out;
	ret->len = (size_t)inode.size;
	to[ret->len] = 0;
	r = 0;
out:
	squash_free(&outer);
	return r;
}

static int gocryptfs_secrets(struct source *partition, const struct secret *secret,
			     const char *folder, struct error **err)
{
	static const uint8_t aad[8];
	CLEANUP_BUFFER struct buffer conf = { 0 };
	CLEANUP_SECRET struct secret *master = NULL, *content = NULL;
	struct gocryptfs_config config;
	struct crypto_gcm *kek = NULL;
	if (outer_conf(partition, &conf, err) < 0 ||
	    gocryptfs_config_parse(conf.data, conf.len, &config, err) < 0 ||
	    gocryptfs_config_kek(&config, secret, CRYPTO_DECRYPT, &kek, err) < 0)
		return -1;
	const uint8_t *body = config.wrapped + CRYPTO_GCM_NONCE_LEN;
	int r = secret_new(KEY_LEN, &master, err);
	if (r == 0)
		r = crypto_gcm_open(kek, config.wrapped, aad, sizeof(aad), body, KEY_LEN,
				    body + KEY_LEN, secret_data(master), err);
	crypto_gcm_free(&kek);
	/* encryption.md 4.4 */
	if (r < 0 || crypto_hkdf_sha256(master, NULL, 0, CONTENT_INFO, KEY_LEN, &content, err) < 0)
		return -1;
	return save(folder, "master.key", master, err) < 0 ||
			       save(folder, "content.key", content, err) < 0
		       ? -1
		       : 0;
}

static int luks2_secrets(struct source *partition, const struct secret *secret, const char *folder,
			 struct error **err)
{
	static struct luks2_header header;
	CLEANUP_SECRET struct secret *key = NULL;
	return luks2_header_read(partition, &header, err) < 0 ||
			       luks2_unlock(&header, partition, secret, &key, err) < 0
		       ? -1
		       : save(folder, "volume.key", key, err);
}

static int secrets(const char *path, const char *folder, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_SECRET struct secret *secret = NULL;
	struct source *partition = NULL;
	struct key_request request = { .use = KEY_FOR_RUN, .use_environment = true };
	if (key_choose(&request, &key, err) < 0 || image_open(path, &img, err) < 0 ||
	    image_open_secret(img, key, &secret, err) < 0 ||
	    source_slice(img->file, img->root->off, img->root->len, &partition, err) < 0)
		return -1;
	int r = img->root->seal == &seal_luks2 ? luks2_secrets(partition, secret, folder, err)
					       : gocryptfs_secrets(partition, secret, folder, err);
	source_free(&partition);
	return r < 0 ? -1 : save(folder, "secret.text", secret, err);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error *err = NULL;
	int r = -1;
	if (argc == 3 && !strncmp(argv[1], "create", 6))
		r = create(argv[2], !strcmp(argv[1], "create"), &err);
	else if (argc == 3 && !strcmp(argv[1], "cat"))
		r = cat(argv[2], &err);
	else if (argc == 4 && !strcmp(argv[1], "secrets"))
		r = secrets(argv[2], argv[3], &err);
	else if (argc > 4 && !strcmp(argv[1], "mount"))
		r = mount_and_run(argv + 2, &err);
	else
		error_set(&err, ERROR_USAGE, "see the head of seal.c");
	if (r < 0)
		fprintf(stderr, "seal: %s\n%s\n", error_message(err),
			error_hint_text(err) ? error_hint_text(err) : "");
	return r < 0;
}
