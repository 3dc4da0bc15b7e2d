/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/*
 * All directives that are known: those of Apptainer 1.4's apptainer.conf, and our own. There is no
 * passing over: what a site has written and coffer does not do is harmless, by a decision made
 * here, or an error (see enum config_effect).
 *
 * To add one: a row here, a member in struct config, a line in dist/coffer.conf and one in
 * man/coffer.conf.5.scd. tests/checks/directives holds them together.
 */

#define YES_NO .words = "yes no"
#define OBEYED(member) .effect = CONFIG_OBEYED, .at = offsetof(struct config, member)

/* A switch where no allows or shows less. */
#define ALLOW(words, member)                                                    \
	{                                                                       \
		.name = (words), .type = CONFIG_SWITCH, OBEYED(member), YES_NO, \
		.tighter = "no yes", .initial = "yes"                           \
	}
/* An option that is given to everybody; without it less is shown. */
#define DEFAULT_ON(words, member)                                               \
	{                                                                       \
		.name = (words), .type = CONFIG_SWITCH, OBEYED(member), YES_NO, \
		.tighter = "no yes", .initial = "no"                            \
	}
/* Who or where an image may be of: without the directive anybody and anywhere. */
#define LIMIT(words, kind, member, given)                        \
	{                                                        \
		.name = (words), .type = (kind), OBEYED(member), \
		.limits = offsetof(struct config, given)         \
	}
#define HARMLESS(words, kind, value)                                                \
	{                                                                           \
		.name = (words), .type = (kind), .effect = CONFIG_HARMLESS, YES_NO, \
		.max = UINT64_MAX, .initial = (value)                               \
	}
#define HARMLESS_WORD(name_, words_, value)                                      \
	{                                                                        \
		.name = (name_), .type = CONFIG_WORD, .effect = CONFIG_HARMLESS, \
		.words = (words_), .initial = (value)                            \
	}
/* The first of `words_` is the default; those in `same_` ask for nothing. */
#define REFUSED(name_, words_, value, same_)                                                       \
	{                                                                                          \
		.name = (name_), .type = CONFIG_WORD, .effect = CONFIG_REFUSED, .words = (words_), \
		.initial = (value), .same = (same_)                                                \
	}
#define REFUSED_TEXT(words)                                                                   \
	{                                                                                     \
		.name = (words), .type = CONFIG_TEXT, .effect = CONFIG_REFUSED, .initial = "" \
	}

