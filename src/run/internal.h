/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_INTERNAL_H
#define COFFER_RUN_INTERNAL_H

#include <poll.h>
#include <termios.h>

#include "run/run.h"

/*
 * Theory of operation. Two processes of ours take part:
 *
 *   the command     resolves the wishes into a struct run_job (plan.c), clones the container's
 *                   process, writes its id maps, unseals the image, forks the file server, waits.
 *                   With --mount=kernel it makes the kernel's mount instead, and there is no
 *                   server.
 *   the container's holds no key; makes the session directory, attaches the image, builds the
 *   process         layer, mounts the list of the job, changes root, gives up privileges, takes
 *                   the environment scripts' results, and becomes the payload.
 *
 * Everything that needs the host's view (NSS, current directory, environment, existence of bind
 * sources) is looked up before the clone; everything beneath the new root goes through
 * descriptors, since the image's links point where they like.
 */

#define RUN_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---------------------------------------------------------------- bind.c */

/* One user mount: runtime.md 10.1, 10.2. */
struct run_bind {
	char *source; /* absolute */
	char *target; /* absolute */
	bool read_only;
	bool nested; /* false: left out of APPTAINER_BIND */
};
struct run_binds {
	struct run_bind *items;
	size_t len, cap;
};
void run_binds_free(struct run_binds *b);
int run_bind_parse(const char *argument, struct run_binds *ret, struct error **err);
int run_mount_parse(const char *records, struct run_binds *ret, struct error **err);

/* ---------------------------------------------------------------- env.c */

/* A variable to be set inside, after the image's own scripts (runtime.md 5.2). */
struct run_injection {
	char *name;
	char *value;
};
struct run_injections {
	struct run_injection *items;
	size_t len, cap;
};
struct run_env {
	/* NAME=VALUE as the payload shall have them unless the image says otherwise */
	struct strings base;
	struct run_injections injections;
};
void run_env_free(struct run_env *e);
/* The value in a NAME=VALUE list, or NULL. */
const char *run_env_get(const struct strings *list, const char *name);
int run_env_set(struct strings *list, const char *name, const char *value, struct error **err);
void run_env_unset(struct strings *list, const char *name);
bool run_env_name_ok(const char *name, size_t len);

struct run_env_source {
	const char *const *host; /* environ */
	const struct run_plan *plan;
	const char *image; /* absolute path */
	const char *home;
	const struct run_binds *binds;
};
int run_env_prepare(const struct run_env_source *source, struct run_env *ret, struct error **err);

/* envfile.c: evaluates one --env-file's text; each assignment is added to ret as NAME=VALUE. */
int run_envfile_parse(const char *text, const char *name, const struct strings *known,
		      struct strings *ret, struct error **err);

/* ---------------------------------------------------------------- plan.c */

enum run_mount_kind {
	RUN_MOUNT_BIND,	   /* source: a path of the host */
	RUN_MOUNT_SESSION, /* source: a name below the session directory, made when missing */
	RUN_MOUNT_TEXT,	   /* source: the text of a read-write file of the session */
	RUN_MOUNT_PROC,	   /* a new proc */
	RUN_MOUNT_SYSFS,   /* a new sysfs, else the host's */
	RUN_MOUNT_DEV,	   /* the minimal /dev */
	RUN_MOUNT_PASSWD,  /* generated from the image's file */
	RUN_MOUNT_GROUP,
	RUN_MOUNT_CWD, /* a bind that is left out where it would hide something (7.3) */
};
/* An object of the host as it was when it was looked at; zeros: there was none (witness.c). */
struct run_witness {
	dev_t device;
	uint64_t inode;
	int64_t born_s;
	uint32_t born_ns;
	bool directory;
};
void run_witness_look(const char *path, struct run_witness *ret);
/* run_tree_clone of what is at path, which must be that object still. */
int run_witness_clone(const struct run_witness *w, const char *path, struct error **err);

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
	mode_t mode;	 /* RUN_MOUNT_SESSION */
	/* The source must still be what it was. Not so of files of the system, which are replaced
	 * at any time, by root alone. */
	bool witnessed;
	struct run_witness witness;
	/* Not made where the target is the same place as this one, which came before; or NULL. */
	const char *twin;
};

