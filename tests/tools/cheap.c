/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer with one difference, for tests that build images for a passphrase and do not look at what
 * guessing it costs: a keyslot of LUKS2 is made with argon2id, as ever, of the least cost. What the
 * program itself chooses takes two seconds of every processor to try the cost out, two to make the
 * keyslot and two for each start of a container. Linked of the program's own objects, with this in
 * the place of luks2_format and luks2_change (-Wl,--wrap); images made by it are opened by the
 * program itself.
 */
#include "seal/luks2/internal.h"

static const struct crypt_pbkdf_type *cheap_cost(const char *type)
{
	static const struct crypt_pbkdf_type cost = {
		.type = CRYPT_KDF_ARGON2ID,
		.hash = "sha256",
		.iterations = 4,
		.max_memory_kb = 64,
		.parallel_threads = 2,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	(void)type;
	return &cost;
}

int __real_luks2_format(const struct secret *passphrase, const struct luks2_create_options *options,
			int *ret_fd, struct secret **ret_key, struct error **err);
int __wrap_luks2_format(const struct secret *passphrase, const struct luks2_create_options *options,
			int *ret_fd, struct secret **ret_key, struct error **err);

int __wrap_luks2_format(const struct secret *passphrase, const struct luks2_create_options *options,
			int *ret_fd, struct secret **ret_key, struct error **err)
{
	if (luks2_load(err) < 0)
		return -1;
	crypt_get_pbkdf_default = cheap_cost; /* the member of luks2_cryptsetup */
	return __real_luks2_format(passphrase, options, ret_fd, ret_key, err);
}

int __real_luks2_change(const struct luks2_header *header, struct source *device,
			const struct secret *old, const struct secret *passphrase,
			const struct seal_cost *cost, const struct seal_file *file,
			unsigned *ret_ways, struct error **err);
int __wrap_luks2_change(const struct luks2_header *header, struct source *device,
			const struct secret *old, const struct secret *passphrase,
			const struct seal_cost *cost, const struct seal_file *file,
			unsigned *ret_ways, struct error **err);

int __wrap_luks2_change(const struct luks2_header *header, struct source *device,
			const struct secret *old, const struct secret *passphrase,
			const struct seal_cost *cost, const struct seal_file *file,
			unsigned *ret_ways, struct error **err)
{
	if (luks2_load(err) < 0)
		return -1;
	/* What is measured, because it is wished for, stays so. */
	if (!cost->memory && !cost->time_ms)
		crypt_get_pbkdf_default = cheap_cost;
	return __real_luks2_change(header, device, old, passphrase, cost, file, ret_ways, err);
}
