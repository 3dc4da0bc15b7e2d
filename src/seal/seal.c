/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/seal.h"

#include <string.h>

const struct seal *const seal_table[] = { &seal_luks2, &seal_gocryptfs, NULL };

const struct seal *seal_by_name(const char *name)
{
	for (const struct seal *const *s = seal_table; *s; s++)
		if (!strcmp((*s)->name, name))
			return *s;
	return NULL;
}

const struct seal *seal_usual(bool root)
{
	const struct seal *const *s = seal_table;
	while (s[1] && (*s)->peer_wants_root != root)
		s++;
	return *s;
}

void seal_volume_free(struct seal_volume **v)
{
	if (*v)
		(*v)->seal->free(*v);
	*v = NULL;
}

void seal_made_done(struct seal_made *made)
{
	secret_free(&made->volume_key);
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
