/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_RUN_H
#define COFFER_RUN_RUN_H

#include "config/config.h"
#include "image/image.h"
#include "mount/mount.h"
#include "os/os.h"
#include "serve/serve.h"

/*
 * The door of run/: from an opened image and the user's wishes to a container process and its
 * exit status. Behaviour: spec runtime.md.
 */

enum run_action { RUN_RUN, RUN_EXEC, RUN_SHELL, RUN_TEST, RUN_START };

/*
 * What makes a container an instance: it goes on when its first program has ended, until somebody
 * sends its pid 1 a signal to end, and others may join it. Borrowed.
 */
struct run_stay {
	const char *name;
	/* A socket that listens: who connects to it is let in (run_join), if it is the same user.
	 */
	int door;
	/* Called once, when the first program runs; init: its pid 1. On an error it is ended. */
	int (*started)(void *context, pid_t init, struct error **err);
	void *context;
};
/* The value of a queued signal by which pid 1 of an instance shall end, whatever signal it is. */
#define RUN_STOP 0x53544f50

/* What the user asked for. Zero is the default of each member. All of it is borrowed. */
struct run_wish {
	enum run_action action;
	const char *const *arguments; /* after the image, NULL-terminated */
	const struct config *config;

	/* options, named as on the command line; lists are not yet parsed */
	struct strings
		bind; /* each: one -B argument; the variables' ones follow the command line's */
	struct strings mount; /* each: one --mount record (type=bind,...) */
	struct strings env;   /* each: NAME=VALUE */
	struct strings env_file;
	struct strings no_mount;
	struct strings keep_fd;	 /* each: a number */
	struct strings security; /* each: one word of --security */
	struct strings scratch;	 /* each: a folder of the container */
	struct strings overlay;	 /* each: FOLDER[:ro], the lowest first */
	const char *workdir;	 /* --workdir */
	const char *home;	 /* SRC[:DST] */
	const char *cwd;	 /* --pwd, --cwd */
	const char *app;
	const char *hostname;
	const char *shell;		  /* --shell */
	const char *network;		  /* --network: a name */
	const char *dns;		  /* addresses, with commas */
	const char *add_caps, *drop_caps; /* capabilities, with commas */
	bool cleanenv, contain, containall, no_home, writable, writable_tmpfs, fakeroot, userns,
		pid, ipc, uts, net, nv, rocm, no_init, no_umask, no_eval, allow_setuid, keep_privs,
		no_privs;
	bool ignore_subuid; /* with fakeroot: as if the user had no subordinate ids */
	bool kernel_mount;  /* --mount=kernel: an error where it cannot be done */

	const struct run_stay *stay; /* an instance; NULL: ends with its payload */

	/* for build's sections: not reachable from the command line */
	bool for_build;		 /* the fixed mounts of deffile.md 7, not the default ones */
	bool inherit_namespaces; /* the user and mount namespace exist already: make none */
};

/*
 * What the site's configuration says (policy.c): whether the open image may be run or built upon,
 * and run at all as it is not encrypted; and whether a user namespace may be made. ERROR_POLICY.
 * run_container asks all of them, but not when for_build.
 */
int run_policy_image(const struct config *c, const struct image *img, struct error **err);
int run_policy_encrypted(const struct config *c, const struct image *img, struct error **err);
/* The same of what shall lie above an image: a folder, or another that is of no use by itself. */
int run_policy_beside(const struct config *c, const struct image_format *format, int fd,
		      struct error **err);
int run_policy_user_namespace(const struct config *c, struct error **err);
/*
 * Whether the site's profile of system calls, where it has one, can be read and is understood
 * (filter.c): ERROR_POLICY where it is not root's alone. run_container asks that too.
 */
int run_policy_profile(const struct config *c, struct error **err);

/*
 * The records of `audit log` (audit.c): one before anything is started, one with how it ended, both
 * with the same id. Nothing where the directive says no. The first is an error where it is required
 * and cannot be written. failed: what run_container said, or NULL.
 */
struct run_audit {
	char id[17]; /* "" : none */
};
int run_audit_start(const struct config *c, const struct image *img, const struct key *key,
		    enum run_action action, struct run_audit *ret, struct error **err);
void run_audit_end(const struct run_audit *audit, int status, const struct error *failed);

/*
 * Runs the container, and returns when the payload has ended. *key (NULL for a plain image) unseals
 * the image and is freed at once, long before the payload runs: *key is NULL afterwards. `image`
 * stays the caller's. *ret_status: the payload's exit status, or 128 and the signal that ended it;
 * then this process, unless it builds, sends itself that signal: its caller sees the same. What
 * fails before the payload runs, or ends it (the death of the server), comes back as *err. For the
 * command's one thread: it forks.
 */
int run_container(struct image *image, struct key **key, const struct run_wish *wish,
		  int *ret_status, struct error **err);

/*
 * Starts a program in a container that runs already, and returns when it has ended, as
 * run_container does. door: a socket that has been connected to the one of its run_stay. The
 * program is confined as the container's first one was; of the wish count the action with its
 * arguments, app and shell, the environment, --cwd, --no-eval, --no-umask and --keep-fd. It is for
 * the caller to see to it that the socket is answered by a process of the user's own.
 */
int run_join(int door, const struct run_wish *wish, int *ret_status, struct error **err);
/*
 * Closes what this process has from its caller above 2, but for what --keep-fd names: for one that
 * outlives its caller.
 */
int run_leave_descriptors(const struct run_wish *wish, struct error **err);

/*
 * Loads the filter that answers making a block or character device (but 0:0) with success and does
 * nothing; with `owners` also the families of chown, setuid, setgid and setgroups, for a root that
 * is mapped alone (a user without subordinate ids). Needs no_new_privs or
 * CAP_SYS_ADMIN. Programs that look whether they really became another user still fail: apt wants
 * APT::Sandbox::User "root".
 */
int run_pretend_owners(bool owners, struct error **err);

#endif
