/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of an instance: NAME.json, and NAME.door, the socket by which others join.
 *
 * NAME.json is locked by the keeper (fcntl(2): such a lock is one process's and goes with it, and
 * the kernel says whose it is). So an instance lives if, and only if, its file is locked. Who finds
 * one that is not takes the lock himself, looks whether the file still has its name, and removes
 * it; who makes a new one does the same the other way round, so that no two meet.
 */
#include "instance/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "json/json.h"

#define STATE_MAX ((size_t)64 << 10)
#define TRIES 100

void instance_free(struct instance *i)
{
	text_free(&i->name);
	text_free(&i->image);
	text_free(&i->out);
	text_free(&i->err);
}

void instances_free(struct instances *list)
{
	for (size_t i = 0; i < list->len; i++)
		instance_free(&list->items[i]);
	free(list->items);
	*list = (struct instances){ 0 };
}

char *instance_file(const char *name, const char *suffix, struct error **err)
{
	return text_printf(err, "%s%s", name, suffix);
}

/* Whether fd is what has that name. */
static bool has_name(int place, const char *file, int fd)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && fstatat(place, file, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int lock(int fd)
{
	const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	return fcntl(fd, F_SETLK, &whole) < 0 ? -errno : 0;
}

/* Who holds the lock: 0: nobody; or -errno. */
static pid_t holder(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(fd, F_GETLK, &whole) < 0)
		return -errno;
	/* Of another pid namespace, or another machine that shares the folder: it has no number. */
	return whole.l_type == F_UNLCK ? 0 : whole.l_pid > 0 ? whole.l_pid : -EREMOTE;
}

int instance_state_make(int place, const char *name, struct error **err)
{
	CLEANUP_TEXT char *file = instance_file(name, INSTANCE_STATE, err);
	if (!file)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		CLEANUP_FD int fd =
			openat(place, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		int r = fd < 0 ? -errno : lock(fd);
		if (r == -EAGAIN || r == -EACCES)
			return error_set(err, ERROR_EXISTS, "instance %s already exists", name);
		if (r < 0)
			return error_errno(err, -r, "lock the state of instance %s", name);
		/* Somebody may just have removed what was left here. */
		if (!has_name(place, file, fd))
			continue;
		if (ftruncate(fd, 0) < 0 || fchmod(fd, 0600) < 0)
			return error_errno(err, errno, "write the state of instance %s", name);
		return fd_steal(&fd);
	}
	return error_set(err, ERROR_SYSTEM, "the state of instance %s does not stay", name);
}

static int put(struct json_writer *w, const char *key, const char *text, struct error **err)
{
	return json_put_text(w, key, text, strlen(text), err);
}

int instance_state_write(int fd, const struct instance *i, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct json_writer w = { .out = &text, .lines = true };
	if (json_begin(&w, NULL, err) < 0 || put(&w, "name", i->name, err) < 0 ||
	    put(&w, "image", i->image, err) < 0 || put(&w, "logOutPath", i->out, err) < 0 ||
	    put(&w, "logErrPath", i->err, err) < 0 || json_put_key(&w, "pid", err) < 0 ||
	    buffer_printf(&text, err, "%d", (int)i->init) < 0 ||
	    json_put_key(&w, "born", err) < 0 ||
	    buffer_printf(&text, err, "%llu", (unsigned long long)i->born) < 0 ||
	    json_end(&w, err) < 0 || buffer_puts(&text, "\n", err) < 0)
		return -1;
	int r = fd_pwrite(fd, text.data, text.len, 0);
	return r < 0 ? error_errno(err, -r, "write the state of instance %s", i->name) : 0;
}

int instance_state_parse(const char *text, size_t len, struct instance *ret, struct error **err)
{
	static const struct json_limits limits = {
		.what = "state of an instance", .bytes = STATE_MAX, .depth = 2, .values = 32
	};
	CLEANUP_JSON struct json *json = NULL;
	uint64_t pid, born;
	if (json_read(text, len, &limits, &json, err) < 0)
		return -1;
	const struct json_at root = json_root(json);
	if (json_get_copy(&root, "name", &ret->name, err) < 0 ||
	    json_get_copy(&root, "image", &ret->image, err) < 0 ||
	    json_get_copy(&root, "logOutPath", &ret->out, err) < 0 ||
	    json_get_copy(&root, "logErrPath", &ret->err, err) < 0 ||
	    json_get_number(&root, "pid", 1, INT32_MAX, &pid, err) < 0 ||
	    json_get_number(&root, "born", 1, UINT64_MAX, &born, err) < 0)
		return -1;
	ret->init = (pid_t)pid;
	ret->born = born;
	return 0;
}

