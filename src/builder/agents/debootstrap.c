/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* Debian's and Ubuntu's own installer: spec deffile.md 4. */

static const char *debian_architecture(const char *arch)
{
	static const char *const names[][2] = {
		{ "386", "i386" },	    { "amd64", "amd64" },     { "arm", "armhf" },
		{ "arm64", "arm64" },	    { "ppc64le", "ppc64el" }, { "mipsle", "mipsel" },
		{ "mips64le", "mips64el" }, { "s390x", "s390x" },     { "riscv64", "riscv64" },
		{ "loong64", "loong64" },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i][0], arch))
			return names[i][1];
	return NULL;
}

int bootstrap_debootstrap_check(const struct build *b, struct error **err)
{
	static const char *const needed[] = { "mirrorurl", "osversion" };
	for (size_t i = 0; i < 2; i++) {
		const char *value = definition_header(b->definition, needed[i]);
		if (!value || !*value)
			return error_set(err, ERROR_DAMAGED,
					 "invalid debootstrap header, no %s specified", needed[i]);
		/* It would be taken for an option. */
		if (*value == '-')
			return error_set(err, ERROR_DAMAGED,
					 "invalid debootstrap header: %s begins with a hyphen",
					 needed[i]);
	}
	if (!debian_architecture(b->arch))
		return error_set(err, ERROR_UNSUPPORTED, "debootstrap: no name for the machine %s",
				 b->arch);
	CLEANUP_TEXT char *program = process_find_program("debootstrap", err);
	if (program || *err)
		return *err ? -1 : 0;
	error_set(err, ERROR_NOT_FOUND, "debootstrap is not in PATH");
	return error_hint(err, "apt-get install debootstrap");
}

/* ------------------------------------------------------------------ what a user may not do */

static int cover(const char *with, const char *what, struct error **err)
{
	CLEANUP_FD int tree = mnt_clone(AT_FDCWD, with, 0);
	int r = tree < 0 ? tree : mnt_place(tree, AT_FDCWD, what);
	return r < 0 ? error_errno(err, -r, "cover %s with %s", what, with) : 0;
}

static int cover_program(const char *name, struct error **err)
{
	CLEANUP_TEXT char *program = process_find_program(name, err);
	if (!program)
		return *err ? -1 : 0;
	CLEANUP_TEXT char *path = realpath(program, NULL);
	CLEANUP_TEXT char *nothing = process_find_program("true", err);
	if (!path || !nothing)
		return *err ? -1 : error_set(err, ERROR_NOT_FOUND, "%s and true", name);
	return cover(nothing, path, err);
}

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

/*
 * A user namespace makes neither devices nor, here, file systems: debootstrap is shown programs
 * that do nothing in their place, and finds the devices as mounts of the host's. All of it in a
 * mount namespace that ends with it.
 */
static int prepare_unprivileged(struct builder *b, struct error **err)
{
	if (cover_program("mount", err) < 0 || cover_program("mknod", err) < 0 ||
	    cover("/dev/null", "/proc/filesystems", err) < 0)
		return -1;
	if (tree_make_directory(b->root, "/dev", 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		CLEANUP_TEXT char *inside = text_printf(err, "/dev/%s", devices[i]);
		CLEANUP_TEXT char *path = inside ? path_join(b->root_path, inside, err) : NULL;
		if (!path || tree_write(b->root, inside, 0666, "", 0, err) < 0 ||
		    cover(inside, path, err) < 0)
			return -1;
	}
	return 0;
}

/* The mount points of the devices are no part of the image. */
static void remove_device_files(const struct builder *b)
{
	CLEANUP_FD int dev = path_open_in_root(b->root, "/dev", O_PATH | O_DIRECTORY, 0);
	for (size_t i = 0; dev >= 0 && i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct stat st;
		if (fstatat(dev, devices[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			(void)unlinkat(dev, devices[i], 0);
	}
}

/* ------------------------------------------------------------------ running it */

/* "apt", the header's Include and the variable INCLUDE, with commas between. */
static int put_include(const struct build *b, struct buffer *ret, struct error **err)
{
	const char *lists[] = { definition_header(b->definition, "include"), getenv("INCLUDE") };
	if (buffer_puts(ret, "--include=apt", err) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		const char *at = lists[i] ? lists[i] : "";
		while (*(at += strspn(at, " \t\n,"))) {
			size_t len = strcspn(at, " \t\n,");
			if (buffer_puts(ret, ",", err) < 0 || buffer_append(ret, at, len, err) < 0)
				return -1;
			at += len;
		}
	}
	return 0;
}

static int run_debootstrap(void *context, int socket, struct error **err)
{
	struct builder *b = context;
	const struct build *build = b->build;
	(void)socket;
	fd_close(&b->socket);
	CLEANUP_STRINGS struct strings words = { 0 };
	CLEANUP_BUFFER struct buffer include = { 0 };
	CLEANUP_TEXT char *program = process_find_program("debootstrap", err);
	if (!program || put_include(build, &include, err) < 0 ||
	    strings_add(&words, program, err) < 0 ||
	    strings_add(&words, "--variant=minbase", err) < 0 ||
	    strings_add(&words, "--exclude=openssl,udev,debconf-i18n,e2fsprogs", err) < 0 ||
	    strings_add(&words, include.data, err) < 0 ||
	    strings_addf(&words, err, "--arch=%s", debian_architecture(build->arch)) < 0 ||
	    strings_add(&words, definition_header(build->definition, "osversion"), err) < 0 ||
	    strings_add(&words, b->root_path, err) < 0 ||
	    strings_add(&words, definition_header(build->definition, "mirrorurl"), err) < 0)
		return -1;
	int r = unshare(CLONE_NEWNS) < 0 ? -errno : mnt_propagate(MS_PRIVATE);
	if (r < 0)
		return error_errno(err, -r, "make a mount namespace");
	if (!build->real_root && (prepare_unprivileged(b, err) < 0 ||
				  run_pretend_owners(build->map == USERNS_ROOT_ALONE, err) < 0))
		return -1;
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = (const char *const *)words.items;
	return process_run(&spawn, err);
}

int bootstrap_debootstrap(struct builder *b, struct error **err)
{
	int status = remote_run(b->build, run_debootstrap, b, err);
	if (status < 0)
		return error_wrap(err, "conveyor failed to get: while debootstrapping");
	if (!b->build->real_root)
		remove_device_files(b);
	if (status) {
		error_set(err, ERROR_COMMAND,
			  "conveyor failed to get: while debootstrapping: exit status %d", status);
		workspace_explain(b->build, b->root, err);
		return -1;
	}
	return fchmod(b->root, 0755) < 0
		       ? error_errno(err, errno, "change the mode of %s", b->root_path)
		       : 0;
}
