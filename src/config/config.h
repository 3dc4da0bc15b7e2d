/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CONFIG_CONFIG_H
#define COFFER_CONFIG_CONFIG_H

#include "base/base.h"

/*
 * The door of config/: what the site's administrator says in coffer.conf. Who uses a directive asks
 * for its member here. Behaviour: spec runtime.md 20.
 */

/* The server may have 1 GiB of memory in all (mount/isolate.c). */
#define CONFIG_IMAGE_CACHE_MAX_MIB 512
#define CONFIG_IMAGE_CACHE_DEFAULT_MIB 14

/* Site configuration (coffer.conf): runtime.md 20. */
struct config {
	bool allow_container_sif, allow_container_encrypted, allow_container_dir,
		allow_container_squashfs;
	bool mount_proc, mount_sys, mount_home, mount_tmp, mount_devpts, mount_slave;
	enum config_mount_dev { CONFIG_DEV_YES, CONFIG_DEV_NO, CONFIG_DEV_MINIMAL } mount_dev;
	bool config_passwd, config_group, config_resolv_conf;
	bool user_bind_control;
	bool allow_user_ns, allow_pid_ns, allow_ipc_ns, allow_uts_ns;
	/* `mount encrypted = kernel`: LUKS2 images as with --mount=kernel, where the caller may */
	bool mount_kernel;
	uint64_t sessiondir_max_mib; /* default 64 */
	uint64_t image_cache_mib;    /* 1 to CONFIG_IMAGE_CACHE_MAX_MIB; default 14 */
	struct strings bind_paths;   /* default /etc/localtime, /etc/hosts */
};
void config_default(struct config *c, struct error **err);
/*
 * Reads the file over the defaults. A missing file is no error. One that is not root's or that
 * others may write is not honoured: ERROR_POLICY.
 */
int config_read(struct config *c, const char *path, struct error **err);
/* The same for a text, which is cut up; path is for the messages. */
int config_parse(struct config *c, const char *path, struct buffer *text, struct error **err);
void config_free(struct config *c);
#define CLEANUP_CONFIG __attribute__((cleanup(config_free)))

#endif
