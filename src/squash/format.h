/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_FORMAT_H
#define COFFER_SQUASH_FORMAT_H

#include <stdint.h>

/*
 * Squashfs 4.0: the numbers of the format (spec encryption.md, section 7), then the limits that
 * coffer sets. Everything on disk is little endian.
 */

#define SQUASH_MAGIC 0x73717368 /* "hsqs" */
#define SQUASH_SUPER_LEN 96
#define SQUASH_NO_TABLE UINT64_MAX
#define SQUASH_NONE UINT32_MAX /* no fragment, no attributes */

enum squash_flag {
	SQUASH_FLAG_RAW_INODES = 0x0001,
	SQUASH_FLAG_RAW_DATA = 0x0002,
	SQUASH_FLAG_RAW_FRAGMENTS = 0x0008,
	SQUASH_FLAG_NO_FRAGMENTS = 0x0010,
	SQUASH_FLAG_DUPLICATES = 0x0040,
	SQUASH_FLAG_EXPORTABLE = 0x0080,
	SQUASH_FLAG_RAW_XATTRS = 0x0100,
	SQUASH_FLAG_NO_XATTRS = 0x0200,
	SQUASH_FLAG_COMPRESSOR_OPTIONS = 0x0400,
};

#define SQUASH_LZMA 2 /* a compressor that nothing since 2011 writes; the others: squash.h */

#define SQUASH_BLOCK_LOG_MIN 12
#define SQUASH_BLOCK_LOG_MAX 20
#define SQUASH_BLOCK_MAX ((uint32_t)1 << SQUASH_BLOCK_LOG_MAX)

/* Metadata: blocks of up to 8 KiB behind a header of two bytes. */
#define SQUASH_META_LEN 8192
#define SQUASH_META_RAW 0x8000
#define SQUASH_META_LEN_MASK 0x7fff

/* The word that tells how a data block is stored; 0 is a hole. */
#define SQUASH_DATA_RAW 0x01000000u
#define SQUASH_DATA_LEN_MASK 0x00ffffffu

#define SQUASH_FRAGMENT_LEN 16 /* of an entry of the fragment table */
#define SQUASH_ID_LEN 4
#define SQUASH_XATTR_ID_LEN 16

enum squash_type {
	SQUASH_DIR = 1,
	SQUASH_FILE = 2,
	SQUASH_LINK = 3,
	SQUASH_BLOCK_DEVICE = 4,
	SQUASH_CHAR_DEVICE = 5,
	SQUASH_FIFO = 6,
	SQUASH_SOCKET = 7,
	SQUASH_EXTENDED = 7, /* added to each of them: the kind with more fields */
};

#define SQUASH_RUN_MAX 256  /* entries behind one header of a listing */
#define SQUASH_NAME_MAX 256 /* bytes */
/* A listing's stated length counts this much for "." and "..", which are not stored. */
#define SQUASH_LISTING_EXTRA 3

#define SQUASH_XATTR_PREFIX_MASK 0x00ff
#define SQUASH_XATTR_ELSEWHERE 0x0100 /* the value is a reference to where it is */

/* ------------------------------------------------------------------ limits of ours */

/* Linux' own for a path: no longer target could ever be followed. */
#define SQUASH_TARGET_MAX 4096
/* 16 TiB in blocks of 128 KiB: the list of an inode is walked, never loaded. */
#define SQUASH_FILE_BLOCKS_MAX ((uint64_t)1 << 27)
/* 4 TiB of small files; their table's index is 512 KiB, and read at the start. */
#define SQUASH_FRAGMENTS_MAX ((uint32_t)1 << 25)
/* The kernel's bounds (limits.h: XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX). */
#define SQUASH_XATTR_NAME_MAX 255
#define SQUASH_XATTR_VALUE_MAX 65536
#define SQUASH_XATTR_LIST_MAX 65536
#define SQUASH_XATTRS_MAX ((uint32_t)1 << 25)
/* What an xz block's header may ask for: ample for dictionaries of SQUASH_BLOCK_MAX. */
#define SQUASH_XZ_MEMORY ((uint64_t)16 << 20)
/* Directories inside one another, when a whole tree is unpacked. */
#define SQUASH_DEPTH_MAX 4096
/* Decoded metadata that is kept. */
#define SQUASH_META_CACHE ((size_t)4 << 20)

#endif
