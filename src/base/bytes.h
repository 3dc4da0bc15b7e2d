/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_BYTES_H
#define COFFER_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The one way to read bytes that came from outside: a cursor that cannot leave its buffer.
 *
 * A read past the end returns zero, moves nothing and marks the cursor as overrun for good; so a
 * parser reads a whole structure and asks bytes_ok() once, before it uses any value. The buffer
 * stays the caller's.
 */
struct bytes {
	const uint8_t *data;
	size_t len;
	size_t off;   /* never more than len */
	bool overrun; /* a read went past the end */
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){ .data = data, .len = len };
}

static inline bool bytes_ok(const struct bytes *b)
{
	return !b->overrun;
}

static inline size_t bytes_left(const struct bytes *b)
{
	return b->len - b->off;
}

/* The next len bytes in place, or NULL when there are not so many. */
static inline const void *bytes_take(struct bytes *b, size_t len)
{
	if (len > b->len - b->off) {
		b->overrun = true;
		return NULL;
	}
	const uint8_t *p = b->data + b->off;
	b->off += len;
	return p;
}

static inline void bytes_skip(struct bytes *b, size_t len)
{
	(void)bytes_take(b, len);
}

/* Move to an absolute position of the buffer. */
static inline void bytes_seek(struct bytes *b, size_t off)
{
	if (off > b->len)
		b->overrun = true;
	else
		b->off = off;
}

static inline uint64_t bytes_le(struct bytes *b, size_t len)
{
	const uint8_t *p = bytes_take(b, len);
	uint64_t v = 0;
	for (size_t i = 0; p && i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static inline uint64_t bytes_be(struct bytes *b, size_t len)
{
	const uint8_t *p = bytes_take(b, len);
	uint64_t v = 0;
	for (size_t i = 0; p && i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint8_t bytes_u8(struct bytes *b)
{
	return (uint8_t)bytes_le(b, 1);
}
static inline uint16_t bytes_le16(struct bytes *b)
{
	return (uint16_t)bytes_le(b, 2);
}
static inline uint32_t bytes_le32(struct bytes *b)
{
	return (uint32_t)bytes_le(b, 4);
}
static inline uint64_t bytes_le64(struct bytes *b)
{
	return bytes_le(b, 8);
}
static inline uint16_t bytes_be16(struct bytes *b)
{
	return (uint16_t)bytes_be(b, 2);
}
static inline uint32_t bytes_be32(struct bytes *b)
{
	return (uint32_t)bytes_be(b, 4);
}
static inline uint64_t bytes_be64(struct bytes *b)
{
	return bytes_be(b, 8);
}

/* Copies exactly len bytes; zero-fills the target and marks the cursor when there are not so many.
 */
void bytes_copy(struct bytes *b, void *to, size_t len);

/* Store an integer of len bytes, little or big endian, at p. */
static inline void bytes_put_le(void *p, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)(v >> (8 * i));
}

static inline void bytes_put_be(void *p, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[len - 1 - i] = (uint8_t)(v >> (8 * i));
}

/* Sums and products of sizes that come from outside: false when the result does not fit. */
#define checked_add(a, b, ret) (!__builtin_add_overflow((a), (b), (ret)))
#define checked_sub(a, b, ret) (!__builtin_sub_overflow((a), (b), (ret)))
#define checked_mul(a, b, ret) (!__builtin_mul_overflow((a), (b), (ret)))

/* True when [off, off + len) lies in a whole of size bytes; compares by subtraction. */
static inline bool range_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

#endif
