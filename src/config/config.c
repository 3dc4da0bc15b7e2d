/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_LIMIT ((size_t)1 << 20)

void config_default(struct config *c, struct error **err)
{
	*c = (struct config){
		.allow_container_sif = true,
		.allow_container_encrypted = true,
		.allow_container_dir = true,
		.allow_container_squashfs = true,
		.mount_proc = true,
		.mount_sys = true,
		.mount_home = true,
		.mount_tmp = true,
		.mount_devpts = true,
		.mount_slave = true,
		.mount_dev = CONFIG_DEV_YES,
		.config_passwd = true,
		.config_group = true,
		.config_resolv_conf = true,
		.user_bind_control = true,
		.allow_user_ns = true,
		.allow_pid_ns = true,
		.allow_ipc_ns = true,
		.allow_uts_ns = true,
		.sessiondir_max_mib = 64,
		.image_cache_mib = CONFIG_IMAGE_CACHE_DEFAULT_MIB,
	};
	if (strings_add(&c->bind_paths, "/etc/localtime", err) == 0)
		(void)strings_add(&c->bind_paths, "/etc/hosts", err);
}

void config_free(struct config *c)
{
	strings_free(&c->bind_paths);
}

static const struct {
	const char *name;
	size_t at;
} switches[] = {
	{ "allow container sif", offsetof(struct config, allow_container_sif) },
	{ "allow container encrypted", offsetof(struct config, allow_container_encrypted) },
	{ "allow container dir", offsetof(struct config, allow_container_dir) },
	{ "allow container squashfs", offsetof(struct config, allow_container_squashfs) },
	{ "mount proc", offsetof(struct config, mount_proc) },
	{ "mount sys", offsetof(struct config, mount_sys) },
	{ "mount home", offsetof(struct config, mount_home) },
	{ "mount tmp", offsetof(struct config, mount_tmp) },
	{ "mount devpts", offsetof(struct config, mount_devpts) },
	{ "mount slave", offsetof(struct config, mount_slave) },
	{ "config passwd", offsetof(struct config, config_passwd) },
	{ "config group", offsetof(struct config, config_group) },
	{ "config resolv_conf", offsetof(struct config, config_resolv_conf) },
	{ "user bind control", offsetof(struct config, user_bind_control) },
	{ "allow user ns", offsetof(struct config, allow_user_ns) },
	{ "allow pid ns", offsetof(struct config, allow_pid_ns) },
	{ "allow ipc ns", offsetof(struct config, allow_ipc_ns) },
	{ "allow uts ns", offsetof(struct config, allow_uts_ns) },
};

static int refuse(const char *path, const char *words, struct error **err)
{
	return error_set(err, ERROR_POLICY,
			 "While initializing: couldn't parse configuration file %s: %s", path,
			 words);
}

static int set_switch(bool *to, const char *path, const char *name, const char *value,
		      struct error **err)
{
	if (!strcmp(value, "yes") || !strcmp(value, "no")) {
		*to = *value == 'y';
		return 0;
	}
	CLEANUP_TEXT char *words =
		text_printf(err, "value authorized for directive \"%s\" are [yes no]", name);
	return words ? refuse(path, words, err) : -1;
}

static int set_dev(struct config *c, const char *path, const char *value, struct error **err)
{
	if (!strcmp(value, "yes"))
		c->mount_dev = CONFIG_DEV_YES;
	else if (!strcmp(value, "no"))
		c->mount_dev = CONFIG_DEV_NO;
	else if (!strcmp(value, "minimal"))
		c->mount_dev = CONFIG_DEV_MINIMAL;
	else
		return refuse(path,
			      "value authorized for directive 'mount dev' are [yes no minimal]",
			      err);
	return 0;
}

static int set_size(uint64_t *to, uint64_t max_mib, const char *path, const char *name,
		    const char *value, struct error **err)
{
	char *end;
	errno = 0;
	unsigned long long mib = strtoull(value, &end, 10);
	if (*value >= '0' && *value <= '9' && !*end && !errno && mib && mib <= max_mib) {
		*to = mib;
		return 0;
	}
	CLEANUP_TEXT char *words = text_printf(err, "'%s' is not a number of MiB from 1 to %llu",
					       name, (unsigned long long)max_mib);
	return words ? refuse(path, words, err) : -1;
}

static int add_paths(struct config *c, char *value, struct error **err)
{
	char *rest = value;
	for (char *item; (item = strsep(&rest, ","));) {
		item += strspn(item, " \t");
		size_t len = strlen(item);
		while (len && strchr(" \t", item[len - 1]))
			item[--len] = '\0';
		if (len && strings_add(&c->bind_paths, item, err) < 0)
			return -1;
	}
	return 0;
}

static int set_directive(struct config *c, const char *path, const char *name, char *value,
			 struct error **err)
{
	for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
		if (!strcmp(name, switches[i].name))
			return set_switch((bool *)((char *)c + switches[i].at), path, name, value,
					  err);
	}
	if (!strcmp(name, "mount dev"))
		return set_dev(c, path, value, err);
	if (!strcmp(name, "sessiondir max size"))
		return set_size(&c->sessiondir_max_mib, UINT64_MAX >> 20, path, name, value, err);
	if (!strcmp(name, "image cache size"))
		return set_size(&c->image_cache_mib, CONFIG_IMAGE_CACHE_MAX_MIB, path, name, value,
				err);
	if (!strcmp(name, "bind path"))
		return add_paths(c, value, err);
	if (!strcmp(name, "mount encrypted")) {
		c->mount_kernel = !strcmp(value, "kernel");
		if (!c->mount_kernel && strcmp(value, "fuse") != 0)
			return refuse(path,
				      "value authorized for directive 'mount encrypted' are [fuse "
				      "kernel]",
				      err);
	}
	return 0;
}

static char *trim(char *text)
{
	text += strspn(text, " \t\r");
	size_t len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int check_owner(int fd, const char *path, struct error **err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "open %s", path);
	if (S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	error_set(err, ERROR_POLICY,
		  "configuration file %s is not root's alone: it is not honoured", path);
	return error_hint(err, "as root: chown root %s && chmod go-w %s", path, path);
}

int config_parse(struct config *c, const char *path, struct buffer *text, struct error **err)
{
	if (text->len && memchr(text->data, 0, text->len))
		return refuse(path, "it holds a NUL byte", err);
	/* With a file the default binds are gone, also when it names none: runtime.md 20. */
	strings_free(&c->bind_paths);
	char *rest = text->data;
	for (char *line; rest && (line = strsep(&rest, "\n"));) {
		line = trim(line);
		char *equals = strchr(line, '=');
		if (!*line || *line == '#' || !equals)
			continue;
		*equals = '\0';
		char *name = trim(line), *value = trim(equals + 1);
		if (*value && set_directive(c, path, name, value, err) < 0)
			return -1;
	}
	return 0;
}

int config_read(struct config *c, const char *path, struct error **err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, errno,
				   "While initializing: couldn't parse configuration file %s: open",
				   path);
	if (check_owner(fd, path, err) < 0)
		return -1;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_all(fd, CONFIG_LIMIT, path, &text, err) < 0)
		return -1;
	return config_parse(c, path, &text, err);
}
