/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command's half: a server for each image besides the one that is run. It is forked after that
 * one's keys have gone from this process, and so has none. An ext3 is another program's to read
 * (serve/ext/).
 */
#include "run/internal.h"

static int serve_squash(const struct run_plan *plan, const struct run_extra *e, int fuse,
			struct run_server *ret, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	const struct squash_options cache = {
		.cache_bytes = (size_t)plan->config->image_cache_mib << 20,
	};
	const struct serve_options options = {
		.own_all = plan->own_all,
		.uid = plan->inside_uid,
		.gid = plan->inside_gid,
		.image_fd = e->image->fd,
	};
	if (image_open_partition(e->image, e->part, &cache, &tree, err) < 0)
		return -1;
	return serve_start(tree, fuse, &options, &ret->process, &ret->says, err);
}

static int serve(struct run_container *c, const struct run_extra *e, struct error **err)
{
	struct run_server *server = &c->servers[c->server_count];
	const struct serve_ext ext = { .fd = e->fd,
				       .path = e->image->path,
				       .off = e->part->off,
				       .len = e->part->len,
				       .writable = e->writable };
	CLEANUP_FD int fuse = -1;
	*server = RUN_SERVER_NONE;
	if (run_channel_expect(c->channel, RUN_WORD_FUSE, &fuse, err) < 0 ||
	    (e->part->filesystem == IMAGE_EXT3 ? serve_ext_start(&ext, fuse, &server->process, err)
					       : serve_squash(c->plan, e, fuse, server, err)) < 0)
		return -1;
	server->image = e->image->path;
	server->writes = e->writable;
	c->server_count++;
	log_verbose("Process %d serves %s", (int)server->process.pid, e->image->path);
	return run_channel_say(c->channel, RUN_WORD_GO, -1, err);
}

int run_extras_serve(struct run_container *c, struct error **err)
{
	for (size_t i = 0; i < c->plan->extra_count; i++)
		if (serve(c, &c->plan->extras[i], err) < 0)
			return -1;
	return 0;
}
