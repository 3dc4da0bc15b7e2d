/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_PLAN_PLAN_H
#define COFFER_RUN_PLAN_PLAN_H

#include "run/env/env.h"
#include "run/run.h"

/* The door of plan/: the wish becomes a struct run_plan, before anything is done. */

/* ---------------------------------------------------------------- bind.c */

/* One user mount: runtime.md 10.1, 10.2. */
struct run_bind {
	char *source; /* absolute */
	char *target; /* absolute */
	bool read_only;
	bool nested;	 /* false: left out of APPTAINER_BIND */
	char *image_src; /* a path in the image that the source is; or NULL: it is none */
	uint32_t id;	 /* of the partition in that; 0: its first one with data */
};
struct run_binds {
	struct run_bind *items;
	size_t len, cap;
};
void run_binds_free(struct run_binds *b);
int run_bind_parse(const char *argument, struct run_binds *ret, struct error **err);
int run_mount_parse(const char *records, struct run_binds *ret, struct error **err);

/* ---------------------------------------------------------------- gpu.c */

/* Names of nvliblist.conf and its like, by their kind. */
struct run_gpu_list {
	struct strings libraries, programs, files;
};
int run_gpu_read_list(const char *text, struct run_gpu_list *ret, struct error **err);
void run_gpu_list_free(struct run_gpu_list *list);
/* Adds to *ret the paths of the libraries in what `ldconfig -p` prints whose names are wanted. */
int run_gpu_read_cache(const char *text, const struct strings *wanted, struct strings *ret,
		       struct error **err);

/* ---------------------------------------------------------------- plan.c */

enum run_mount_kind {
	RUN_MOUNT_BIND,	   /* source: a path of the host */
	RUN_MOUNT_SESSION, /* source: a name below the session directory, made when missing */
	RUN_MOUNT_WORK,	   /* source: a path of the host, made when missing below --workdir */
	RUN_MOUNT_TEXT,	   /* source: the text of a read-write file of the session */
	RUN_MOUNT_PROC,	   /* a new proc */
	RUN_MOUNT_SYSFS,   /* a new sysfs, else the host's */
	RUN_MOUNT_DEV,	   /* the minimal /dev */
	RUN_MOUNT_PASSWD,  /* generated from the image's file */
	RUN_MOUNT_GROUP,
	RUN_MOUNT_IMAGE, /* source: a path in the image `extra` */
	RUN_MOUNT_CWD,	 /* a bind that is left out where it would hide something (7.3) */
};
/* An object of the host as it was when it was looked at; zeros: there was none (witness.c). */
struct run_witness {
	dev_t device;
	uint64_t inode;
	int64_t born_s;
	uint32_t born_ns;
	bool directory;
};

struct run_mount {
	enum run_mount_kind kind;
	char *source;
	char *target;
	const char *phase; /* for the warning */
	bool directory;
	bool read_only;
	bool restricted; /* nosuid,nodev */
	bool needed;	 /* a missing target is an error, else a warning */
	bool quiet;	 /* ... else nothing at all */
	bool asked;	 /* by name: found with the caller's rights (shift.c) */
	bool layered;	 /* a missing target is made in the layer */
	bool over_link;	 /* a link at the target is covered by the layer, not followed */
	mode_t mode;	 /* RUN_MOUNT_SESSION, RUN_MOUNT_WORK: of what is made */
	/* RUN_MOUNT_WORK: so many bytes of source name the folder that is there and witnessed. */
	size_t within;
	size_t extra; /* RUN_MOUNT_IMAGE: which of the plan's */
	/* The source must still be what it was. Not so of files of the system, which are replaced
	 * at any time, by root alone. */
	bool witnessed;
	struct run_witness witness;
	/* Not made where the target is the same place as this one, which came before; or NULL. */
	const char *twin;
};

/* An image besides the one that is run: extra/. */
struct run_extra {
	struct image *image;
	bool owned;			    /* the image; else that of an earlier one */
	const struct image_partition *part; /* borrowed from the image */
	bool writable;
	int fd; /* owned: of an ext3, which it locks; else -1 */
};
#define RUN_EXTRAS_MAX 16

/* What lies above the image: --overlay. */
struct run_overlay {
	char *path; /* absolute */
	bool read_only;
	bool image; /* not a folder: `extra` of the plan's, read-only */
	size_t extra;
	struct run_witness witness; /* of a folder */
};
#define RUN_OVERLAYS_MAX 16

struct run_plan {
	const struct run_wish *wish;
	const struct config *config;
	struct image *image;

	uid_t uid; /* the caller's */
	gid_t gid;
	uid_t inside_uid;
	gid_t inside_gid;
	char *user, *gecos, *passwd_home, *shell;
	struct strings groups; /* lines for the group file */

	bool user_namespace;
	enum userns_map map;
	unsigned long long clone_flags;
	bool own_all; /* the image's files are shown as the user's */
	bool kernel_mount;
	bool unconfined;       /* without the default filter of system calls */
	struct buffer profile; /* the program in its place: struct sock_filter; or empty */
	uint64_t
		capabilities; /* bit N: capability N, of those that the payload's root would have */
	bool fake_root, pretend_owners, pid_namespace, init;
	bool minimal_dev, contain, writable, writable_tmpfs;
	bool own_session; /* the payload leaves the caller's session: terminal.c */
	int terminal;	  /* which of 0 to 2 is the caller's terminal, to be replaced; or -1 */
	int listen_fds;	  /* how many descriptors from 3 on are handed on by sd_listen_fds(3) */

	struct run_overlay overlays[RUN_OVERLAYS_MAX]; /* the lowest first */
	size_t overlay_count;
	struct run_extra extras[RUN_EXTRAS_MAX];
	size_t extra_count;
	const struct run_overlay *upper; /* the one of them that is written to; or NULL */

	char *work; /* --workdir, where it is used; or NULL */
	struct run_witness work_witness;
	char *home;	  /* inside */
	char *cwd;	  /* the host's, physical; or NULL */
	char *start;	  /* where to begin */
	bool start_asked; /* --cwd: a failure is an error */
	struct run_binds binds;
	struct run_mount *mounts;
	size_t mount_count, mount_cap;
	struct run_env env;
};
int run_plan_prepare(struct image *image, const struct run_wish *wish, struct run_plan *plan,
		     struct error **err);
void run_plan_free(struct run_plan *plan);
/* home.c: cwd, and where to begin. For one who joins a container, too. */
int run_choose_directory(struct run_plan *plan, struct error **err);
#define CLEANUP_RUN_PLAN __attribute__((cleanup(run_plan_free)))
/* Whether the image's tree comes from a server of ours. */
static inline bool run_plan_is_served(const struct run_plan *plan)
{
	return !image_is_folder(plan->image) && !plan->kernel_mount;
}
/* Whether the container writes into a layer above the image, be it kept or not. */
static inline bool run_plan_has_upper(const struct run_plan *plan)
{
	return plan->writable_tmpfs || plan->upper;
}
/*
 * MOUNT_ATTR_NOSUID for the image's tree, or 0: its set-user-ID files and file capabilities count
 * only for root who asked for it, and in the sections of a build, where its tree is being made.
 */
uint64_t run_plan_nosuid(const struct run_plan *plan);

#endif
