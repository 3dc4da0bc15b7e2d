/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SERVE_INTERNAL_H
#define COFFER_SERVE_INTERNAL_H

#include <fuse_lowlevel.h>
#include <stdatomic.h>

#include "serve/places.h"
#include "serve/serve.h"

/* ------------------------------------------------------------------ ops.c */

/* What the operations work on: the session's user data. */
struct ops {
	struct squash *squash;	      /* borrowed */
	struct fuse_session *session; /* borrowed */
	struct places places;
	squash_ref root;
	bool has_xattrs;
	bool own_all;
	uid_t uid;
	gid_t gid;
	int says; /* for serve_say, or -1 */
	atomic_bool said;
	/* Threads that read ahead, and how many may: somebody is left to take the next request. */
	_Atomic unsigned ahead;
	unsigned ahead_max;
};
void ops_init(struct ops *ops, struct squash *squash, const struct serve_options *options,
	      unsigned threads, int says);
void ops_done(struct ops *ops);
extern const struct fuse_lowlevel_ops ops_table;
/* Frees what the operations keep for the calling thread. */
void ops_thread_end(void);

/* What the operations share. */
struct ops *ops_of(fuse_req_t req);
/* To the reader an errno; to the command, once, the words. */
void ops_reply_error(fuse_req_t req, const struct error *err);
/* The inode of a node; answers the request itself when there is none. */
bool ops_inode(fuse_req_t req, fuse_ino_t node, struct squash_inode *ret);
/* The number that programs see. */
uint64_t ops_number(const struct ops *ops, const struct squash_inode *inode);
/* What the kernel keeps of a name: node and attributes, for ever. */
void ops_entry(const struct ops *ops, const struct squash_inode *inode, struct fuse_entry_param *e);
/* The calling thread's buffer; NULL when there is no memory. It holds its last answer. */
char *ops_answer(size_t len);

/* ------------------------------------------------------------------ listing.c */

void ops_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t position,
		     struct fuse_file_info *fi);

/* ------------------------------------------------------------------ spread.c */

#define THREADS_MAX 8

struct spread_thread {
	pid_t id;
	_Atomic int64_t waits_since; /* ns; 0: it has a request, or does not run */
	int64_t busy_since;	     /* ns: the last time that it slept; its own alone */
} __attribute__((aligned(64)));
/* Zeroed to begin with. Each thread has a number below THREADS_MAX, and uses no other's. */
struct spread {
	struct spread_thread threads[THREADS_MAX];
	atomic_flag sending;
};
/* Once, before there are threads. */
void spread_short_slices(void);
/* In the thread, before it waits for the first time. */
void spread_begin(struct spread *s, unsigned thread);
/* Before and after it waits for a request. Returns whether another was sent to another CPU. */
void spread_wait(struct spread *s, unsigned thread);
bool spread_got(struct spread *s, unsigned thread);

/* ------------------------------------------------------------------ serve.c */

/* An error, to the command. */
void serve_say(int fd, const struct error *err);
/* As process_fork: into a user, a mount, a network and an IPC namespace, and `more` ones. */
int serve_fork(unsigned long long more, struct process *ret, struct error **err);

/* ------------------------------------------------------------------ isolate.c */

/* The stages in which the server locks itself in, in this order; see isolate.c. */
int isolate_memory(unsigned threads, struct error **err);
int isolate_descriptors(const int *keep, size_t count, struct error **err);
int isolate_root(struct error **err);
int isolate_privileges(struct error **err);
int isolate_limits(struct error **err);
/* own: the process's threads; only where these run may be chosen. */
int isolate_calls(const pid_t *own, size_t count, struct error **err);

#endif
