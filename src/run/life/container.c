/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's life, in two processes (internal.h has what each of them holds).
 *
 *     command                                      container's process
 *     prepare the plan (plan.c)
 *     clone                           ------>      frees its copy of the key
 *     write the id maps               <--- R
 *                                     M --->       session, private mounts
 *     unseal the image                <--- F       /dev/fuse opened and mounted: its descriptor
 *     fork the server
 *     the server is ready             G --->       mount points, mounts, change of root
 *     keep the root                   <--- /       descriptor of the new root
 *     watch                                        drop privileges, become opaque, exec
 *                                     <close>      by exec: it has succeeded
 *
 * R, M, F, G and so on are the words of channel.c. Each side waits for the other's word and for the
 * end of the channel, so that neither outlives the other: the container's process has asked to be
 * killed when the command dies, and an error in it arrives as a word, with kind, hint and exit
 * status.
 *
 * Why this order. The child is cloned before the key is used, so it never has more than the user's
 * key, which it frees at once. /dev/fuse must be opened in the user namespace in which it is
 * mounted, so the child does that. The server must be forked from the command, which has the
 * unsealed tree, and before a thread is started. And the child may not look into the mount before
 * the server answers: whoever does waits, unkillable if the server never comes.
 *
 * While the payload runs the command holds no key. It passes signals on, hears what the server has
 * to say, and ends the container when the server dies: the payload would otherwise go on with
 * whatever the kernel happens to have cached.
 */
#include "run/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

_Static_assert(CONFIG_IMAGE_CACHE_DEFAULT_MIB == SQUASH_CACHE_DEFAULT >> 20,
	       "config/ does not know squash/");

/* The key's last use: from here on it is in the tree, and with the fork in the server alone. */
static int serve_image(struct run_container *c, struct key **key, struct error **err)
{
	const struct run_plan *plan = c->plan;
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	CLEANUP_FD int fuse = -1;
	const struct squash_options cache = {
		.cache_bytes = (size_t)plan->config->image_cache_mib << 20,
	};
	int r = image_unseal(plan->image, key ? *key : NULL, &cache, &tree, err);
	if (key)
		key_free(key);
	if (r < 0 || run_channel_expect(c->channel, RUN_WORD_FUSE, &fuse, err) < 0)
		return -1;
	struct serve_options options = {
		.own_all = plan->own_all,
		.uid = plan->inside_uid,
		.gid = plan->inside_gid,
		.image_fd = plan->image->fd,
	};
	struct run_server *server = &c->servers[0];
	*server = RUN_SERVER_NONE;
	if (serve_start(tree, fuse, &options, &server->process, &server->says, err) < 0)
		return -1;
	server->image = plan->image->path;
	c->server_count = 1;
	secret_report_unlocked();
	log_verbose("Process %d serves the image", (int)server->process.pid);
	return run_channel_say(c->channel, RUN_WORD_GO, -1, err);
}

/*
 * Loop device, mapping and mount end with the last descriptor of the mount: from here on that is
 * the container's, or nobody's when it has died meanwhile.
 */
static int give_kernel_mount(const struct run_plan *plan, struct key **key, int sock,
			     struct error **err)
{
	CLEANUP_FD int mount_fd = -1;
	int r = mount_kernel(plan->image, key ? *key : NULL, &mount_fd, err);
	if (key)
		key_free(key);
	if (r < 0 || run_channel_expect(sock, RUN_WORD_PLACE, NULL, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MOUNT, mount_fd, err);
}

static int give_shifted_sandbox(const struct run_plan *plan, pid_t pid, int sock,
				struct error **err)
{
	CLEANUP_FD int tree = run_shifted_sandbox(plan, pid, err);
	if (tree < 0 || run_channel_expect(sock, RUN_WORD_PLACE, NULL, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MOUNT, tree, err);
}

/* The folders of --overlay, whose owners are the container's, too: in the order of the plan. */
static int give_shifted_overlays(const struct run_plan *plan, pid_t pid, int sock,
				 struct error **err)
{
	for (size_t i = 0; run_plan_is_shifted(plan) && i < plan->overlay_count; i++) {
		if (plan->overlays[i].image)
			continue;
		CLEANUP_FD int tree = run_shifted_overlay(&plan->overlays[i], pid, err);
		if (tree < 0 || run_channel_expect(sock, RUN_WORD_PLACE, NULL, err) < 0 ||
		    run_channel_say(sock, RUN_WORD_MOUNT, tree, err) < 0)
			return -1;
	}
	return 0;
}

/* Through the member that the container's process has sent, or, as the machine's root, itself. */
static int map_ids(const struct run_plan *plan, pid_t pid, int sock, struct error **err)
{
	CLEANUP_FD int member = -1;
	bool sent = !run_plan_is_shifted(plan);
	if (run_channel_expect(sock, RUN_WORD_READY, sent ? &member : NULL, err) < 0 ||
	    (sent && process_number(member, &pid, err) < 0) ||
	    userns_write(pid, plan->map, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MAPPED, -1, err);
}

/* The image that is run, and with it the last use of the key. */
static int give_image(struct run_container *c, struct key **key, struct error **err)
{
	const struct run_plan *plan = c->plan;
	if (plan->kernel_mount)
		return give_kernel_mount(plan, key, c->channel, err);
	if (!image_is_folder(plan->image))
		return serve_image(c, key, err);
	if (key)
		key_free(key);
	return run_plan_is_shifted(plan) ? give_shifted_sandbox(plan, c->child.pid, c->channel, err)
					 : 0;
}

/* What the container's process cannot do itself: its id maps, its mount, its image in clear. */
static int set_up_from_outside(struct run_container *c, struct key **key, struct error **err)
{
	const struct run_plan *plan = c->plan;
	const pid_t pid = c->child.pid;
	const int sock = c->channel;
	if ((plan->user_namespace && map_ids(plan, pid, sock, err) < 0) ||
	    give_shifted_overlays(plan, pid, sock, err) < 0 || give_image(c, key, err) < 0)
		return -1;
	return run_extras_serve(c, err);
}

int run_fill_descriptors(struct error **err)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR) != fd)
			return error_set(err, ERROR_SYSTEM, "cannot open /dev/null");
	}
	return 0;
}