const struct config_directive config_directives[] = {
	/* which images */
	ALLOW("allow container sif", allow_container_sif),
	ALLOW("allow container encrypted", allow_container_encrypted),
	ALLOW("allow container luks2", allow_container_luks2),
	ALLOW("allow container squashfs", allow_container_squashfs),
	ALLOW("allow container extfs", allow_container_extfs),
	ALLOW("allow container dir", allow_container_dir),
	{ .name = "require encrypted",
	  .type = CONFIG_SWITCH,
	  OBEYED(require_encrypted),
	  YES_NO,
	  .tighter = "yes no",
	  .initial = "no" },
	LIMIT("limit container owners", CONFIG_LIST, limit_owners, limits_owners),
	LIMIT("limit container groups", CONFIG_LIST, limit_groups, limits_groups),
	LIMIT("limit container paths", CONFIG_PATHS, limit_paths, limits_paths),
	{ .name = "audit log",
	  .type = CONFIG_WORD,
	  OBEYED(audit),
	  .words = "no syslog required",
	  .tighter = "required syslog no",
	  .initial = "no" },
	{ .name = "mount encrypted",
	  .type = CONFIG_WORD,
	  OBEYED(mount_kernel),
	  .words = "fuse kernel",
	  .tighter = "fuse kernel",
	  .initial = "fuse" },

	/* which namespaces */
	ALLOW("allow user ns", allow_user_ns),
	ALLOW("allow pid ns", allow_pid_ns),
	ALLOW("allow ipc ns", allow_ipc_ns),
	ALLOW("allow uts ns", allow_uts_ns),

	/* what of the host */
	ALLOW("mount proc", mount_proc),
	ALLOW("mount sys", mount_sys),
	{ .name = "mount dev",
	  .type = CONFIG_WORD,
	  OBEYED(mount_dev),
	  .words = "yes no minimal",
	  .tighter = "no minimal yes",
	  .initial = "yes" },
	ALLOW("mount devpts", mount_devpts),
	ALLOW("mount home", mount_home),
	ALLOW("mount tmp", mount_tmp),
	ALLOW("mount slave", mount_slave),
	ALLOW("config passwd", config_passwd),
	ALLOW("config group", config_group),
	ALLOW("config resolv_conf", config_resolv_conf),
	ALLOW("user bind control", user_bind_control),
	ALLOW("user seccomp control", user_seccomp_control),
	{ .name = "seccomp profile", .type = CONFIG_FILE, OBEYED(seccomp_profile) },
	{ .name = "bind path",
	  .type = CONFIG_LIST,
	  OBEYED(bind_paths),
	  .initial = "/etc/localtime, /etc/hosts" },

	/* The kernel's, which cannot be tried without it being used: "try" is "yes". */
	{ .name = "enable overlay",
	  .type = CONFIG_WORD,
	  OBEYED(overlay),
	  .words = "yes try no",
	  .tighter = "no yes try",
	  .initial = "yes" },

	/* what for whom */
	DEFAULT_ON("always use nv", always_nv),
	DEFAULT_ON("always use rocm", always_rocm),
	{ .name = "root default capabilities",
	  .type = CONFIG_WORD,
	  OBEYED(root_capabilities),
	  .words = "full no",
	  .tighter = "no full",
	  .initial = "full" },

	/* how much */
	{ .name = "sessiondir max size",
	  .type = CONFIG_NUMBER,
	  OBEYED(sessiondir_max_mib),
	  .min = 1,
	  .max = UINT64_MAX >> 20,
	  .unit = "MiB",
	  .initial = "64" },
	{ .name = "image cache size",
	  .type = CONFIG_NUMBER,
	  OBEYED(image_cache_mib),
	  .min = 1,
	  .max = CONFIG_IMAGE_CACHE_MAX_MIB,
	  .unit = "MiB",
	  .initial = CONFIG_TEXT_OF(CONFIG_IMAGE_CACHE_DEFAULT_MIB) },

	{ .name = "mksquashfs procs",
	  .type = CONFIG_NUMBER,
	  OBEYED(squash_threads),
	  .max = UINT32_MAX,
	  .initial = "0" },

	/* what coffer has not, so that nothing is to be allowed or chosen */
	HARMLESS("allow setuid", CONFIG_SWITCH, "yes"),
	HARMLESS("allow setuid-mount encrypted", CONFIG_SWITCH, "yes"),
	HARMLESS_WORD("allow setuid-mount squashfs", "yes no iflimited", "iflimited"),
	HARMLESS("allow setuid-mount extfs", CONFIG_SWITCH, "no"),
	HARMLESS("sync writable extfs", CONFIG_SWITCH, "no"),
	HARMLESS("max loop devices", CONFIG_NUMBER, "256"),
	HARMLESS("shared loop devices", CONFIG_SWITCH, "no"),
	HARMLESS("enable fusemount", CONFIG_SWITCH, "yes"),
	HARMLESS_WORD("enable underlay", "yes no preferred", "yes"),
	HARMLESS("allow net users", CONFIG_LIST, NULL),
	HARMLESS("allow net groups", CONFIG_LIST, NULL),
	HARMLESS("allow net networks", CONFIG_LIST, NULL),
	HARMLESS("allow netns paths", CONFIG_PATHS, NULL),
	HARMLESS("cni configuration path", CONFIG_TEXT, ""),
	HARMLESS("cni plugin path", CONFIG_TEXT, ""),
	HARMLESS("download concurrency", CONFIG_NUMBER, "3"),
	HARMLESS("download part size", CONFIG_NUMBER, "5242880"),
	HARMLESS("download buffer size", CONFIG_NUMBER, "32768"),
	HARMLESS("systemd cgroups", CONFIG_SWITCH, "yes"),
	HARMLESS("apptheus socket path", CONFIG_TEXT, "/run/apptheus/gateway.sock"),

	/* what would restrict or change a run, and coffer does not do */
	REFUSED("mount hostfs", "no yes", "no", "no"),
	REFUSED("use nvidia-container-cli", "no yes", "no", "no"),
	REFUSED("memory fs type", "tmpfs ramfs", "tmpfs", "tmpfs"),
	REFUSED("allow monitoring", "no yes", "no", "no"),
	REFUSED_TEXT("binary path"),
	REFUSED_TEXT("image driver"),
	REFUSED_TEXT("mksquashfs mem"),
};
const size_t config_directive_count = sizeof(config_directives) / sizeof(*config_directives);
_Static_assert(sizeof(config_directives) / sizeof(*config_directives) <= CONFIG_DIRECTIVES_MAX,
	       "CONFIG_DIRECTIVES_MAX");

const struct config_directive *config_find(const char *name)
{
	for (size_t i = 0; i < config_directive_count; i++)
		if (!strcmp(config_directives[i].name, name))
			return &config_directives[i];
	return NULL;
}

static char folded(char c)
{
	return (char)(strchr("_-", c) ? ' ' : tolower((unsigned char)c));
}

/* Levenshtein's distance, case and the kind of separator aside. b is no longer than WORD_MAX. */
#define WORD_MAX 64
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], len = strlen(b);
	for (size_t k = 0; k <= len; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t k = 0; k < len; k++) {
			size_t best = diagonal + (folded(a[i]) != folded(b[k]));
			diagonal = row[k + 1];
			if (diagonal + 1 < best)
				best = diagonal + 1;
			if (row[k] + 1 < best)
				best = row[k] + 1;
			row[k + 1] = best;
		}
	}
	return row[len];
}

const struct config_directive *config_nearest(const char *name)
{
	const struct config_directive *nearest = NULL;
	size_t len = strlen(name), least = len / 3 < 4 ? len / 3 + 1 : 5;
	for (size_t i = 0; len <= WORD_MAX && i < config_directive_count; i++) {
		size_t d = distance(config_directives[i].name, name);
		if (d < least) {
			least = d;
			nearest = &config_directives[i];
		}
	}
	return nearest;
}
