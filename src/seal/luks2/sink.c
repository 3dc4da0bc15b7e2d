/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload, encrypted as it is written.
 *
 * Only whole sectors can be encrypted, and large pieces are faster than small ones, so writes go
 * through a window: a run of the payload in clear, in memory. It begins on a sector's start and
 * ends anywhere. Writes that touch it or follow it are copied in; any other write, or a full
 * window, sends it below. What is below lies in [0, stored), whole sectors; what is in the window
 * is newer. Bytes past the end never survive: when a sector is read back, they become zeros.
 *
 * Invariant: every byte before the end is below `stored`, or in the window.
 */
#include "seal/luks2/internal.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR ((size_t)LUKS2_NEW_SECTOR)
#define WINDOW_LEN ((size_t)256 << 10)

struct luks2_sink {
	struct sink sink;
	struct sink *device; /* borrowed */
	struct crypto_xts *xts;
	uint64_t end;	 /* bytes of payload so far */
	uint64_t stored; /* bytes of it that are below, in whole sectors */
	uint64_t start;	 /* of the window */
	size_t len;	 /* of the window, 0 when there is none */
	bool dirty;	 /* the window has something that is not below */
	uint8_t window[WINDOW_LEN];
};

static uint64_t sector_start(uint64_t off)
{
	return off - off % SECTOR;
}

static uint64_t sector_end(uint64_t off)
{
	return sector_start(off + SECTOR - 1);
}

static uint64_t tweak(uint64_t off)
{
	return off / LUKS2_SECTOR_MIN;
}
#define TWEAK_STEP (LUKS2_NEW_SECTOR / LUKS2_SECTOR_MIN)

/* Reads back whole sectors that are below. */
static int load(struct luks2_sink *l, uint8_t *buf, size_t len, uint64_t off, struct error **err)
{
	if (sink_read(l->device, buf, len, LUKS2_NEW_DATA_OFF + off, err) < 0 ||
	    crypto_xts_decrypt(l->xts, tweak(off), TWEAK_STEP, SECTOR, buf, len / SECTOR, err) < 0)
		return -1;
	if (off + len > l->end) {
		size_t keep = l->end > off ? (size_t)(l->end - off) : 0;
		memset(buf + keep, 0, len - keep);
	}
	return 0;
}

/* Sends the window below and forgets it. */
static int flush(struct luks2_sink *l, struct error **err)
{
	if (!l->len || !l->dirty) {
		l->len = 0;
		return 0;
	}
	size_t ragged = l->len % SECTOR;
	uint64_t last = sector_start(l->start + l->len);
	if (ragged && last < l->stored) {
		/* The rest of the last sector is below and stays as it is. */
		uint8_t sector[LUKS2_NEW_SECTOR];
		if (load(l, sector, SECTOR, last, err) < 0)
			return -1;
		memcpy(l->window + l->len, sector + ragged, SECTOR - ragged);
	} else if (ragged) {
		memset(l->window + l->len, 0, SECTOR - ragged);
	}
	size_t len = (size_t)sector_end(l->len);
	/* From here on the window is no longer in clear. */
	l->len = 0;
	l->dirty = false;
	if (crypto_xts_encrypt(l->xts, tweak(l->start), TWEAK_STEP, SECTOR, l->window, len / SECTOR,
			       err) < 0 ||
	    sink_write(l->device, l->window, len, LUKS2_NEW_DATA_OFF + l->start, err) < 0)
		return -1;
	if (l->start + len > l->stored)
		l->stored = l->start + len;
	return 0;
}

/* Makes the window one that a write at off, at most the end, can be added to. */
static int aim(struct luks2_sink *l, uint64_t off, struct error **err)
{
	if (l->len && off >= l->start && off <= l->start + l->len && off - l->start < WINDOW_LEN)
		return 0;
	if (flush(l, err) < 0)
		return -1;
	l->start = sector_start(off);
	size_t head = (size_t)(off - l->start);
	/* All before off is before the end, and now below. */
	if (head && load(l, l->window, SECTOR, l->start, err) < 0)
		return -1;
	l->len = head;
	return 0;
}

/* data NULL: zeros. off is at most the end. */
static int put(struct luks2_sink *l, const uint8_t *data, uint64_t len, uint64_t off,
	       struct error **err)
{
	while (len) {
		if (aim(l, off, err) < 0)
			return -1;
		size_t at = (size_t)(off - l->start), n = WINDOW_LEN - at;
		if (n > len)
			n = (size_t)len;
		if (data) {
			memcpy(l->window + at, data, n);
			data += n;
		} else {
			memset(l->window + at, 0, n);
		}
		l->dirty = true;
		if (at + n > l->len)
			l->len = at + n;
		off += n;
		len -= n;
		if (off > l->end)
			l->end = off;
	}
	return 0;
}

static int luks2_write(struct sink *s, const void *buf, size_t len, uint64_t off,
		       struct error **err)
{
	struct luks2_sink *l = (struct luks2_sink *)s;
	uint64_t past;
	if (!checked_add(off, (uint64_t)len + LUKS2_NEW_DATA_OFF + SECTOR, &past) ||
	    past > INT64_MAX)
		return error_set(err, ERROR_LIMIT, "a write past the largest possible file");
	/* A hole in the file below would not decrypt to zeros. */
	if (off > l->end && put(l, NULL, off - l->end, l->end, err) < 0)
		return -1;
	return put(l, buf, len, off, err);
}

