/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that fail by number. The linker puts __wrap_X in the place of X for all that is linked in
 * (meson.build has the list); shared libraries keep their own, but OpenSSL takes its memory
 * through crypto/library.c.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static uint64_t count, target = UINT64_MAX;
static bool counting, all_after;

void fault_arm(uint64_t number, bool on)
{
	target = number;
	all_after = on;
}

bool fault_armed(void)
{
	return target != UINT64_MAX;
}

void fault_count_begin(void)
{
	count = 0;
	counting = true;
}

uint64_t fault_count_end(void)
{
	counting = false;
	return count;
}

static unsigned pauses;

void fault_pause(void)
{
	pauses++;
}

void fault_resume(void)
{
	pauses--;
}

bool fault_now(void)
{
	if (!counting || pauses)
		return false;
	uint64_t number = count++;
	return number == target || (all_after && number > target);
}

/* A function that fails with a value and an errno. */
#define WRAP(type, name, failure, errnum, parameters, arguments) \
	type __real_##name parameters;                           \
	type __wrap_##name parameters;                           \
	type __wrap_##name parameters                            \
	{                                                        \
		if (!fault_now())                                \
			return __real_##name arguments;          \
		errno = errnum;                                  \
		return failure;                                  \
	}

WRAP(void *, malloc, NULL, ENOMEM, (size_t len), (len))
WRAP(void *, calloc, NULL, ENOMEM, (size_t n, size_t len), (n, len))
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t len), (p, len))
WRAP(void *, aligned_alloc, NULL, ENOMEM, (size_t alignment, size_t len), (alignment, len))
WRAP(char *, strdup, NULL, ENOMEM, (const char *s), (s))
WRAP(char *, strndup, NULL, ENOMEM, (const char *s, size_t len), (s, len))
/* With _FORTIFY_SOURCE it has another name. */
WRAP(int, vasprintf, -1, ENOMEM, (char **ret, const char *fmt, va_list ap), (ret, fmt, ap))
WRAP(int, __vasprintf_chk, -1, ENOMEM, (char **ret, int flag, const char *fmt, va_list ap),
     (ret, flag, fmt, ap))
WRAP(void *, mmap64, MAP_FAILED, ENOMEM,
     (void *at, size_t len, int prot, int flags, int fd, off_t off),
     (at, len, prot, flags, fd, off))
WRAP(int, mprotect, -1, ENOMEM, (void *at, size_t len, int prot), (at, len, prot))
WRAP(int, memfd_create, -1, EMFILE, (const char *name, unsigned flags), (name, flags))
WRAP(int, ftruncate64, -1, EIO, (int fd, off_t len), (fd, len))
WRAP(ssize_t, pread64, -1, EIO, (int fd, void *buf, size_t len, off_t off), (fd, buf, len, off))
WRAP(ssize_t, pwrite64, -1, ENOSPC, (int fd, const void *buf, size_t len, off_t off),
     (fd, buf, len, off))
WRAP(int, mkdirat, -1, ENOSPC, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(int, symlinkat, -1, ENOSPC, (const char *to, int dir, const char *path), (to, dir, path))
WRAP(int, linkat, -1, EMLINK, (int from, const char *old, int dir, const char *path, int flags),
     (from, old, dir, path, flags))
WRAP(int, mknodat, -1, EPERM, (int dir, const char *path, mode_t mode, dev_t device),
     (dir, path, mode, device))
WRAP(int, fchmod, -1, EPERM, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchmodat, -1, EPERM, (int dir, const char *path, mode_t mode, int flags),
     (dir, path, mode, flags))
WRAP(int, futimens, -1, EPERM, (int fd, const struct timespec times[2]), (fd, times))
WRAP(int, utimensat, -1, EPERM,
     (int dir, const char *path, const struct timespec times[2], int flags),
     (dir, path, times, flags))
/* With _FORTIFY_SOURCE, and flags that are no constant. */
WRAP(int, __openat64_2, -1, EMFILE, (int dir, const char *path, int flags), (dir, path, flags))

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!fault_now())
		return __real_openat64(dir, path, flags, mode);
	errno = EMFILE;
	return -1;
}

WRAP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, NULL, 0, (void), ())
WRAP(int, EVP_CIPHER_CTX_ctrl, 0, 0, (EVP_CIPHER_CTX * c, int type, int arg, void *p),
     (c, type, arg, p))
