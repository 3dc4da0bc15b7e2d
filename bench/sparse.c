/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an image of any size out of a small plain one, for the time to the first byte:
 *
 *   sparse KIND SIZE PLAIN.sif PUBLIC.pem OUT.sif     KIND: luks2, gocryptfs
 *
 * Its tree is that of PLAIN.sif, with the tables of the file system SIZE bytes away from the data.
 * What lies between is encrypted like all else, but not written: a hole in OUT. Nothing points
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "image/image.h"
#include "seal/gocryptfs/gocryptfs.h"
#include "seal/luks2/luks2.h"

/* More than what a seal holds back before it writes. */
#define MARGIN ((uint64_t)4 << 20)
#define PIECE ((size_t)1 << 20)

/* ------------------------------------------------------------------ a file that loses writes */

struct lossy {
	struct sink sink;
	struct sink *file;
	bool losing;
};

static int lossy_write(struct sink *s, const void *buf, size_t len, uint64_t off,
		       struct error **err)
{
	struct lossy *l = (struct lossy *)s;
	(void)buf;
	(void)len;
	(void)off;
	return l->losing ? 0 : sink_write(l->file, buf, len, off, err);
}

static int lossy_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	return sink_read(((struct lossy *)s)->file, buf, len, off, err);
}

static int lossy_truncate(struct sink *s, uint64_t size, struct error **err)
{
	return sink_truncate(((struct lossy *)s)->file, size, err);
}

static int lossy_finish(struct sink *s, struct error **err)
{
	return sink_finish(((struct lossy *)s)->file, err);
}

static void lossy_free(struct sink *s)
{
	(void)s;
}

static const struct sink_ops lossy_ops = { .write = lossy_write,
					   .read = lossy_read,
					   .truncate = lossy_truncate,
					   .finish = lossy_finish,
					   .free = lossy_free };

/* ------------------------------------------------------------------ moving the tables */

/* Places in the superblock that hold positions behind the data (spec encryption.md, 7). */
enum {
	AT_INODES = 4,
	AT_FRAGMENTS = 16,
	AT_IDS = 26,
	AT_BYTES_USED = 40,
	AT_ID_TABLE = 48,
	AT_XATTR_TABLE = 56,
	AT_INODE_TABLE = 64,
	AT_DIRECTORY_TABLE = 72,
	AT_FRAGMENT_TABLE = 80,
	AT_EXPORT_TABLE = 88,
};

static uint64_t get(const uint8_t *p, unsigned len)
{
	uint64_t v = 0;
	while (len--)
		v = v << 8 | p[len];
	return v;
}

static void shift(uint8_t *p, uint64_t delta)
{
	if (get(p, 8) != UINT64_MAX)
		bytes_put_le(p, get(p, 8) + delta, 8);
}

/* A list of positions at `table`, one for each metadata block of count entries. */
static void shift_list(uint8_t *fs, uint64_t table, uint64_t count, uint64_t entry_len,
		       uint64_t delta)
{
	if (table == UINT64_MAX)
		return;
	for (uint64_t i = 0; i < (count * entry_len + 8191) / 8192; i++)
		shift(fs + table + 8 * i, delta);
}