struct run_job {
	const struct run_plan *plan;
	const struct config *config;
	struct image *image;

	uid_t uid; /* the caller's */
	gid_t gid;
	uid_t inside_uid;
	gid_t inside_gid;
	char *user, *gecos, *passwd_home, *shell;
	struct strings groups; /* lines for the group file */

	bool user_namespace;
	enum run_id_map map;
	unsigned long long clone_flags;
	bool own_all; /* the image's files are shown as the user's */
	bool kernel_mount;
	bool unconfined; /* without the default filter of system calls */
	bool fake_root, pretend_owners, pid_namespace, init;
	bool minimal_dev, contain, writable, writable_tmpfs;
	bool own_session; /* the payload leaves the caller's session: terminal.c */
	int terminal;	  /* which of 0 to 2 is the caller's terminal, to be replaced; or -1 */
	int listen_fds;	  /* how many descriptors from 3 on are handed on by sd_listen_fds(3) */

	char *home;	  /* inside */
	char *cwd;	  /* the host's, physical; or NULL */
	char *start;	  /* where to begin */
	bool start_asked; /* --cwd: a failure is an error */
	struct run_binds binds;
	struct run_mount *mounts;
	size_t mount_count, mount_cap;
	struct run_env env;
};
int run_job_prepare(struct image *image, const struct run_plan *plan, struct run_job *job,
		    struct error **err);
void run_job_free(struct run_job *j);
#define CLEANUP_RUN_JOB __attribute__((cleanup(run_job_free)))
/* Whether the image's tree comes from a server of ours. */
static inline bool run_job_is_served(const struct run_job *j)
{
	return j->image->kind != IMAGE_SANDBOX && !j->kernel_mount;
}
/*
 * MOUNT_ATTR_NOSUID for the image's tree, or 0: its set-user-ID files and file capabilities count
 * only for root who asked for it, and in the sections of a build, where its tree is being made.
 */
uint64_t run_job_nosuid(const struct run_job *j);

/* ---------------------------------------------------------------- passwd.c */

/* The new text, or *ret->len unchanged and -1; ERROR_DAMAGED for a line that cannot be read. */
int run_passwd_text(const char *old, const struct run_job *job, struct buffer *ret,
		    struct error **err);
int run_group_text(const char *old, const struct run_job *job, struct buffer *ret,
		   struct error **err);

/* ---------------------------------------------------------------- mounts.c, layer.c */

struct run_session {
	int dir;	   /* the session's tmpfs */
	int root;	   /* the image's tree */
	int final;	   /* what becomes / */
	int cwd;	   /* the caller's working folder, until all is mounted */
	uint64_t device;   /* st_dev of the session */
	int master, slave; /* owned: the container's own terminal, or -1 */
	int *sources; /* owned: trees opened ahead, one for each mount of the job, or -1; or NULL */
};
/* A private mount namespace's tree and the session directory with its places. */
int run_session_open(const struct run_job *job, struct run_session *ret, struct error **err);
/* A detached clone of what is at path. Returns the descriptor or -1 with *err. */
int run_tree_clone(int dirfd, const char *path, struct error **err);
int run_tree_attributes(int tree, uint64_t set, struct error **err);
int run_tree_place(int tree, int target, struct error **err);
int run_new_filesystem(const char *type, const char *const *options, uint64_t attributes,
		       struct error **err);
int run_layer_make(const struct run_job *job, struct run_session *session, struct error **err);
/*
 * Opens what the mounts need and the image has no part in, for run_mounts_make: while one waits for
 * the image. What fails is tried again, and its error said, by that one, which closes them all.
 */
