/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <sys/sysinfo.h>

int luks2_check_memory(const struct luks2_header *header, struct error **err)
{
	struct sysinfo info;
	if (sysinfo(&info) < 0)
		return error_errno(err, errno, "find out how much memory there is");
	uint64_t have_kib = (uint64_t)info.totalram * info.mem_unit / 1024;
	for (unsigned i = 0; i < header->count; i++) {
		const struct luks2_keyslot *slot = &header->keyslots[i];
		if (slot->kdf.memory_kib <= have_kib)
			continue;
		error_set(err, ERROR_MEMORY,
			  "keyslot %u needs %u MiB of memory to unlock, the machine has %llu",
			  slot->id, slot->kdf.memory_kib / 1024,
			  (unsigned long long)have_kib / 1024);
		return error_hint(err, "unlock it on a larger machine, or build the image anew "
				       "with a key file (--pem-path), which needs no memory");
	}
	return 0;
}

int luks2_unlock(const struct luks2_header *header, struct source *device,
		 const struct secret *passphrase, struct secret **ret, struct error **err)
{
	CLEANUP_FD int fd = -1;
	CLEANUP_SECRET struct secret *key = NULL;
	if (luks2_check_memory(header, err) < 0 ||
	    luks2_header_to_memory(header, device, &fd, err) < 0 ||
	    secret_new(header->key_len, &key, err) < 0)
		return -1;

	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, fd, NULL, err) < 0)
		return -1;
	int r = crypt_load(d.cd, CRYPT_LUKS2, NULL);
	/* Of a header that we have checked and written anew it complains only for want of memory.
	 */
	if (r == -EINVAL) {
		error_set(err, ERROR_MEMORY, "libcryptsetup does not load the LUKS2 header");
		return error_hint(err, "raise the limit on memory (ulimit -v)");
	}
	if (r < 0)
		return luks2_device_error(&d, r, "load the LUKS2 header", err);
	size_t len = secret_size(key);
	r = crypt_volume_key_get(d.cd, CRYPT_ANY_SLOT, (char *)secret_data(key), &len,
				 (const char *)secret_bytes(passphrase), secret_size(passphrase));
	if (r == -EPERM || r == -ENOENT) {
		error_set(err, ERROR_KEY_WRONG, "no key available with this passphrase");
		return error_hint(err, "give the passphrase or key that the image was built with");
	}
	if (r < 0)
		return luks2_device_error(&d, r, "unlock a keyslot", err);
	if (len != secret_size(key))
		return error_set(err, ERROR_INTERNAL, "a volume key of %zu bytes", len);
	*ret = key;
	key = NULL;
	return 0;
}
