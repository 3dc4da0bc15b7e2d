/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we read of an ext file system ourselves: how long it says that it is. Linux' documentation
 * of ext4, "Super Block": numbers are little-endian. All else is for the program in the cell.
 */
#include "serve/serve.h"

#define OFF_BLOCKS 4
#define OFF_LOG_BLOCK 24
#define OFF_MAGIC 56
#define OFF_INCOMPAT 96
#define OFF_BLOCKS_HIGH 336

#define MAGIC 0xef53
#define LOG_BLOCK_MIN 10
#define LOG_BLOCK_MAX 6 /* above that: 64 KiB */
#define INCOMPAT_64BIT 0x80

static uint64_t field(struct bytes b, size_t off, size_t len)
{
	bytes_skip(&b, off);
	return bytes_le(&b, len);
}

int serve_ext_length(const void *super, size_t len, uint64_t *ret, struct error **err)
{
	if (len < SERVE_EXT_SUPER_LEN)
		return error_set(err, ERROR_DAMAGED, "too small for an ext file system");
	const struct bytes b = bytes_of(super, len);
	uint64_t log_block = field(b, OFF_LOG_BLOCK, 4);
	if (field(b, OFF_MAGIC, 2) != MAGIC || log_block > LOG_BLOCK_MAX)
		return error_set(err, ERROR_DAMAGED, "no ext file system");
	uint64_t blocks = field(b, OFF_BLOCKS, 4);
	if (field(b, OFF_INCOMPAT, 4) & INCOMPAT_64BIT)
		blocks |= field(b, OFF_BLOCKS_HIGH, 4) << 32;
	if (blocks > UINT64_MAX >> (LOG_BLOCK_MIN + log_block))
		return error_set(err, ERROR_DAMAGED, "an ext file system longer than any file");
	*ret = blocks << (LOG_BLOCK_MIN + log_block);
	return 0;
}