static void say_what_is_run(const struct run_plan *plan)
{
	CLEANUP_BUFFER struct buffer what = { 0 };
	CLEANUP_ERROR struct error *ignored = NULL;
	if (image_describe(plan->image, &what, &ignored) == 0)
		log_verbose("%s is %s", plan->image->path, what.data);
	log_verbose("Namespaces: mount%s%s%s%s%s%s", plan->user_namespace ? ", user" : "",
		    plan->clone_flags & CLONE_NEWPID ? ", pid" : "",
		    plan->clone_flags & CLONE_NEWIPC ? ", ipc" : "",
		    plan->clone_flags & CLONE_NEWUTS ? ", uts" : "",
		    plan->clone_flags & CLONE_NEWNET ? ", net" : "",
		    plan->fake_root ? "; root inside" : "");
}

void run_container_free(struct run_container *c)
{
	fd_close(&c->channel);
	run_entrance_free(&c->entrance);
	process_kill(&c->child);
	for (size_t i = 0; i < c->server_count; i++) {
		fd_close(&c->servers[i].says);
		process_kill(&c->servers[i].process);
	}
	c->server_count = 0;
}

/* The two processes' ways part here: the child's never comes back. */
static int fork_child(struct run_container *c, struct key **key, struct error **err)
{
	int pair[2];
	if (wire_open(pair, err) < 0)
		return -1;
	c->channel = pair[0];
	CLEANUP_FD int theirs = pair[1];
	const unsigned long long flags = run_lock_outer_flags(c->plan);
	/* Of a pid 1 the kernel drops what it has no handler for, and does not keep it; but what is
	 * blocked it keeps. So it is born with all of them blocked, and hears later what came
	 * early. */
	sigset_t all, mask;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, c->plan->init ? &all : NULL, &mask);
	int r = process_fork(flags, &c->child);
	if (r != 0)
		sigprocmask(SIG_SETMASK, &mask, NULL);
	if (r < 0)
		return namespace_error(-r, flags, err);
	if (r == 0) {
		if (key)
			key_free(key);
		fd_close(&c->channel);
		/* The path is all that is needed from here on, and a sandbox's identity. */
		fd_close(&c->plan->image->fd);
		run_child(c->plan, theirs, &mask);
	}
	return 0;
}

int run_start(const struct run_plan *plan, struct key **key, struct run_container *ret,
	      struct error **err)
{
	*ret = RUN_CONTAINER_NONE;
	ret->plan = plan;
	say_what_is_run(plan);
	if (fork_child(ret, key, err) == 0 && set_up_from_outside(ret, key, err) == 0)
		return 0;
	run_container_free(ret);
	return -1;
}

int run_container(struct image *image, struct key **key, const struct run_wish *wish,
		  int *ret_status, struct error **err)
{
	CLEANUP_RUN_PLAN struct run_plan plan = { 0 };
	CLEANUP_RUN_CONTAINER struct run_container container = RUN_CONTAINER_NONE;
	if (run_fill_descriptors(err) < 0 || run_plan_prepare(image, wish, &plan, err) < 0 ||
	    run_start(&plan, key, &container, err) < 0)
		return -1;
	return run_supervise(&container, ret_status, err);
}