void run_sources_open(const struct run_job *job, struct run_session *session);
int run_mounts_make(const struct run_job *job, struct run_session *session, struct error **err);
/* Whether that is one of the devices that every minimal /dev has. */
bool run_dev_has(const char *path);
int run_dev_make(const struct run_job *job, struct run_session *session, struct error **err);
int run_root_change(struct run_session *session, struct error **err);

/* ---------------------------------------------------------------- shift.c: RUN_MAP_SHIFTED */

static inline bool run_job_is_shifted(const struct run_job *j)
{
	return j->user_namespace && j->map == RUN_MAP_SHIFTED;
}
/*
 * The container's process, which is the machine's root still, opens what was asked for by name, for
 * run_mounts_make, and becomes the container's root, who may see no more than a stranger.
 */
int run_shift(const struct run_job *job, struct run_session *session, struct error **err);
/*
 * The command: a sandbox's tree, not attached yet, whose owners are shown as those of the user
 * namespace of `pid`: root's files as its root's, and the other way. Returns it or -1 with *err.
 */
int run_shifted_sandbox(const struct run_job *job, pid_t pid, struct error **err);

/* ---------------------------------------------------------------- channel.c */

/* What the two processes say to each other, one packet each. */
enum run_word {
	RUN_WORD_READY = 'R', /* child: the id maps may be written */
	RUN_WORD_MAPPED = 'M',
	RUN_WORD_FUSE = 'F',	 /* child: here is the descriptor to serve */
	RUN_WORD_GO = 'G',	 /* command: the image answers */
	RUN_WORD_PLACE = 'P',	 /* child: there is a place for the kernel's mount */
	RUN_WORD_MOUNT = 'K',	 /* command: here it is, not attached yet */
	RUN_WORD_ROOT = '/',	 /* child: a descriptor of its root */
	RUN_WORD_TERMINAL = 'T', /* child: the master of its terminal */
	RUN_WORD_ERROR = 'E',	 /* child: it failed */
};
int run_channel_open(int ret[2], struct error **err);
int run_channel_say(int sock, enum run_word word, int fd, struct error **err);
/* Waits for this word. A RUN_WORD_ERROR becomes *err; so does the end of the channel. */
int run_channel_expect(int sock, enum run_word word, int *ret_fd, struct error **err);
void run_channel_fail(int sock, struct error *error);
/*
 * Waits for an error or, as the good end, for the close. Returns 0; 1 when a RUN_WORD_ROOT or
 * RUN_WORD_TERMINAL came before, whose descriptor *ret_root or *ret_terminal then owns (-1 when
 * none could be taken); or -1 with *err.
 */
int run_channel_finish(int sock, int *ret_root, int *ret_terminal, struct error **err);

/* ---------------------------------------------------------------- descriptors.c */

/* Looks at what is asked to be kept, and at 0 to 2. For the command, before it has a child. */
int run_descriptors_choose(struct run_job *job, struct error **err);
/*
 * Closes what exec would close (the caller's own descriptors are not so marked), and with --contain
 * what was not named, but for sock and keep. The image's environment scripts run beside this
 * process and could look into it: a folder of the host that is open here would lead them out of
 * the root.
 */
int run_descriptors_close(const struct run_job *job, int sock, int keep, struct error **err);
/* The variables of sd_listen_fds(3), as they must be for this process: the payload's, shortly. */
int run_descriptors_environment(const struct run_job *job, struct strings *env, struct error **err);

/* ---------------------------------------------------------------- keyring.c, network.c */

/*
 * Exchanges this process's session keyring for a new one, without a name, so that what the caller
 * has in his is not found (keyrings(7)). A kernel without keyrings is no error.
 */
int run_keyring_leave(struct error **err);
/* Which network: the host's, or one of its own with lo alone. Others are refused. */
int run_network_choose(struct run_job *job, struct error **err);
/* In the container's process, while it has capabilities: lo is set up where it is its own. */
int run_network_start(const struct run_job *job, struct error **err);