static void move_tables(uint8_t *fs, uint64_t delta)
{
	static const unsigned fields[] = { AT_BYTES_USED,  AT_ID_TABLE,	       AT_XATTR_TABLE,
					   AT_INODE_TABLE, AT_DIRECTORY_TABLE, AT_FRAGMENT_TABLE,
					   AT_EXPORT_TABLE };
	uint64_t xattrs = get(fs + AT_XATTR_TABLE, 8);
	shift_list(fs, get(fs + AT_ID_TABLE, 8), get(fs + AT_IDS, 2), 4, delta);
	shift_list(fs, get(fs + AT_FRAGMENT_TABLE, 8), get(fs + AT_FRAGMENTS, 4), 16, delta);
	shift_list(fs, get(fs + AT_EXPORT_TABLE, 8), get(fs + AT_INODES, 4), 8, delta);
	if (xattrs != UINT64_MAX) {
		shift_list(fs, xattrs + 16, get(fs + xattrs + 8, 4), 16, delta);
		shift(fs + xattrs, delta);
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		shift(fs + fields[i], delta);
}

/* ------------------------------------------------------------------ the image */

struct stack {
	struct lossy file;
	struct sink *partition, *sealed, *payload;
	struct buffer conf, message;
};

static int seal(struct stack *s, const struct seal *row, const char *pem, struct error **err)
{
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_SECRET struct secret *secret = NULL;
	struct key_request request = { .use = KEY_FOR_BUILD, .pem_path = pem };
	bool random;
	if (key_choose(&request, &key, err) < 0 ||
	    key_make_secret(key, &row->secret, &secret, &random, &s->message, err) < 0)
		return -1;
	if (row == &seal_luks2) {
		struct luks2_create_options options = { .random_passphrase = random };
		return luks2_create(s->partition, secret, &options, &s->payload, err);
	}
	struct gocryptfs_create_options options = { .random_password = random };
	if (sink_offset(s->partition, SQUASH_OUTER_DATA, &s->sealed, err) < 0)
		return -1;
	return gocryptfs_create(s->sealed, secret, &options, &s->conf, &s->payload, err);
}

static int write_payload(struct stack *s, uint8_t *fs, uint64_t len, uint64_t size,
			 struct error **err)
{
	static uint8_t zeros[PIECE];
	uint64_t cut = get(fs + AT_INODE_TABLE, 8);
	uint64_t delta = size > len ? (size - len) / 4096 * 4096 : 0;
	move_tables(fs, delta);
	if (sink_write(s->payload, fs, (size_t)cut, 0, err) < 0)
		return -1;
	for (uint64_t off = cut, end = cut + delta; off < end;) {
		size_t n = end - off < PIECE ? (size_t)(end - off) : PIECE;
		s->file.losing = off > cut + MARGIN && off + MARGIN < end;
		if (sink_write(s->payload, zeros, n, off, err) < 0)
			return -1;
		off += n;
	}
	s->file.losing = false;
	return sink_write(s->payload, fs + cut, (size_t)(len - cut), cut + delta, err);
}

static int make_image(const struct seal *row, uint64_t size, uint8_t *fs, uint64_t len,
		      const char *pem, struct sink *file, struct error **err)
{
	struct stack s = { .file = { .sink = { .ops = &lossy_ops }, .file = file } };
	__attribute__((cleanup(sif_writer_free))) struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = 1000000000 };
	uint64_t off;
	if (sif_write_begin(&s.file.sink, &options, &w, err) < 0 ||
	    sif_write_object(w, SIF_DEFFILE, "", "bootstrap: scratch\n", 19, err) < 0 ||
	    sif_write_partition_begin(w, &off, err) < 0 ||
	    sink_offset(&s.file.sink, off, &s.partition, err) < 0 || seal(&s, row, pem, err) < 0 ||
	    write_payload(&s, fs, len, size, err) < 0 || sink_finish(s.payload, err) < 0)
		return -1;
	if (row->in_outer && squash_outer_finish(s.partition, "squashfs-1", s.sealed->size,
						 s.conf.data, s.conf.len, 1000000000, err) < 0)
		return -1;
	if (sif_write_partition_end(
		    w, row == &seal_luks2 ? SIF_ENCRYPTED_SQUASHFS : SIF_GOCRYPTFS_SQUASHFS,
		    sif_arch_native(), s.partition->size, err) < 0 ||
	    sif_write_crypt_message(w, s.message.data, s.message.len, err) < 0)
		return -1;
	return sif_write_finish(w, err); /* the stack is left to the end of the program */
}

static int read_plain(const char *path, uint8_t **ret, uint64_t *ret_len, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (image_open(path, &img, err) < 0)
		return -1;
	if (!img->sif || image_is_encrypted(img))
		return error_set(err, ERROR_USAGE, "%s is not plain", path);
	*ret_len = img->root->len;
	*ret = malloc(*ret_len);
	if (!*ret)
		return error_no_memory(err);
	return source_read(img->file, *ret, *ret_len, img->root->off, err);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_SINK struct sink *file = NULL;
	uint8_t *fs = NULL;
	uint64_t len;
	if (argc != 6)
		return 2;
	const struct seal *row = seal_by_name(argv[1]);
	if (!row)
		return 2;
	int fd = open(argv[5], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r = fd < 0 ? error_errno(&err, errno, "%s", argv[5]) : sink_from_fd(fd, &file, &err);
	if (r == 0)
		r = read_plain(argv[3], &fs, &len, &err);
	if (r == 0)
		r = make_image(row, strtoull(argv[2], NULL, 10), fs, len, argv[4], file, &err);
	if (r < 0)
		fprintf(stderr, "sparse: %s\n", error_message(err));
	free(fs);
	return r < 0;
}
