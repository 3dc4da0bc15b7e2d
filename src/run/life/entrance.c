/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How others get into an instance.
 *
 * Its pid 1 is a process of ours that nobody may look into, so that its namespaces cannot be taken
 * from /proc; and a process of the image is nobody's to trust. So the container's process itself
 * opens its namespaces while nothing of the image has run yet, and gives them to the command that
 * keeps the instance, with a descriptor of its root. Who wants to join connects to the keeper's
 * socket and gets them from there, with the facts: what the first program was confined by, so that
 * the next one is confined by the same. They never lie in a file. What is handed out leads into the
 * container and nowhere else.
 *
 * Only a process of the same user is answered, and only one that is in the user and pid namespaces
 * of the keeper: not what runs in a container that happens to see the socket.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json/json.h"

#define FACTS_MAX ((size_t)1 << 20)

void run_entrance_free(struct run_entrance *e)
{
	for (size_t i = 0; i < e->count; i++)
		fd_close(&e->fds[i]);
	e->count = 0;
	fd_close(&e->facts);
}

int run_entrance_add(struct run_entrance *e, int fd, struct error **err)
{
	CLEANUP_FD int owned = fd;
	if (fd < 0 || e->count == sizeof(e->fds) / sizeof(e->fds[0]))
		return error_set(err, ERROR_INTERNAL, "the container has said a wrong namespace");
	e->fds[e->count++] = fd_steal(&owned);
	return 0;
}

/* ---------------------------------------------------------------- the container's side */

