/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload in clear: dm-crypt's aes-xts-plain64, undone sector by sector (encryption.md 5.5).
 * Nothing here changes after it was opened, so threads share it without a lock.
 */
#include "seal/luks2/internal.h"

#include <stdlib.h>
#include <string.h>

struct luks2_source {
	struct source source;
	struct source *device; /* borrowed */
	struct crypto_xts *xts;
	uint64_t data_off, iv_tweak;
	uint32_t sector_len;
};

/* Reads whole sectors and decrypts them where they are. */
static int read_sectors(struct luks2_source *l, void *buf, size_t len, uint64_t off,
			struct error **err)
{
	if (source_read(l->device, buf, len, l->data_off + off, err) < 0)
		return -1;
	/* The tweak counts units of 512 bytes, also where sectors are larger. */
	return crypto_xts_decrypt(l->xts, l->iv_tweak + off / LUKS2_SECTOR_MIN,
				  l->sector_len / LUKS2_SECTOR_MIN, l->sector_len, buf,
				  len / l->sector_len, err);
}

/* A part of one sector. */
static int read_part(struct luks2_source *l, uint8_t *buf, size_t len, uint64_t off,
		     struct error **err)
{
	uint8_t sector[LUKS2_SECTOR_MAX];
	size_t skip = off % l->sector_len;
	if (read_sectors(l, sector, l->sector_len, off - skip, err) < 0)
		return -1;
	memcpy(buf, sector + skip, len);
	return 0;
}

static int luks2_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	/* Up to three steps: the end of a sector, whole sectors in place, the beginning of one. The
	 * reader above asks for stored blocks, which begin anywhere. */
	struct luks2_source *l = (struct luks2_source *)s;
	uint8_t *to = buf;
	size_t skip = off % l->sector_len;
	if (skip) {
		size_t n = l->sector_len - skip;
		if (n > len)
			n = len;
		if (read_part(l, to, n, off, err) < 0)
			return -1;
		to += n;
		off += n;
		len -= n;
	}
	size_t whole = len - len % l->sector_len;
	if (whole && read_sectors(l, to, whole, off, err) < 0)
		return -1;
	if (len > whole)
		return read_part(l, to + whole, len - whole, off + whole, err);
	return 0;
}

static void luks2_free(struct source *s)
{
	crypto_xts_free(&((struct luks2_source *)s)->xts);
	free(s);
}

static const struct source_ops luks2_ops = { .read = luks2_read, .free = luks2_free };

int luks2_open_with_key(const struct luks2_header *header, struct source *device,
			const struct secret *key, struct source **ret, struct error **err)
{
	struct luks2_source *l = calloc(1, sizeof(*l));
	if (!l)
		return error_no_memory(err);
	l->source = (struct source){ .ops = &luks2_ops, .size = header->data_len };
	l->device = device;
	l->data_off = header->data_off;
	l->iv_tweak = header->iv_tweak;
	l->sector_len = header->sector_len;
	if (crypto_xts_new(key, CRYPTO_DECRYPT, &l->xts, err) < 0) {
		free(l);
		return -1;
	}
	*ret = &l->source;
	return 0;
}