/* A piece that no part of the window is in. */
static int read_below(struct luks2_sink *l, uint8_t *buf, size_t len, uint64_t off,
		      struct error **err)
{
	uint8_t sector[LUKS2_NEW_SECTOR];
	while (len) {
		size_t skip = (size_t)(off % SECTOR), n = len - len % SECTOR;
		if (!skip && n) {
			if (load(l, buf, n, off, err) < 0)
				return -1;
		} else {
			n = SECTOR - skip < len ? SECTOR - skip : len;
			if (load(l, sector, SECTOR, off - skip, err) < 0)
				return -1;
			memcpy(buf, sector + skip, n);
		}
		buf += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int luks2_read_back(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct luks2_sink *l = (struct luks2_sink *)s;
	uint8_t *to = buf;
	uint64_t window_end = l->start + l->len;
	while (len) {
		size_t n = len;
		if (l->len && off >= l->start && off < window_end) {
			if (n > window_end - off)
				n = (size_t)(window_end - off);
			memcpy(to, l->window + (off - l->start), n);
		} else {
			if (l->len && off < l->start && n > l->start - off)
				n = (size_t)(l->start - off);
			if (read_below(l, to, n, off, err) < 0)
				return -1;
		}
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

/*
 * Cut off or extended. What was cut off must not come back when the end moves out again: whole
 * sectors go from below, the ragged one is written anew with zeros behind the end.
 */
static int luks2_truncate(struct sink *s, uint64_t size, struct error **err)
{
	struct luks2_sink *l = (struct luks2_sink *)s;
	if (size > INT64_MAX - LUKS2_NEW_DATA_OFF - SECTOR)
		return error_set(err, ERROR_LIMIT, "longer than the largest possible file");
	if (size >= l->end)
		return put(l, NULL, size - l->end, l->end, err);
	if (l->len && l->start >= size)
		l->len = 0;
	if (l->len && l->start + l->len > size)
		l->len = (size_t)(size - l->start);
	l->end = size;
	if (l->stored > sector_end(size)) {
		l->stored = sector_end(size);
		if (sink_truncate(l->device, LUKS2_NEW_DATA_OFF + l->stored, err) < 0)
			return -1;
	}
	/* What was cut off leaves the last sector, too: it is written again with zeros. */
	if (size % SECTOR && sector_start(size) < l->stored) {
		if (aim(l, size, err) < 0)
			return -1;
		l->dirty = true;
	}
	return 0;
}

/* The last sector is filled up with zeros: a device has whole sectors only. */
static int luks2_finish(struct sink *s, struct error **err)
{
	struct luks2_sink *l = (struct luks2_sink *)s;
	/* A device without a sector of data is none. */
	if (!l->end && put(l, NULL, SECTOR, 0, err) < 0)
		return -1;
	return flush(l, err);
}

static void luks2_free(struct sink *s)
{
	struct luks2_sink *l = (struct luks2_sink *)s;
	crypto_xts_free(&l->xts);
	/* What may be left is the image's content in clear. */
	secret_wipe(l->window, WINDOW_LEN);
	free(l);
}

static const struct sink_ops luks2_ops = {
	.write = luks2_write,
	.read = luks2_read_back,
	.truncate = luks2_truncate,
	.finish = luks2_finish,
	.free = luks2_free,
};

/* From the memory file in which libcryptsetup has made it: headers, keyslots, the unused rest. */
static int copy_header(int fd, struct sink *device, struct error **err)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	char *p = buffer_reserve(&b, LUKS2_NEW_DATA_OFF, err);
	if (!p)
		return -1;
	ssize_t n = fd_pread(fd, p, LUKS2_NEW_DATA_OFF, 0);
	if (n < 0)
		return error_errno(err, (int)-n, "read the new LUKS2 header");
	if (n < LUKS2_NEW_DATA_OFF)
		return error_set(err, ERROR_INTERNAL, "the new LUKS2 header is too short");
	return sink_write(device, p, LUKS2_NEW_DATA_OFF, 0, err);
}

/* The volume key is in the cipher's pools from here on, and nowhere else. */
int luks2_create(struct sink *device, const struct secret *passphrase,
		 const struct luks2_create_options *options, struct sink **ret, struct error **err)
{
	CLEANUP_FD int fd = -1;
	CLEANUP_SECRET struct secret *key = NULL;
	if (luks2_format(passphrase, options, &fd, &key, err) < 0 ||
	    copy_header(fd, device, err) < 0)
		return -1;
	struct luks2_sink *l = malloc(sizeof(*l));
	if (!l)
		return error_no_memory(err);
	memset(l, 0, offsetof(struct luks2_sink, window));
	l->sink.ops = &luks2_ops;
	l->device = device;
	if (crypto_xts_new(key, CRYPTO_BOTH, &l->xts, err) < 0) {
		free(l);
		return -1;
	}
	*ret = &l->sink;
	return 0;
}