static int say(int at, const char *name, int flags, int sock, struct error **err)
{
	CLEANUP_FD int fd = openat(at, name, flags | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open the container's namespaces (%s)", name);
	return run_channel_say(sock, RUN_WORD_ENTRANCE, fd, err);
}

int run_entrance_begin(const struct run_plan *plan, int sock, int *ret_own, struct error **err)
{
	if (!plan->wish->stay)
		return 0;
	CLEANUP_FD int own = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (own < 0)
		return error_errno(err, errno, "open /proc/self/ns");
	/* The pid namespace is the outer one's: from the inner one nobody could enter it. */
	if (say(own, "user", O_RDONLY, sock, err) < 0 || say(own, "pid", O_RDONLY, sock, err) < 0)
		return -1;
	*ret_own = fd_steal(&own);
	return 0;
}

int run_entrance_end(const struct run_plan *plan, int sock, int *own, struct error **err)
{
	static const char *const names[] = { "user", "ipc", "uts", "net", "mnt" };
	if (!plan->wish->stay)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (say(*own, names[i], O_RDONLY, sock, err) < 0)
			return -1;
	fd_close(own);
	return say(AT_FDCWD, "/", O_PATH | O_DIRECTORY, sock, err);
}

/* ---------------------------------------------------------------- the keeper's side */

int run_has_started(struct run_container *c, struct error **err)
{
	const struct run_stay *stay = c->plan->wish->stay;
	struct pollfd ended = { .fd = c->child.pid_fd, .events = POLLIN };
	if (!stay)
		return 0;
	if (poll(&ended, 1, 0) > 0 ||
	    c->entrance.count != sizeof(c->entrance.fds) / sizeof(c->entrance.fds[0]))
		return error_set(err, ERROR_SYSTEM, "the instance ended before it had begun");
	c->entrance.facts = run_facts_write(c->plan, err);
	return c->entrance.facts < 0 ? -1 : stay->started(stay->context, c->child.pid, err);
}

int run_door(const struct run_container *c)
{
	return c->entrance.facts >= 0 ? c->plan->wish->stay->door : -1;
}

void run_door_answer(const struct run_container *c)
{
	pid_t peer;
	/* Whoever does not listen shall not hold the instance up. */
	CLEANUP_FD int sock = accept4(run_door(c), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0 || !process_peer_is_beside(sock, &peer)) {
		log_debug("somebody who may not join has knocked");
		return;
	}
	int r = wire_send(sock, RUN_WORD_FACTS, c->entrance.facts);
	for (size_t i = 0; r == 0 && i < c->entrance.count; i++)
		r = wire_send(sock, RUN_WORD_ENTRANCE, c->entrance.fds[i]);
}

/* ---------------------------------------------------------------- the facts */

/* What of a plan is a switch, and its name among the facts. */
#define SWITCH(member)                                     \
	{                                                  \
#member, offsetof(struct run_plan, member) \
	}
static const struct {
	const char *name;
	size_t at;
} switches[] = {
	SWITCH(user_namespace), SWITCH(own_all), SWITCH(fake_root),   SWITCH(pretend_owners),
	SWITCH(pid_namespace),	SWITCH(contain), SWITCH(minimal_dev), SWITCH(unconfined),
};
#define SWITCHES (sizeof(switches) / sizeof(switches[0]))

static bool *switch_of(struct run_plan *plan, size_t i)
{
	return (bool *)(void *)((char *)plan + switches[i].at);
}

static int put_word(struct json_writer *w, const char *key, const char *word, struct error **err)
{
	return json_put_key(w, key, err) < 0 ? -1 : buffer_puts(w->out, word, err);
}

static int put_number(struct json_writer *w, const char *key, unsigned n, struct error **err)
{
	return json_put_key(w, key, err) < 0 ? -1 : buffer_printf(w->out, err, "%u", n);
}

static int put_string(struct json_writer *w, const char *key, const char *text, struct error **err)
{
	return json_put_text(w, key, text, strlen(text), err);
}

static int put_facts(struct json_writer *w, const struct run_plan *plan, struct error **err)
{
	CLEANUP_BUFFER struct buffer profile = { 0 };
	/* JSON's numbers are not sure of more than 53 bits. */
	char capabilities[2 * sizeof(plan->capabilities) + 1] = "";
	text_put_hex(capabilities, &plan->capabilities, sizeof(plan->capabilities));
	if (base64_encode(plan->profile.data, plan->profile.len, 0, &profile, err) < 0 ||
	    json_begin(w, NULL, err) < 0 ||
	    put_string(w, "name", plan->wish->stay->name, err) < 0 ||
	    put_string(w, "image", plan->image->path, err) < 0 ||
	    put_string(w, "home", plan->home, err) < 0 ||
	    put_number(w, "map", plan->map, err) < 0 ||
	    put_number(w, "uid", plan->inside_uid, err) < 0 ||
	    put_number(w, "gid", plan->inside_gid, err) < 0 ||
	    put_string(w, "capabilities", capabilities, err) < 0 ||
	    put_string(w, "profile", profile.len ? profile.data : "", err) < 0 ||
	    put_word(w, "allow_setuid", plan->wish->allow_setuid ? "true" : "false", err) < 0)
		return -1;
	for (size_t i = 0; i < SWITCHES; i++) {
		bool on = *switch_of((struct run_plan *)plan, i);
		if (put_word(w, switches[i].name, on ? "true" : "false", err) < 0)
			return -1;
	}
	if (json_begin(w, "binds", err) < 0)
		return -1;
	for (size_t i = 0; i < plan->binds.len; i++) {
		const struct run_bind *b = &plan->binds.items[i];
		if (put_word(w, b->target, b->nested ? "true" : "false", err) < 0)
			return -1;
	}
	return json_end(w, err) < 0 ? -1 : json_end(w, err);
}

int run_facts_write(const struct run_plan *plan, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct json_writer w = { .out = &text };
	if (put_facts(&w, plan, err) < 0)
		return -1;
	CLEANUP_FD int fd = memfd_create("coffer-instance", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : fd_pwrite(fd, text.data, text.len, 0);
	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, -r, "note how the instance is confined") : fd_steal(&fd);
}

static int get_profile(const struct json_at *root, struct run_plan *plan, struct error **err)
{
	const char *text;
	size_t len;
	if (json_get_text(root, "profile", &text, err) < 0)
		return -1;
	char *room = buffer_reserve(&plan->profile, base64_decoded_max(strlen(text)), err);
	if (!room)
		return -1;
	if (!base64_decode(text, strlen(text), false, room, &len) || len % 8)
		return json_damaged(root, "profile", "is no program", err);
	plan->profile.len = len;
	return 0;
}

static int get_binds(const struct json_at *root, struct run_plan *plan, struct error **err)
{
	struct json_at binds, one;
	const void *cursor = NULL;
	const char *name;
	if (json_get(root, "binds", JSON_OBJECT, &binds, err) < 0)
		return -1;
	while (json_next(&binds, &cursor, &name, &one)) {
		struct run_binds *b = &plan->binds;
		struct run_bind *grown =
			array_grow(b->items, b->len, &b->cap, sizeof(*b->items), err);
		if (!grown)
			return -1;
		b->items = grown;
		CLEANUP_TEXT char *target = text_dup(name, err);
		if (!target)
			return -1;
		b->items[b->len++] = (struct run_bind){ .target = take_pointer(&target),
							.nested = json_is_true(&one) };
	}
	return 0;
}

static int get_facts(const struct json_at *root, struct run_facts *f, struct run_plan *plan,
		     struct error **err)
{
	uint64_t map, uid, gid;
	const char *capabilities;
	struct json_at at;
	if (json_get_copy(root, "name", &f->name, err) < 0 ||
	    json_get_copy(root, "image", &f->path, err) < 0 ||
	    json_get_copy(root, "home", &plan->home, err) < 0 ||
	    json_get_number(root, "map", 0, USERNS_SHIFTED, &map, err) < 0 ||
	    json_get_number(root, "uid", 0, UINT32_MAX, &uid, err) < 0 ||
	    json_get_number(root, "gid", 0, UINT32_MAX, &gid, err) < 0 ||
	    json_get_text(root, "capabilities", &capabilities, err) < 0 ||
	    json_get(root, "allow_setuid", JSON_SWITCH, &at, err) < 0)
		return -1;
	if (!text_hex(capabilities, &plan->capabilities, sizeof(plan->capabilities)))
		return json_damaged(root, "capabilities", "are no digits", err);
	plan->map = (enum userns_map)map;
	plan->inside_uid = (uid_t)uid;
	plan->inside_gid = (gid_t)gid;
	f->wish.allow_setuid = json_is_true(&at);
	for (size_t i = 0; i < SWITCHES; i++) {
		if (json_get(root, switches[i].name, JSON_SWITCH, &at, err) < 0)
			return -1;
		*switch_of(plan, i) = json_is_true(&at);
	}
	return get_profile(root, plan, err) < 0 ? -1 : get_binds(root, plan, err);
}

void run_facts_free(struct run_facts *f)
{
	text_free(&f->path);
	text_free(&f->name);
}

int run_facts_read(int fd, struct run_facts *ret, struct run_plan *plan, struct error **err)
{
	static const struct json_limits limits = {
		.what = "the instance's facts", .bytes = FACTS_MAX, .depth = 3, .values = 4096
	};
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_JSON struct json *json = NULL;
	/* Their writer has left the position behind them, and it is shared. */
	char *room = buffer_reserve(&text, FACTS_MAX, err);
	if (!room)
		return -1;
	ssize_t n = fd_pread(fd, room, FACTS_MAX, 0);
	if (n < 0)
		return error_errno(err, (int)-n, "read how the instance is confined");
	if (json_read(room, (size_t)n, &limits, &json, err) < 0)
		return -1;
	const struct json_at root = json_root(json);
	if (get_facts(&root, ret, plan, err) < 0)
		return -1;
	/* A folder's, as far as anybody asks: there is no file and nothing that serves it. */
	static const struct image_format instance = { .name = "instance", .folder = true };
	ret->image =
		(struct image){ .format = &instance, .path = ret->path, .directory = -1, .fd = -1 };
	plan->image = &ret->image;
	return 0;
}
