/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS2's row in the table of seals. */
#include "seal/luks2/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define RANDOM_SECRET_LEN 64	 /* encryption.md 3.3 */
#define PASSPHRASE_MAX (8 << 20) /* encryption.md 2.5 */

struct luks2_volume {
	struct seal_volume volume;
	struct source *device; /* borrowed */
	struct luks2_header header;
};

static const struct luks2_volume *of(const struct seal_volume *v)
{
	return (const struct luks2_volume *)v;
}

static void release(struct seal_volume *v)
{
	free(v);
}

static int probe(const struct sealed *sealed, struct seal_volume **ret, struct error **err)
{
	struct luks2_volume *l = calloc(1, sizeof(*l));
	if (!l)
		return error_no_memory(err);
	l->volume.seal = &seal_luks2;
	l->device = sealed->bytes;
	if (luks2_header_read(l->device, &l->header, err) < 0) {
		free(l);
		return -1;
	}
	*ret = &l->volume;
	return 0;
}

static int unlock(const struct seal_volume *v, const struct secret *secret, struct secret **ret,
		  struct error **err)
{
	return luks2_unlock(&of(v)->header, of(v)->device, secret, ret, err);
}

static void identify(const struct seal_volume *v, char ret[SEAL_VOLUME_ID_MAX])
{
	snprintf(ret, SEAL_VOLUME_ID_MAX, "%s", of(v)->header.uuid);
}

static int check(const struct seal_volume *v, const struct secret *volume_key, struct error **err)
{
	return luks2_check_key(&of(v)->header, volume_key, err);
}

static unsigned ways(const struct seal_volume *v)
{
	return of(v)->header.count;
}

static int open_with_key(const struct seal_volume *v, const struct secret *volume_key,
			 struct source **ret, struct error **err)
{
	return luks2_open_with_key(&of(v)->header, of(v)->device, volume_key, ret, err);
}

static int map(const struct seal_volume *v, const struct secret *volume_key,
	       const char *block_device, int *ret_fd, struct error **err)
{
	return luks2_kernel_map(&of(v)->header, of(v)->device, block_device, volume_key, ret_fd,
				err);
}

static int change(const struct seal_volume *v, const struct secret *old,
		  const struct secret *passphrase, const struct seal_cost *cost,
		  const struct seal_file *file, struct buffer *ret_conf, unsigned *ret_ways,
		  struct error **err)
{
	(void)ret_conf;
	return luks2_change(&of(v)->header, of(v)->device, old, passphrase, cost, file, ret_ways,
			    err);
}

static int create(struct sink *below, const struct secret *secret, bool random,
		  struct buffer *ret_conf, struct seal_made *ret_made, struct sink **ret,
		  struct error **err)
{
	struct luks2_create_options options = { .random_passphrase = random, .made = ret_made };
	(void)ret_conf; /* its header lies before the payload */
	return luks2_create(below, secret, &options, ret, err);
}

const struct seal seal_luks2 = {
	.name = "luks2",
	.title = "LUKS2",
	.peer_wants_root = true,
	.allowed = CONFIG_PERMISSION("allow container luks2", allow_container_luks2),
	.secret = { .random_len = RANDOM_SECRET_LEN,
		    .passphrase_max = PASSPHRASE_MAX,
		    .passphrase_name = "passphrase" },
	.load = luks2_load,
	.probe = probe,
	.free = release,
	.unlock = unlock,
	.identify = identify,
	.check = check,
	.change = change,
	.cost_min = { .memory = (uint64_t)1 << 20, .time_ms = 100 },
	.cost_max = { .memory = (uint64_t)LUKS2_ARGON2_KIB_MAX << 10, .time_ms = 60000 },
	.ways = ways,
	.open = open_with_key,
	.map = map,
	.create = create,
};
