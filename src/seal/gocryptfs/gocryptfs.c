/* SPDX-License-Identifier: Apache-2.0 */
/* gocryptfs' row in the table of seals. */
#include "seal/gocryptfs/internal.h"

#include <stdlib.h>

struct gocryptfs_volume {
	struct seal_volume volume;
	struct source *file; /* borrowed */
	struct gocryptfs_file header;
	struct gocryptfs_config config;
	size_t conf_len;
};

static const struct gocryptfs_volume *of(const struct seal_volume *v)
{
	return (const struct gocryptfs_volume *)v;
}

static void release(struct seal_volume *v)
{
	free(v);
}

static int probe(const struct sealed *sealed, struct seal_volume **ret, struct error **err)
{
	struct gocryptfs_volume *g = calloc(1, sizeof(*g));
	if (!g)
		return error_no_memory(err);
	g->volume.seal = &seal_gocryptfs;
	g->file = sealed->bytes;
	/* A file that is damaged for sure needs no password, and no second of scrypt. */
	if (gocryptfs_header_read(g->file, &g->header, err) < 0 ||
	    gocryptfs_config_parse(sealed->conf, sealed->conf_len, &g->config, err) < 0) {
		free(g);
		return -1;
	}
	g->conf_len = sealed->conf_len;
	*ret = &g->volume;
	return 0;
}

/* The volume key is gocryptfs' master key. */
static int unlock(const struct seal_volume *v, const struct secret *secret, struct secret **ret,
		  struct error **err)
{
	return gocryptfs_unlock(&of(v)->config, secret, ret, err);
}

/* A volume is one content file: it has the name of that. */
static void identify(const struct seal_volume *v, char ret[SEAL_VOLUME_ID_MAX])
{
	gocryptfs_name(of(v)->header.id, ret);
}

static int open_with_key(const struct seal_volume *v, const struct secret *volume_key,
			 struct source **ret, struct error **err)
{
	return gocryptfs_open_with_key(&of(v)->header, of(v)->file, volume_key, ret, err);
}

static int change(const struct seal_volume *v, const struct secret *old,
		  const struct secret *passphrase, const struct seal_cost *cost,
		  const struct seal_file *file, struct buffer *ret_conf, unsigned *ret_ways,
		  struct error **err)
{
	(void)file;
	*ret_ways = 1;
	return gocryptfs_change(&of(v)->config, of(v)->conf_len, old, passphrase, cost, ret_conf,
				err);
}

static int create(struct sink *below, const struct secret *secret, bool random,
		  struct buffer *ret_conf, struct seal_made *ret_made, struct sink **ret,
		  struct error **err)
{
	struct gocryptfs_create_options options = { .random_password = random, .made = ret_made };
	return gocryptfs_create(below, secret, &options, ret_conf, ret, err);
}

const struct seal seal_gocryptfs = {
	.name = "gocryptfs",
	.title = "gocryptfs",
	.authentic = true,
	.in_outer = true,
	.conf_max = GOCRYPTFS_CONF_MAX,
	.secret = { .random_len = RANDOM_SECRET_LEN,
		    .line = true,
		    .passphrase_max = PASSWORD_MAX,
		    .passphrase_name = "password" },
	.probe = probe,
	.free = release,
	.unlock = unlock,
	.identify = identify,
	.change = change,
	/* The time of scrypt follows from its memory. */
	.cost_min = { .memory = (uint64_t)128 * R_MIN * N_MIN },
	.cost_max = { .memory = SCRYPT_MEMORY_MAX },
	.open = open_with_key,
	.create = create,
};
