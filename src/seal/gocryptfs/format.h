/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_GOCRYPTFS_FORMAT_H
#define COFFER_SEAL_GOCRYPTFS_FORMAT_H

/* Constants and limits of the format: spec encryption.md, sections 4.3 to 4.6. */

#define VERSION 2
#define KEY_LEN 32
#define FILE_ID_LEN 16
#define HEADER_LEN (2 + FILE_ID_LEN)
#define BLOCK_LEN ((size_t)4096) /* in clear */
#define OVERHEAD_LEN (CRYPTO_GCM_NONCE_LEN + CRYPTO_GCM_TAG_LEN)
#define CIPHER_LEN (BLOCK_LEN + OVERHEAD_LEN) /* of a full block */
#define AAD_LEN (8 + FILE_ID_LEN)
#define WRAPPED_LEN (KEY_LEN + OVERHEAD_LEN)
#define CONTENT_INFO "AES-GCM file content encryption"

/* What gocryptfs itself demands of scrypt, and what it writes. */
#define SALT_MIN 32
#define N_MIN 1024
#define N_DEFAULT 65536
#define R_MIN 8
#define P_MIN 1
/*
 * And what we are willing to pay: memory, 128 * R * N bytes, and work in proportion to N * R * P,
 * which is 2^19 by default. (The part of P in the memory is small when the work is bounded.)
 */
#define SALT_MAX 256
#define SCRYPT_MEMORY_MAX ((uint64_t)1 << 30)
#define SCRYPT_BLOCK_LEN ((uint64_t)128)     /* RFC 7914, 2: times r */
#define SCRYPT_WORK_LOW ((uint64_t)16 << 20) /* below it guessing costs next to nothing */
#define SCRYPT_WORK_MAX ((uint64_t)1 << 23)
#define FLAGS_MAX 32
#define CONF_DEPTH_MAX 4

#define PASSWORD_MAX 2048    /* encryption.md 2.5 */
#define RANDOM_SECRET_LEN 16 /* encryption.md 3.3: bytes, which go in as 32 digits */

/* How many blocks are read, or gathered and written, in one piece: a block of squashfs. */
#define RUN_BLOCKS 32

#endif
