/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is mounted: for each row of the list a detached tree, cloned from the host's, made anew, or
 * of what is written for this one container into the session.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWD_LIMIT ((size_t)16 << 20)

static int session_place(const struct run_session *session, const char *name, mode_t mode,
			 struct error **err)
{
	if (mkdirat(session->dir, name, mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make %s in the session directory", name);
	return run_tree_clone(session->dir, name, err);
}

/* A generated file in the session, given as a mount of its own. */
static int session_file(const struct run_session *session, const char *name, const char *text,
			size_t len, struct error **err)
{
	CLEANUP_FD int fd = openat(session->dir, name,
				   O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : fd_write(fd, text, len);
	if (r < 0)
		return error_errno(err, -r, "write %s in the session directory", name);
	return run_tree_clone(session->dir, name, err);
}

void run_no_account_file(const struct run_mount *m)
{
	log_warning("%s file doesn't exist in container, not updating", path_base_name(m->target));
}

/* Returns a tree, or -1; with *err NULL when the image has none. */
static int account_file(const struct run_plan *plan, const struct run_session *session,
			const struct run_mount *m, struct error **err)
{
	const char *word = m->kind == RUN_MOUNT_PASSWD ? "passwd" : "group";
	CLEANUP_FD int fd =
		path_open_in_root(session->final, m->target, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		run_no_account_file(m);
		return -1;
	}
	CLEANUP_BUFFER struct buffer old = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	int r = fd_read_all(fd, PASSWD_LIMIT, m->target, &old, &failed);
	if (r == 0 && old.len && memchr(old.data, 0, old.len))
		r = error_set(&failed, ERROR_DAMAGED, "the image's %s file holds a NUL byte", word);
	const char *words = old.data ? old.data : "";
	if (r == 0)
		r = m->kind == RUN_MOUNT_PASSWD ? run_passwd_text(words, plan, &text, &failed)
						: run_group_text(words, plan, &text, &failed);
	if (r < 0) {
		log_warning("%s, not updating", error_message(failed));
		return -1;
	}
	return session_file(session, word, text.data ? text.data : "", text.len, err);
}

/* A new proc or sysfs, which shows this container's namespaces; else the host's. */
static int new_or_bound(const struct run_plan *plan, const struct run_mount *m, const char *type,
			struct error **err)
{
	static const char *const none[] = { NULL };
	CLEANUP_ERROR struct error *failed = NULL;
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	int tree = run_new_filesystem(type, none, set, &failed);
	if (tree >= 0)
		return tree;
	if (m->kind == RUN_MOUNT_SYSFS && plan->clone_flags & CLONE_NEWNET) {
		/* The host's would show the host's interfaces. */
		*err = take_pointer(&failed);
		return -1;
	}
	/* In a container whose own one is partly hidden the kernel refuses a new one. */
	log_verbose("%s: binding the host's", error_message(failed));
	return run_tree_clone(AT_FDCWD, m->source, err);
}

/* Nobody has asked for it by name: whom the folders above keep out does not get it. */
static int clone_cwd(const struct run_plan *plan, const struct run_session *session,
		     const struct run_mount *m, struct error **err)
{
	struct stat here, there;
	if (run_plan_is_shifted(plan) &&
	    (stat(m->source, &there) < 0 || fstat(session->cwd, &here) < 0 ||
	     !run_same_file(&here, &there)))
		return error_set(err, ERROR_NOT_FOUND, "%s is not open to others", m->source);
	return run_tree_clone(session->cwd, "", err);
}

/* A detached tree of what a row of the list wants to have mounted. */
static int open_source(const struct run_plan *plan, const struct run_session *session,
		       const struct run_mount *m, struct error **err)
{
	switch (m->kind) {
	case RUN_MOUNT_SESSION:
		return session_place(session, m->source, m->mode, err);
	case RUN_MOUNT_TEXT:
		return session_file(session, path_base_name(m->target), m->source,
				    strlen(m->source), err);
	case RUN_MOUNT_PASSWD:
	case RUN_MOUNT_GROUP:
		return account_file(plan, session, m, err);
	case RUN_MOUNT_PROC:
		return new_or_bound(plan, m, "proc", err);
	case RUN_MOUNT_SYSFS:
		return new_or_bound(plan, m, "sysfs", err);
	case RUN_MOUNT_DEV:
		return session_place(session, "dev", 0755, err);
	case RUN_MOUNT_WORK:
		return run_work_open(m, err);
	case RUN_MOUNT_CWD:
		return clone_cwd(plan, session, m, err);
	case RUN_MOUNT_IMAGE:
		return run_extra_open(plan, session, m, err);
	case RUN_MOUNT_BIND:
		break;
	}
	return m->witnessed ? run_witness_clone(&m->witness, m->source, err)
			    : run_tree_clone(AT_FDCWD, m->source, err);
}

int run_sources_open_root(const struct run_plan *plan, struct run_session *session,
			  struct error **err)
{
	struct stat root, source;
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		CLEANUP_ERROR struct error *later = NULL;
		if (!m->asked || (session->sources && session->sources[i] >= 0) ||
		    stat(m->source, &source) < 0 || stat("/", &root) < 0 ||
		    !run_same_file(&source, &root))
			continue;
		if (!session->sources) {
			session->sources = calloc(plan->mount_count, sizeof(*session->sources));
			if (!session->sources)
				return error_no_memory(err);
			for (size_t k = 0; k < plan->mount_count; k++)
				session->sources[k] = -1;
		}
		session->sources[i] = open_source(plan, session, m, &later);
	}
	return 0;
}

void run_sources_open(const struct run_plan *plan, struct run_session *session)
{
	bool some = session->sources;
	if (!some)
		session->sources = calloc(plan->mount_count, sizeof(*session->sources));
	for (size_t i = 0; session->sources && i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		CLEANUP_ERROR struct error *later = NULL;
		/* What is not mounted then costs more than it gains: the kernel waits for all
		 * others when a clone is let go of. The current directory often is there already.
		 */
		bool of_image = m->kind == RUN_MOUNT_PASSWD || m->kind == RUN_MOUNT_GROUP;
		/* And nothing is made on the disk before the image is known to be open. */
		bool maybe = of_image || m->kind == RUN_MOUNT_CWD || m->kind == RUN_MOUNT_WORK ||
			     m->kind == RUN_MOUNT_IMAGE;
		if (some && session->sources[i] >= 0)
			continue;
		session->sources[i] = maybe ? -1 : open_source(plan, session, m, &later);
	}
}

void run_sources_close(const struct run_plan *plan, struct run_session *session)
{
	for (size_t i = 0; session->sources && i < plan->mount_count; i++)
		fd_close(&session->sources[i]);
	free(session->sources);
	session->sources = NULL;
}

int run_source_take(const struct run_plan *plan, struct run_session *session,
		    const struct run_mount *m, struct error **err)
{
	int *ahead = session->sources ? &session->sources[m - plan->mounts] : NULL;
	return ahead && *ahead >= 0 ? fd_steal(ahead) : open_source(plan, session, m, err);
}
