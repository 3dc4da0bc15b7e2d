/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_FORMAT_H
#define COFFER_KEY_FORMAT_H

#define PEM_TEXT_MAX 65536 /* of a key file; a private key of 16384 bits has 13 KiB */
#define PEM_LABEL_MAX 64
#define PEM_DEK_MAX 96
#define PEM_LINE_LEN 64 /* RFC 7468, section 2 */
#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "
#define PEM_RULE "-----"

/* The names of systemd's credentials that are looked for. */
#define CREDENTIAL_RUN "coffer.key"
#define CREDENTIAL_BUILD "coffer.pub"

/* OpenSSH: PROTOCOL.key, and RFC 4253 6.6 */
#define OPENSSH_LABEL "OPENSSH PRIVATE KEY"
#define OPENSSH_MAGIC "openssh-key-v1" /* with its NUL */
#define OPENSSH_RSA "ssh-rsa"
#define OPENSSH_ED25519 "ssh-ed25519"
#define OPENSSH_KDF "bcrypt"
/* Of that: ssh-keygen makes 16 or 24, a tenth of a second or so; this is minutes. */
#define OPENSSH_ROUNDS_MAX 10000
/* ssh-keygen's buffer for a passphrase has room for one byte more. */
#define OPENSSH_PASSPHRASE_MAX 1023

/* age: the label of what is encrypted and then written as text, and of how many keys one command
 * makes use. */
#define AGE_ARMOUR_LABEL "AGE ENCRYPTED FILE"
#define AGE_KEYS_MAX 256

/* encryption.md 3.3: the wrapped secret of an image */
#define MESSAGE_LABEL "MESSAGE"
/* The wrapped pieces together: one of the largest key is 2048 bytes. */
#define WRAPPED_MAX 4096

#endif
