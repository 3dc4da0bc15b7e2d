/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * What keeps guessing slow. For a passphrase that a person chose: libcryptsetup's own default,
 * argon2id measured to take two seconds here, with at most half of the memory of the machine.
 * A random secret cannot be guessed, and each start of a container would pay.
 */
static int set_cost(struct luks2_device *d, const struct luks2_create_options *options,
		    struct error **err)
{
	static const struct crypt_pbkdf_type least = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.iterations = LUKS2_PBKDF2_MIN,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	/* Not left to the library: before the format it would take the default of LUKS1. */
	const struct crypt_pbkdf_type *cost =
		options->random_passphrase ? &least : crypt_get_pbkdf_default(CRYPT_LUKS2);
	int r = cost ? crypt_set_pbkdf_type(d->cd, cost) : -EINVAL;
	return r < 0 ? luks2_device_error(d, r, "choose the KDF", err) : 0;
}

/* Two headers of 16 KiB, the keyslots' part up to 2 MiB, then the payload in sectors of 4096. */
static int format(struct luks2_device *d, const struct secret *key, const struct secret *passphrase,
		  const struct luks2_create_options *options, struct error **err)
{
	struct crypt_params_luks2 params = { .sector_size = LUKS2_NEW_SECTOR };
	int r = crypt_set_metadata_size(d->cd, LUKS2_NEW_HEADER_LEN,
					LUKS2_NEW_DATA_OFF - 2 * LUKS2_NEW_HEADER_LEN);
	if (r == 0)
		r = crypt_set_data_offset(d->cd, LUKS2_NEW_DATA_OFF / LUKS2_SECTOR_MIN);
	if (r < 0)
		return luks2_device_error(d, r, "lay out the LUKS2 header", err);
	if (set_cost(d, options, err) < 0)
		return -1;
	r = crypt_format(d->cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
			 (const char *)secret_bytes(key), secret_size(key), &params);
	if (r < 0)
		return luks2_device_error(d, r, "make the LUKS2 header", err);
	r = crypt_keyslot_add_by_volume_key(
		d->cd, CRYPT_ANY_SLOT, (const char *)secret_bytes(key), secret_size(key),
		(const char *)secret_bytes(passphrase), secret_size(passphrase));
	return r < 0 ? luks2_device_error(d, r, "make a keyslot", err) : 0;
}

/*
 * libcryptsetup formats a memory file, so that it needs no device and no rights. The volume key is
 * drawn here and not by the library: we need it to encrypt the payload, and it lies in guarded
 * memory from its first byte on.
 */
int luks2_format(const struct secret *passphrase, const struct luks2_create_options *options,
		 int *ret_fd, struct secret **ret_key, struct error **err)
{
	CLEANUP_SECRET struct secret *key = NULL;
	if (secret_new(LUKS2_NEW_KEY_LEN, &key, err) < 0 ||
	    crypto_random(secret_data(key), secret_size(key), err) < 0)
		return -1;
	CLEANUP_FD int fd = memfd_create("luks2-header", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a memory file");
	/* The library wants a device that has room for data, too. */
	if (ftruncate(fd, LUKS2_NEW_DATA_OFF + LUKS2_NEW_SECTOR) < 0)
		return error_errno(err, errno, "size a memory file");
	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, fd, NULL, err) < 0 ||
	    format(&d, key, passphrase, options, err) < 0)
		return -1;
	if (options->made) {
		const char *uuid = crypt_get_uuid(d.cd);
		if (!uuid)
			return error_set(err, ERROR_INTERNAL, "a LUKS2 header without a UUID");
		snprintf(options->made->volume_id, SEAL_VOLUME_ID_MAX, "%s", uuid);
		if (secret_copy(secret_bytes(key), secret_size(key), &options->made->volume_key,
				err) < 0)
			return -1;
	}
	*ret_fd = fd_steal(&fd);
	*ret_key = take_pointer(&key);
	return 0;
}