WRAP(int, EVP_CIPHER_CTX_set_padding, 0, 0, (EVP_CIPHER_CTX * c, int pad), (c, pad))
WRAP(EVP_CIPHER *, EVP_CIPHER_fetch, NULL, 0,
     (OSSL_LIB_CTX * lib, const char *name, const char *properties), (lib, name, properties))
WRAP(int, EVP_CipherInit_ex2, 0, 0,
     (EVP_CIPHER_CTX * c, const EVP_CIPHER *cipher, const unsigned char *key,
      const unsigned char *iv, int encrypt, const OSSL_PARAM *params),
     (c, cipher, key, iv, encrypt, params))
WRAP(int, EVP_CipherUpdate, 0, 0,
     (EVP_CIPHER_CTX * c, unsigned char *out, int *ret_len, const unsigned char *in, int len),
     (c, out, ret_len, in, len))
WRAP(int, EVP_CipherFinal_ex, 0, 0, (EVP_CIPHER_CTX * c, unsigned char *out, int *ret_len),
     (c, out, ret_len))
WRAP(int, EVP_DecryptInit_ex2, 0, 0,
     (EVP_CIPHER_CTX * c, const EVP_CIPHER *cipher, const unsigned char *key,
      const unsigned char *iv, const OSSL_PARAM *params),
     (c, cipher, key, iv, params))
WRAP(int, EVP_DecryptUpdate, 0, 0,
     (EVP_CIPHER_CTX * c, unsigned char *out, int *ret_len, const unsigned char *in, int len),
     (c, out, ret_len, in, len))
WRAP(int, EVP_DecryptFinal_ex, 0, 0, (EVP_CIPHER_CTX * c, unsigned char *out, int *ret_len),
     (c, out, ret_len))
WRAP(int, EVP_BytesToKey, 0, 0,
     (const EVP_CIPHER *cipher, const EVP_MD *md, const unsigned char *salt,
      const unsigned char *data, int len, int rounds, unsigned char *key, unsigned char *iv),
     (cipher, md, salt, data, len, rounds, key, iv))
WRAP(int, EVP_Digest, 0, 0,
     (const void *data, size_t len, unsigned char *out, unsigned *ret_len, const EVP_MD *md,
      ENGINE *engine),
     (data, len, out, ret_len, md, engine))
WRAP(EVP_KDF *, EVP_KDF_fetch, NULL, 0,
     (OSSL_LIB_CTX * lib, const char *name, const char *properties), (lib, name, properties))
WRAP(EVP_KDF_CTX *, EVP_KDF_CTX_new, NULL, 0, (EVP_KDF * kdf), (kdf))
WRAP(int, EVP_KDF_derive, 0, 0,
     (EVP_KDF_CTX * c, unsigned char *key, size_t len, const OSSL_PARAM *params),
     (c, key, len, params))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_pkey, NULL, 0,
     (OSSL_LIB_CTX * lib, EVP_PKEY *key, const char *properties), (lib, key, properties))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name, NULL, 0,
     (OSSL_LIB_CTX * lib, const char *name, const char *properties), (lib, name, properties))
WRAP(int, EVP_PKEY_fromdata_init, 0, 0, (EVP_PKEY_CTX * c), (c))
WRAP(int, EVP_PKEY_fromdata, 0, 0,
     (EVP_PKEY_CTX * c, EVP_PKEY **ret, int selection, OSSL_PARAM *params),
     (c, ret, selection, params))
WRAP(int, EVP_PKEY_decrypt_init, 0, 0, (EVP_PKEY_CTX * c), (c))
WRAP(int, EVP_PKEY_CTX_set_rsa_padding, 0, 0, (EVP_PKEY_CTX * c, int padding), (c, padding))
WRAP(EVP_PKEY *, EVP_PKEY_new_raw_private_key_ex, NULL, 0,
     (OSSL_LIB_CTX * lib, const char *name, const char *properties, const unsigned char *key,
      size_t len),
     (lib, name, properties, key, len))
WRAP(int, EVP_PKEY_derive_init, 0, 0, (EVP_PKEY_CTX * c), (c))
WRAP(unsigned char *, EVP_Q_mac, NULL, 0,
     (OSSL_LIB_CTX * lib, const char *name, const char *properties, const char *sub,
      const OSSL_PARAM *params, const void *key, size_t key_len, const unsigned char *data,
      size_t len, unsigned char *out, size_t cap, size_t *out_len),
     (lib, name, properties, sub, params, key, key_len, data, len, out, cap, out_len))
WRAP(int, RAND_bytes, 0, 0, (unsigned char *buf, int len), (buf, len))
