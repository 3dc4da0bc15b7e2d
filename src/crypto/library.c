/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/internal.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The memory of scrypt, 1 MiB for a random secret, 64 for gocryptfs' default, is used up to its
 * last byte and in no order. Where it fills large pages it gets them, each zeroed at its first use
 * and so in the CPU's cache when it is written; small ones the kernel gives all at once.
 */
#define ROOM_LEN ((size_t)512 << 10)
#define LARGE_PAGE ((size_t)2 << 20)

static void *room(size_t len)
{
	void *p;
	bool large = len >= 2 * LARGE_PAGE;
	size_t page = large ? LARGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
	if (posix_memalign(&p, page, len) != 0)
		return NULL;
	(void)madvise(p, len & ~(page - 1), large ? MADV_HUGEPAGE : MADV_POPULATE_WRITE);
	return p;
}

/*
 * OpenSSL wipes what it knows to be a key, but parameters, decoded integers and grown buffers go
 * back to the heap as they are. With these functions nothing does, and what it allocates while it
 * is given a key (crypto_guard) lies where keys lie: key schedules, the numbers of a private key,
 * the state of key derivation. Most of its memory is tables that hold no secret, and too much to
 * lock.
 */
static _Thread_local unsigned guards;
/* There was no memory for something since the last crypto_cause. */
static _Thread_local bool refused;
/* What is too large for a key's place: the working memory of scrypt; or NULL. */
static _Thread_local void *working;

void crypto_guard_begin(void)
{
	guards++;
}

void crypto_guard_end(void)
{
	guards--;
}

static void *wiping_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	void *p = guards && len <= SECRET_HEAP_MAX ? secret_heap_alloc(len)
		  : len < ROOM_LEN		   ? malloc(len)
						   : room(len);
	if (guards && len >= ROOM_LEN)
		working = p;
	refused |= !p && len;
	return p;
}

static size_t usable_size(void *p)
{
	return secret_heap_owns(p) ? secret_heap_size(p) : malloc_usable_size(p);
}

/*
 * OpenSSL wipes scrypt's memory itself (CRYPTO_clear_free); 64 MiB once more would take longer than
 * most steps of a start. In use it is pseudo-random all over (RFC 7914, section 5): nothing of it
 * is left where each KiB begins with zeros.
 */
static bool looks_wiped(const unsigned char *p, size_t len)
{
	uint64_t any = 0;
	for (size_t off = 0; off + sizeof(any) <= len && !any; off += 1024)
		memcpy(&any, p + off, sizeof(any));
	return !any;
}

static void wiping_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (!p)
		return;
	if (secret_heap_owns(p)) {
		secret_heap_free(p);
		return;
	}
	size_t len = malloc_usable_size(p);
	if (p != working || !looks_wiped(p, len))
		explicit_bzero(p, len);
	if (p == working)
		working = NULL;
	free(p);
}

static void *wiping_realloc(void *p, size_t len, const char *file, int line)
{
	if (!len) {
		wiping_free(p, file, line);
		return NULL;
	}
	void *moved = wiping_malloc(len, file, line);
	if (moved && p) {
		size_t old_len = usable_size(p);
		memcpy(moved, p, old_len < len ? old_len : len);
		wiping_free(p, file, line);
	}
	return moved;
}

static void start(void)
{
	/* Has to come before OpenSSL's first allocation. */
	if (CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) != 1)
		log_debug("the crypto library was in use before its start");
	/*
	 * Without its configuration file: that one is named by an environment variable and may
	 * load code. Without its exit handler: it would run in every forked child. Without its old
	 * tables of ciphers and digests, whose names it would file beside those of its providers.
	 */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
					  OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
					  OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
					  OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
				  NULL);
}

void crypto_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, start);
	/* What was wrong before, and nobody asked for, is no cause of what comes. */
	refused = false;
	ERR_clear_error();
}

int crypto_name_digests(struct error **err)
{
	crypto_start();
	return EVP_add_digest(EVP_sha256()) == 1 && EVP_add_digest(EVP_sha384()) == 1 &&
			       EVP_add_digest(EVP_sha512()) == 1
		       ? 0
		       : crypto_fail(err, "name a digest");
}

void crypto_library_warm(const char *digest, const char *mac)
{
	EVP_MD_free(EVP_MD_fetch(NULL, digest, NULL));
	EVP_MAC_free(mac ? EVP_MAC_fetch(NULL, mac, NULL) : NULL);
	ERR_clear_error();
}

/*
 * What OpenSSL does besides when a thread uses it for the first time: it asks whether the process
 * has forked, seeds its random numbers, reads the clock where that takes a call, and looks for a
 * configuration that there is not.
 * server-calls: getpid gettid getrandom clock_gettime gettimeofday openat:refuse
 */
enum crypto_cause crypto_cause(unsigned long *ret_code)
{
	enum crypto_cause cause = refused ? CRYPTO_NO_MEMORY : CRYPTO_OTHER;
	refused = false;
	*ret_code = 0;
	for (unsigned long code; (code = ERR_get_error()) != 0; *ret_code = code) {
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			cause = CRYPTO_NO_MEMORY;
		else if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED && cause == CRYPTO_OTHER)
			cause = CRYPTO_UNSUPPORTED;
	}
	return cause;
}

int crypto_refuse(struct error **err, enum error_kind kind, const char *words)
{
	unsigned long code;
	if (crypto_cause(&code) == CRYPTO_NO_MEMORY)
		return error_no_memory(err);
	return error_set(err, kind, "%s", words);
}

int crypto_fail(struct error **err, const char *what)
{
	unsigned long code;
	if (crypto_cause(&code) == CRYPTO_NO_MEMORY)
		return error_no_memory(err);
	/* The number alone: OpenSSL's words may quote what it was given. */
	return error_set(err, ERROR_INTERNAL, "the crypto library could not %s (error %#lx)", what,
			 code);
}

int crypto_random(void *buf, size_t len, struct error **err)
{
	crypto_start();
	unsigned char *to = buf;
	while (len) {
		int step = len < 1 << 20 ? (int)len : 1 << 20;
		if (RAND_bytes(to, step) != 1)
			return crypto_fail(err, "make random numbers");
		to += step;
		len -= (size_t)step;
	}
	return 0;
}

int crypto_sha256(const void *data, size_t len, uint8_t ret[CRYPTO_SHA256_LEN], struct error **err)
{
	crypto_start();
	unsigned ret_len = CRYPTO_SHA256_LEN;
	if (EVP_Digest(data, len, ret, &ret_len, EVP_sha256(), NULL) != 1)
		return crypto_fail(err, "compute SHA-256");
	return 0;
}
