/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/filters.h"

/*
 * The system calls that a payload may make. The programs are made while coffer is built
 * (make_filters.c, which has the rules); the kernel keeps all that a process has loaded and does
 * what the strictest says.
 */

static int load(const struct sock_filter *code, size_t len, struct error **err)
{
	const struct sock_fprog program = {
		.len = (unsigned short)len,
		.filter = (struct sock_filter *)code,
	};
	/*
	 * Kernels before 5.16 would else take a processor's speculation for as dangerous as code of
	 * strangers in this process, and make the payload slower by far.
	 */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		    &program) == 0)
		return 0;
	return error_errno(err, errno, "load a filter for the container's system calls");
}

#define LOAD(filter, err) load((filter), sizeof(filter) / sizeof(*(filter)), (err))

/* The program of a profile, for a payload that is root (of a namespace) or not. */
static int read_profile(int fd, const char *path, bool root, struct buffer *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_STRINGS struct strings skipped = { 0 };
	if (fd_read_all(fd, RUN_PROFILE_MAX, path, &text, err) < 0 ||
	    run_profile_make(text.data ? text.data : "", text.len, path, root, ret, &skipped, err) <
		    0)
		return -1;
	for (size_t i = 0; i < skipped.len; i++)
		log_verbose("%s: %s is no system call that this libseccomp knows: skipped", path,
			    skipped.items[i]);
	return 0;
}

/* A profile of the user's, as the file that he names is now. */
static int take_profile(struct run_plan *plan, const char *path, struct error **err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	return read_profile(fd, path, plan->inside_uid == 0, &plan->profile, err);
}

/* The site's. There is no going on without it. */
static int take_site_profile(const struct config *c, bool root, struct buffer *ret,
			     struct error **err)
{
	if (!c->seccomp_profile)
		return 0;
	CLEANUP_FD int fd = config_open_named(c->seccomp_profile, err);
	if (fd >= 0 && read_profile(fd, c->seccomp_profile, root, ret, err) == 0)
		return 0;
	error_wrap(err, "`seccomp profile` of the site configuration");
	return error_hint(err, "nothing is run with a profile that is not understood: "
			       "`coffer config check` tells whether it is");
}

int run_policy_profile(const struct config *c, struct error **err)
{
	CLEANUP_BUFFER struct buffer user = { 0 }, root = { 0 };
	return take_site_profile(c, false, &user, err) < 0 ? -1
							   : take_site_profile(c, true, &root, err);
}

/* Words of Apptainer's: what they do is had round coffer, which hands on what it is started as. */
static int other_word(const char *word, struct error **err)
{
	static const char *const others[][2] = {
		{ "uid:", "root starts coffer as that user: setpriv --reuid UID --regid GID "
			  "--clear-groups coffer ...; others are themselves, or root by "
			  "--fakeroot" },
		{ "gid:", "root starts coffer in that group: setpriv --regid GID --clear-groups "
			  "coffer ...; others: newgrp GROUP" },
		{ "apparmor:", "start coffer under the profile: aa-exec -p PROFILE -- coffer ..." },
		{ "selinux:", "start coffer with the label: runcon LABEL coffer ..." },
	};
	error_set(err, ERROR_UNSUPPORTED, "--security %s is not supported", word);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strncmp(word, others[i][0], strlen(others[i][0])))
			return error_hint(err, "%s", others[i][1]);
	return error_hint(err, "coffer knows seccomp:FILE and seccomp:unconfined");
}

int run_filter_choose(struct run_plan *plan, struct error **err)
{
	static const char key[] = "seccomp:";
	const struct strings *words = &plan->wish->security;
	/* Read also where the caller has another: a fault in it is to be seen by all. */
	if (take_site_profile(plan->config, plan->inside_uid == 0, &plan->profile, err) < 0)
		return -1;
	for (size_t i = 0; i < words->len; i++) {
		const char *value = words->items[i] + strlen(key);
		if (strncmp(words->items[i], key, strlen(key)) != 0 || !*value)
			return other_word(words->items[i], err);
		if (!plan->config->user_seccomp_control) {
			error_set(err, ERROR_POLICY,
				  "configuration disallows users from choosing the filter of "
				  "system calls");
			return error_hint(err, "`user seccomp control = no` in the site "
					       "configuration: ask the administrator");
		}
		if (i > 0)
			return error_set(err, ERROR_USAGE,
					 "--security names more than one filter of system calls");
		buffer_free(&plan->profile);
		if (!strcmp(value, "unconfined"))
			plan->unconfined = true;
		else if (take_profile(plan, value, err) < 0)
			return -1;
	}
	return 0;
}

/* The terminal's rule first: a profile may forbid to load another filter. */
static int load_profile(const struct buffer *profile, struct error **err)
{
	if (LOAD(filter_terminal, err) < 0)
		return -1;
	return load((const struct sock_filter *)(const void *)profile->data,
		    profile->len / sizeof(struct sock_filter), err);
}

int run_filter_load(const struct run_plan *plan, struct error **err)
{
	if (plan->profile.len)
		return load_profile(&plan->profile, err);
	if (plan->unconfined)
		return LOAD(filter_terminal, err);
	if (plan->inside_uid == 0 && !plan->user_namespace)
		return LOAD(filter_root, err);
	return LOAD(filter_payload, err);
}

int run_pretend_owners(bool owners, struct error **err)
{
	return owners ? LOAD(filter_owners, err) : LOAD(filter_devices, err);
}