/* ---------------------------------------------------------------- terminal.c, relay.c */

/* Whether the payload needs a session, and a terminal, of its own. */
void run_terminal_choose(struct run_job *job);
/* Opens one in the devpts whose root is pts: the session owns both ends. */
int run_terminal_open(const struct run_job *job, struct run_session *session, int pts,
		      struct error **err);
/*
 * Says the master to the command, puts the other end in the place of the caller's terminal, and
 * leaves the caller's session: before anything of the image runs.
 */
int run_terminal_replace(const struct run_job *job, struct run_session *session, int sock,
			 struct error **err);
/* Makes it the controlling one of this process: the payload, shortly. */
int run_terminal_take(const struct run_job *job, struct error **err);

struct run_relay_buffer {
	size_t off, len;
	char data[8192];
};
struct run_relay {
	int outer, master;     /* owned; master -1: there is nothing to carry, or no more */
	bool shared;	       /* others may use the caller's terminal */
	bool raw;	       /* it is now */
	bool front, listening; /* we may use it; and read it */
	bool ended;	       /* an end of file was passed on */
	bool quiet;	       /* nobody has the inner terminal open */
	struct termios before; /* while it is raw */
	struct run_relay_buffer in, out;
};
#define RUN_RELAY_NONE ((struct run_relay){ .outer = -1, .master = -1 })
/* Begins with the master, which it then owns. */
void run_relay_start(struct run_relay *r, const struct run_job *job, int master);
/* What to poll for, and the longest time to do it (-1: for ever). */
int run_relay_prepare(struct run_relay *r, struct pollfd p[2]);
void run_relay_step(struct run_relay *r, const struct pollfd p[2]);
/* The payload has ended: shows what it has left, and puts the caller's terminal back. */
void run_relay_finish(struct run_relay *r, int signals);
/*
 * A signal for the command, which a payload in a session of its own has not got from the terminal
 * as well. Returns false when it is to be passed on as any other.
 */
bool run_relay_signal(const struct run_job *job, struct run_relay *r, const struct process *child,
		      int sig, bool of_kernel);

/* ---------------------------------------------------------------- container.c, exec.c */

/* The container's process after its clone. Does not return. */
_Noreturn void run_child(const struct run_job *job, int sock);
/* An errno in the words of the messages that Apptainer's users know: a small letter first. */
char *run_errno_words(int errnum, struct error **err);
/* Takes the environment, chooses the command and becomes it. Returns with *err only. */
int run_payload(const struct run_job *job, struct error **err);
/* ahead.c: has the kernel read what a program begins with. Waits for names, not for data. */
void run_program_ahead(const char *program);
/*
 * action.c: the environment scripts' results. *ret_exit: -1, or the status with which a script
 * ended everything.
 */
int run_action_environment(const struct run_job *job, struct strings *ret, int *ret_exit,
			   struct error **err);
/*
 * scripts.c: the same from the scripts in directory, without a shell where they are simple enough.
 * Returns 1; 0 when the shell is needed; or -1 with *err.
 */
int run_scripts_evaluate(const struct run_job *job, int directory, const struct strings *variables,
			 struct strings *ret, struct error **err);
/* init.c: pid 1: starts the payload, forwards, reaps. Returns in the payload's process only. */
int run_init(const struct run_job *job, struct error **err);
/* To be called while the host's /proc is to be seen. */
void run_init_find_words(void);

int run_drop_privileges(const struct run_job *job, struct error **err);

/* ---------------------------------------------------------------- filter.c */

/*
 * Limits the calls of this process for good, and of what comes of it: to be done last, before a
 * program of the image is started. Needs no_new_privs or CAP_SYS_ADMIN.
 */
int run_filter_load(const struct run_job *job, struct error **err);
/* What --security says of it, as far as the site lets users say anything. */
int run_filter_choose(struct run_job *job, struct error **err);

#endif
