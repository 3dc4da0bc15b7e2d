/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_FORMAT_H
#define COFFER_SEAL_LUKS2_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The numbers of the LUKS2 On-Disk Format Specification 1.1 ("spec" below), the limits that coffer
 * sets, and a header after vetting.
 */

/* spec 2.1: the binary header, 4096 bytes, followed by the JSON area */
#define LUKS2_BINARY_LEN 4096
#define LUKS2_MAGIC_LEN 6
#define LUKS2_VERSION 2
#define LUKS2_LABEL_LEN 48
#define LUKS2_ALGORITHM_LEN 32
#define LUKS2_SALT_LEN 64
#define LUKS2_UUID_LEN 40
#define LUKS2_CHECKSUM_OFF 448
#define LUKS2_CHECKSUM_LEN 64

/* spec 3.1: stripes of the anti-forensic splitter, the only number there is */
#define LUKS2_STRIPES 4000
/* keyslot areas begin and end on these */
#define LUKS2_AREA_ALIGNMENT 4096
/* dm-crypt counts in these, whatever the sector size */
#define LUKS2_SECTOR_MIN 512
#define LUKS2_SECTOR_MAX 4096

/* A header with 32 keyslots has some 13 KiB of JSON, 5 levels deep. */
#define LUKS2_JSON_MAX 65536
#define LUKS2_JSON_DEPTH 8
#define LUKS2_KEYSLOTS_MAX 32
/* Key material of one slot: 256,000 bytes for a key of 64. */
#define LUKS2_AREA_MAX (1u << 20)
/* All slots together: cryptsetup makes 16 MiB, the specification has 128 at most. */
#define LUKS2_KEYSLOTS_LEN_MAX (128u << 20)
/* The one length that libcryptsetup takes. */
#define LUKS2_KDF_SALT_LEN 32
/* What a digest has in a header that was LUKS1 once, whatever its hash. */
#define LUKS1_DIGEST_LEN 20
/* Text in base64: 64 bytes are 88 characters. */
#define LUKS2_BASE64_MAX 128

/*
 * What trying all keyslots may cost: cryptsetup takes at most 4 GiB for argon2 and aims at two
 * seconds a slot. The work is summed over the slots, since a wrong passphrase tries them all:
 * memory times passes for argon2 (256 GiB, some minutes), iterations for PBKDF2.
 */
#define LUKS2_ARGON2_KIB_MAX (4u << 20)
#define LUKS2_ARGON2_CPUS_MAX 16
#define LUKS2_ARGON2_WORK_KIB_MAX ((uint64_t)256 << 20)
/* What a passphrase gets at the least when it is changed; likewise memory times passes. */
#define LUKS2_ARGON2_WORK_KIB_MIN ((uint64_t)32 << 10)
#define LUKS2_PBKDF2_WORK_MAX ((uint64_t)1 << 28)
/* Once for each slot that opens; cryptsetup aims at an eighth of a second. */
#define LUKS2_DIGEST_ITERATIONS_MAX (1u << 24)
/* The least that cryptsetup takes: enough where the passphrase is as long as a key. */
#define LUKS2_PBKDF2_MIN 1000

/* What create.c makes: two headers of 16 KiB and 8 slots, so that data begins at 2 MiB. */
#define LUKS2_NEW_HEADER_LEN 16384
#define LUKS2_NEW_DATA_OFF (2u << 20)
#define LUKS2_NEW_SECTOR 4096
#define LUKS2_NEW_KEY_LEN 64

struct luks2_kdf {
	const char *name; /* "argon2i", "argon2id" or "pbkdf2" */
	const char *hash; /* pbkdf2 */
	uint32_t iterations;
	uint32_t passes, memory_kib, cpus; /* argon2 */
	char salt[LUKS2_BASE64_MAX + 1];
};

struct luks2_keyslot {
	unsigned id;
	unsigned priority; /* 0: only when asked for by number, 1: normal, 2: first */
	const char *af_hash;
	uint64_t area_off, area_len;
	uint32_t area_key_len;
	struct luks2_kdf kdf;
};

/* A header after vetting: nothing in it is as it came, but numbers within limits and base64. */
struct luks2_header {
	uint64_t header_len; /* of one binary header with its JSON */
	uint64_t keyslots_len;
	char uuid[LUKS2_UUID_LEN + 1];
	uint64_t sequence; /* of the copy that counts */
	bool second;	   /* it is the second one */
	bool alone;	   /* the other one is damaged, or older */
	uint32_t key_len;  /* of the volume key: 32 or 64 */
	struct luks2_keyslot keyslots[LUKS2_KEYSLOTS_MAX];
	unsigned count;
	/* the one digest, over all keyslots */
	const char *digest_hash;
	uint32_t digest_iterations;
	char digest_salt[LUKS2_BASE64_MAX + 1];
	char digest[LUKS2_BASE64_MAX + 1];
	/* the one segment */
	uint64_t data_off;
	uint64_t data_len; /* whole sectors, within the device */
	uint64_t iv_tweak;
	uint32_t sector_len; /* 512 or 4096 */
};

#endif
