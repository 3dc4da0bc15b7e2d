/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/seal.h"

void seal_volume_free(struct seal_volume **v)
{
	if (*v)
		(*v)->seal->free(*v);
	*v = NULL;
}

int seal_open(const struct seal *seal, const struct sealed *sealed, const struct secret *secret,
	      struct source **ret, struct error **err)
{
	CLEANUP_SEAL_VOLUME struct seal_volume *volume = NULL;
	CLEANUP_SECRET struct secret *key = NULL;
	if (seal->probe(sealed, &volume, err) < 0 || seal->unlock(volume, secret, &key, err) < 0)
		return -1;
	return seal->open(volume, key, ret, err);
}