static void remove_stale(int place, const char *name, const char *file, int fd)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *door = instance_file(name, INSTANCE_DOOR, &ignored);
	/* Whoever has come in between has a file of its own under this name, or the lock. */
	if (!door || lock(fd) < 0 || !has_name(place, file, fd))
		return;
	log_verbose("Instance %s is no more: its state is removed", name);
	(void)unlinkat(place, door, 0);
	(void)unlinkat(place, file, 0);
}

pid_t instance_state_text(int place, const char *name, bool clean, struct buffer *ret,
			  struct error **err)
{
	struct stat st;
	CLEANUP_TEXT char *file = instance_file(name, INSTANCE_STATE, err);
	if (!file)
		return -1;
	int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	CLEANUP_FD int fd = openat(place, file, flags | (clean ? O_RDWR : O_RDONLY));
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "open the state of %s", name);
	pid_t keeper = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? holder(fd) : -EREMOTE;
	if (keeper == 0 && clean)
		remove_stale(place, name, file, fd);
	if (keeper <= 0)
		return 0;
	if (fd_read_all(fd, STATE_MAX, file, ret, err) < 0)
		return -1;
	/* Empty: it is about to start. */
	return ret->len ? keeper : 0;
}

int instance_state_read(int place, const char *name, bool clean, struct instance *ret,
			struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	pid_t keeper = instance_state_text(place, name, clean, &text, err);
	if (keeper <= 0)
		return (int)keeper;
	if (instance_state_parse(text.data, text.len, ret, err) < 0)
		return -1;
	ret->keeper = keeper;
	CLEANUP_FD int init = instance_open_process(ret->init, ret->born);
	if (init >= 0 && !strcmp(ret->name, name))
		return 1;
	instance_free(ret);
	return 0;
}

static int add(int place, const char *name, bool clean, struct instances *ret, struct error **err)
{
	struct instance *grown =
		array_grow(ret->items, ret->len, &ret->cap, sizeof(*ret->items), err);
	if (!grown)
		return -1;
	ret->items = grown;
	struct instance one = { 0 };
	int r = instance_state_read(place, name, clean, &one, err);
	if (r > 0)
		ret->items[ret->len++] = one;
	else
		instance_free(&one);
	return r < 0 ? -1 : 0;
}

int instance_list(const char *user, const char *pattern, struct instances *ret, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_FD int place = instance_open_place(user, NULL, err);
	if (place < 0)
		return *err ? -1 : 0;
	int r = directory_names(place, ".", &names);
	if (r < 0)
		return error_errno(err, -r, "read the folder of instances");
	strings_sort(&names);
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP_ERROR struct error *broken = NULL;
		char *end = strrchr(names.items[i], '.');
		if (!end || strcmp(end, INSTANCE_STATE) != 0)
			continue;
		*end = '\0';
		if (pattern && fnmatch(pattern, names.items[i], 0) != 0)
			continue;
		/* One that cannot be read is no reason not to tell of the others. */
		if (add(place, names.items[i], !user, ret, &broken) < 0)
			log_warning("Instance %s is left out: %s", names.items[i],
				    error_message(broken));
	}
	return 0;
}

/* By the descriptor of its folder: paths of sockets are short. */
int instance_door(int place, const char *name, bool make, struct error **err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct sockaddr *to = (const struct sockaddr *)&at;
	int len = snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s%s", place, name,
			   INSTANCE_DOOR);
	if (len < 0 || (size_t)len >= sizeof(at.sun_path))
		return error_set(err, ERROR_LIMIT, "the name of instance %s is too long", name);
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "make a socket");
	if (!make)
		return connect(fd, to, sizeof(at)) < 0
			       ? error_errno(err, errno, "ask for the way into instance %s", name)
			       : fd_steal(&fd);
	(void)unlink(at.sun_path);
	mode_t mask = umask(0177);
	int r = bind(fd, to, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0 ? -errno : 0;
	(void)umask(mask);
	return r < 0 ? error_errno(err, -r, "make the socket of instance %s", name) : fd_steal(&fd);
}
