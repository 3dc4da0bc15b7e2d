/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gocryptfs.conf: parsed, unlocked, and written and parsed once more with the same result. scrypt
 * is replaced by something cheap, after a look at whether its cost is within the limits.
 */
#include "fuzz.h"
#include "kdf.h"

#include <string.h>

#include "seal/gocryptfs/internal.h"

static void check_cost(const struct gocryptfs_config *c)
{
	if (c->n < N_MIN || c->n & (c->n - 1) || c->r < R_MIN || c->p < P_MIN ||
	    128 * (uint64_t)c->r * c->n > SCRYPT_MEMORY_MAX ||
	    c->n * c->r * (uint64_t)c->p > SCRYPT_WORK_MAX || c->salt_len > SALT_MAX)
		fuzz_bug("scrypt may cost more than the limit");
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct gocryptfs_config config = { 0 }, again = { 0 };
	struct buffer text CLEANUP_BUFFER = { 0 };
	struct secret *password CLEANUP_SECRET = NULL;
	struct source *file CLEANUP_SOURCE = NULL, *clear CLEANUP_SOURCE = NULL;
	if (gocryptfs_config_parse((const char *)data, len, &config, err) < 0)
		return -1;
	check_cost(&config);
	fuzz_saw(&config, sizeof(config));
	if (gocryptfs_config_print(&config, &text, err) < 0)
		return -1;
	if (gocryptfs_config_parse(text.data, text.len, &again, err) < 0) {
		if (!fault_armed())
			fuzz_bug("what was written is not read: %s", error_message(*err));
		return -1;
	}
	if (memcmp(&config, &again, sizeof(config)) != 0)
		fuzz_bug("what was written is read as something else");
	if (secret_copy(FUZZ_PASSWORD, strlen(FUZZ_PASSWORD), &password, err) < 0 ||
	    fuzz_source(data, 0, &file, err) < 0)
		return -1;
	return seal_open(&seal_gocryptfs, &(struct sealed){ file, (const char *)data, len },
			 password, &clear, err);
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	return fuzz_conf(ret, err);
}
