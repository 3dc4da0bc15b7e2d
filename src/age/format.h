/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_AGE_FORMAT_H
#define COFFER_AGE_FORMAT_H

/* age-encryption.org/v1 (C2SP) */

#define AGE_VERSION_PREFIX "age-encryption.org/"
#define AGE_VERSION_LINE AGE_VERSION_PREFIX "v1"
#define AGE_STANZA_PREFIX "-> "
#define AGE_MAC_PREFIX "---"

#define AGE_FILE_KEY_LEN 16
#define AGE_WRAPPED_LEN (AGE_FILE_KEY_LEN + CRYPTO_CHACHA_TAG_LEN)
#define AGE_NONCE_LEN 16
#define AGE_CHUNK_LEN 65536
#define AGE_SCRYPT_SALT_LEN 16
#define AGE_TAG_LEN 4 /* of a key of OpenSSH's: what its SHA-256 begins with */

#define AGE_BODY_COLUMNS 64

/*
 * What is read at most. The format has no limits; a header is read before any key was tried, so it
 * is anybody's. 2048 RSA keys of 4096 bits have room in it.
 */
#define AGE_HEADER_MAX (2 << 20)
#define AGE_STANZAS_MAX 2048
#define AGE_LINE_MAX 8192 /* of one stanza's arguments: a post-quantum one has 1600 */
#define AGE_BODY_MAX 16384
/* Attempts with one private RSA key, at some milliseconds each: those of other keys have, but for
 * one in four thousand millions, another tag. */
#define AGE_RSA_TRIES_MAX 8
/* The exponent of scrypt's cost: 4 GiB and some ten seconds; age's own limit. */
#define AGE_WORK_MAX 22

#define AGE_TYPE_X25519 "X25519"
#define AGE_TYPE_SCRYPT "scrypt"
#define AGE_TYPE_SSH_ED25519 "ssh-ed25519"
#define AGE_TYPE_SSH_RSA "ssh-rsa"
/* What keys are derived for: the line of the version and the type. */
#define AGE_INFO(type) AGE_VERSION_LINE "/" type

#define AGE_RECIPIENT_PREFIX "age"
#define AGE_IDENTITY_PREFIX "age-secret-key-" /* written in capitals */

#endif
