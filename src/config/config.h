/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CONFIG_CONFIG_H
#define COFFER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

/*
 * The door of config/: what the site's administrator says in coffer.conf. directives.c has one row
 * for each directive; who obeys one asks for its member here. Behaviour: spec runtime.md 20.
 */

/* The server may have 1 GiB of memory in all (serve/isolate.c). */
#define CONFIG_IMAGE_CACHE_MAX_MIB 512
#define CONFIG_IMAGE_CACHE_DEFAULT_MIB 14

struct config {
	bool allow_container_sif, allow_container_encrypted, allow_container_luks2,
		allow_container_dir, allow_container_squashfs, allow_container_extfs;
	bool require_encrypted;
	/* Where one is given (limits_), the image must be of one of these. */
	bool limits_owners, limits_groups, limits_paths;
	struct strings limit_owners, limit_groups, limit_paths;
	enum config_audit { CONFIG_AUDIT_NO, CONFIG_AUDIT_SYSLOG, CONFIG_AUDIT_REQUIRED } audit;
	bool mount_proc, mount_sys, mount_home, mount_tmp, mount_devpts, mount_slave;
	enum config_mount_dev { CONFIG_DEV_YES, CONFIG_DEV_NO, CONFIG_DEV_MINIMAL } mount_dev;
	bool config_passwd, config_group, config_resolv_conf;
	bool user_bind_control, user_seccomp_control;
	char *seccomp_profile; /* in place of the default filter; a file, or NULL */
	enum config_overlay { CONFIG_OVERLAY_YES, CONFIG_OVERLAY_TRY, CONFIG_OVERLAY_NO } overlay;
	bool always_nv, always_rocm; /* as with --nv, --rocm */
	/* What root's container has without --keep-privs and --add-caps; not with a user namespace.
	 */
	enum config_root { CONFIG_ROOT_FULL, CONFIG_ROOT_NO } root_capabilities;
	bool allow_user_ns, allow_pid_ns, allow_ipc_ns, allow_uts_ns;
	/* `mount encrypted = kernel`: LUKS2 images as with --mount=kernel, where the caller may */
	unsigned mount_kernel;
	uint64_t sessiondir_max_mib;
	uint64_t image_cache_mib;
	uint64_t squash_threads;   /* of a build, at most; 0: one for each CPU */
	struct strings bind_paths; /* a file that names none has none, not the default */
};
int config_default(struct config *c, struct error **err);

/*
 * A switch of the site's that somebody else's table names in a column: what a row is allowed by.
 * Without a directive nobody can forbid it.
 */
struct config_permission {
	const char *directive; /* static, for messages; or NULL */
	size_t at;	       /* the switch in struct config */
};
#define CONFIG_PERMISSION(words, member)                                    \
	{                                                                   \
		.directive = (words), .at = offsetof(struct config, member) \
	}
static inline bool config_permits(const struct config *c, const struct config_permission *p)
{
	return !p->directive || *(const bool *)((const char *)c + p->at);
}

/* Frees what is in it; *c itself is the caller's. */
void config_free(struct config *c);
#define CLEANUP_CONFIG __attribute__((cleanup(config_free)))

/*
 * Reads the files over the defaults: `site`, which may be missing, and `asked` (--config), NULL or
 * a file that must be there. A file that is not root's alone is ERROR_POLICY, and so is anything in
 * it that is not understood or cannot be obeyed. For the first user namespace's root `asked`
 * stands in place of the site's; for others it adds to it and can only make it tighter. An active
 * execution control list beside the site's file is refused: coffer does not know them.
 */
int config_read(struct config *c, const char *site, const char *asked, struct error **err);
/* A file's text over the defaults; it is cut up. path is for the messages. */
int config_parse(struct config *c, const char *path, struct buffer *text, struct error **err);
/* The same over another file's, which it may only make tighter. */
int config_tighten(struct config *c, const char *path, struct buffer *text, struct error **err);

/* Reads a file over the defaults in *c as if it were the site's, whoever owns it, and reports each
 * fault. Returns how many, or -1 where it cannot be read. */
int config_check(struct config *c, const char *path,
		 void (*report)(void *context, const struct error *fault), void *context,
		 struct error **err);

/* Opens a file that a configuration names and that must be root's alone, as it is itself: else
 * ERROR_POLICY. Returns a descriptor that the caller closes, or -1. */
int config_open_named(const char *path, struct error **err);

/* Appends a line for each directive: name, effect, default, with tabs between. */
int config_print_directives(struct buffer *ret, struct error **err);

#endif
