/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Below this, a limit of open files is what may have been in its way. */
#define FEW_FILES 64

struct luks2_cryptsetup luks2_cryptsetup;

static struct library cryptsetup =
	LIBRARY("libcryptsetup.so.12", LUKS2_CRYPTSETUP_FUNCTIONS, luks2_cryptsetup);

int luks2_load(struct error **err)
{
	/* It uses OpenSSL from its first moment on, which is to begin as we want it. */
	crypto_start();
	return library_load(&cryptsetup, err);
}

/* The library writes to standard error on its own unless it is told otherwise. */
static void keep_words(int level, const char *msg, void *usrptr)
{
	struct luks2_device *d = usrptr;
	if (d && level == CRYPT_LOG_ERROR) {
		snprintf(d->words, sizeof(d->words), "%s", msg);
		d->words[strcspn(d->words, "\r\n")] = '\0';
	}
}

int luks2_device_init(struct luks2_device *d, int header_fd, const char *data, struct error **err)
{
	char path[64];
	*d = (struct luks2_device){ 0 };
	snprintf(path, sizeof(path), "/proc/self/fd/%d", header_fd);
	if (luks2_load(err) < 0)
		return -1;
	crypt_set_log_callback(NULL, keep_words, NULL);
	/* The name of a token's type would choose a plugin to load. */
	crypt_token_external_disable();
	/* Nobody else can open the memory file, and a user may not write to /run/cryptsetup. */
	int r = crypt_metadata_locking(NULL, 0);
	if (r == 0)
		r = data ? crypt_init_data_device(&d->cd, path, data) : crypt_init(&d->cd, path);
	if (r < 0) {
		luks2_device_error(d, r, "prepare libcryptsetup", err);
		return error_hint(err, "/proc must be mounted");
	}
	crypt_set_log_callback(d->cd, keep_words, d);
	return 0;
}

void luks2_device_done(struct luks2_device *d)
{
	if (d->cd)
		crypt_free(d->cd);
	d->cd = NULL;
}

int luks2_device_load(struct luks2_device *d, struct error **err)
{
	int r = crypt_load(d->cd, CRYPT_LUKS2, NULL);
	/* Of a header that we have checked and written anew it complains only for want of memory.
	 */
	if (r == -EINVAL) {
		error_set(err, ERROR_MEMORY, "libcryptsetup does not load the LUKS2 header");
		return error_hint(err, "raise the limit on memory (ulimit -v)");
	}
	return r < 0 ? luks2_device_error(d, r, "load the LUKS2 header", err) : 0;
}

int luks2_device_error(const struct luks2_device *d, int result, const char *what,
		       struct error **err)
{
	struct rlimit files;
	const char *words = *d->words ? d->words : strerror(-result);
	switch (result) {
	case -ENOMEM:
		error_set(err, ERROR_MEMORY, "%s: out of memory", what);
		return error_hint(err, "the passphrase's KDF needs memory: free some, or raise "
				       "the limit (ulimit -v, the cgroup's memory.max)");
	case -EINVAL:
		return error_set(err, ERROR_DAMAGED, "%s: %s", what, words);
	default:
		error_set(err, ERROR_SYSTEM, "%s: %s", what, words);
		/* It makes EIO, or words about random numbers, of EMFILE. */
		if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FEW_FILES)
			error_hint(err, "only %llu files may be open: raise the limit (ulimit -n)",
				   (unsigned long long)files.rlim_cur);
		return -1;
	}
}
