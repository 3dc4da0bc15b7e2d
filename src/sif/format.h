/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SIF_FORMAT_H
#define COFFER_SIF_FORMAT_H

/* SIF on disk: all integers little endian, structures packed (sif.md, sections 1 to 3). */

#define SIF_HEADER_LEN 128
#define SIF_MAGIC "SIF_MAGIC" /* and its NUL */
#define SIF_MAGIC_LEN 10
#define SIF_MAGIC_OFF 32
#define SIF_VERSION "01"
#define SIF_DESCRIPTOR_LEN 585
#define SIF_SLOT_USED_OFF 4 /* in a descriptor: one byte */
#define SIF_GROUP_MASK 0xF0000000u
#define SIF_ARCH_NONE "00"   /* in the header of a file without a primary partition */
#define SIF_EXTRA_ARCH_OFF 8 /* in a partition's extra */

/* What the writer uses; a reader takes the header's word. */
#define SIF_TABLE_OFF 4096
#define SIF_TABLE_SLOTS 48
#define SIF_DATA_OFF (SIF_TABLE_OFF + SIF_TABLE_SLOTS * SIF_DESCRIPTOR_LEN)

/* The table is read whole, so its size must not be the image's to choose. */
#define SIF_SLOTS_MAX 4096

/* Of the key object, by itself: sif.h. */
#define SIF_KEY_OBJECT_GROUP 2

/* 1 January of year 1 UTC, the "no time" of deterministic images (sif.md 7). */
#define SIF_ZERO_TIME (-62135596800LL)

#define SIF_HASH_SHA256 1 /* in a signature: sif.md 5.2 */
#define SIF_MESSAGE_PEM 2
#define SIF_MESSAGE_RSA_OAEP 0x200

#endif
