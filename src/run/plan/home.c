/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home inside, where the payload begins, and whether the caller's folder comes along: what is
 * chosen, and the mounts that follow from it (runtime.md 7).
 */
#include "run/plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --home SRC[:DST], or the one of the user's account; root's is /root inside. */
int run_choose_home(struct run_plan *plan, char **ret_source, struct error **err)
{
	const char *given = plan->wish->home;
	if (!given) {
		bool namespace_root = plan->inside_uid == 0 && plan->uid != 0;
		bool root = namespace_root ||
			    ((plan->fake_root || plan->wish->for_build) && plan->inside_uid == 0);
		*ret_source = text_dup(plan->passwd_home, err);
		plan->home = *ret_source ? text_dup(root ? "/root" : plan->passwd_home, err) : NULL;
		return plan->home ? 0 : -1;
	}
	if (!plan->config->user_bind_control)
		return error_set(
			err, ERROR_POLICY,
			"not mounting user requested home: user bind control is disallowed");
	/* An empty word is a variable that is not set: the working directory is not meant. */
	if (!*given)
		return error_set(err, ERROR_USAGE,
				 "container creation failed: the name of the home is empty");
	size_t colons = 0;
	for (const char *p = given; *p; p++)
		colons += *p == ':';
	if (colons > 1)
		return error_set(err, ERROR_USAGE,
				 "While setting home directory: home argument has "
				 "incorrect number of elements: %zu",
				 colons + 1);
	CLEANUP_TEXT char *copy = text_dup(given, err);
	if (!copy)
		return -1;
	char *target = strchr(copy, ':');
	if (target)
		*target++ = '\0';
	*ret_source = path_absolute(copy, err);
	if (!*ret_source)
		return -1;
	plan->home = path_absolute(target && *target ? target : *ret_source, err);
	return plan->home ? 0 : -1;
}

/* runtime.md 7.3: where the host's directory is never brought along. */
static bool cwd_excluded(const char *cwd)
{
	static const char *const exact[] = { "/",    "/etc", "/bin",  "/mnt", "/usr",
					     "/var", "/opt", "/sbin", "/lib", "/lib64" };
	static const char *const prefixes[] = { "/sys", "/proc", "/dev" };
	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++) {
		if (!strcmp(cwd, exact[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (!strncmp(cwd, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

/* Where the caller stands, and where the payload begins: runtime.md 7.2. */
int run_choose_directory(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	char *cwd = getcwd(NULL, 0);
	if (cwd && *cwd == '/')
		plan->cwd = cwd;
	else
		free(cwd);
	if (!plan->cwd)
		log_warning("can't determine current working directory");
	plan->start_asked = wish->cwd && *wish->cwd;
	const char *start = plan->start_asked ? wish->cwd
			    : plan->contain   ? plan->home
			    : plan->cwd	      ? plan->cwd
					      : plan->home;
	plan->start = text_dup(start, err);
	return plan->start ? 0 : -1;
}

/*
 * Without a layer nothing can be made in the image: the top directory of the home is covered by
 * one of the session's that holds the home alone (runtime.md 7.1).
 */
static int cover_home_top(struct run_plan *plan, struct error **err)
{
	const char *slash = strchr(plan->home + 1, '/');
	if (!plan->writable || !slash || run_home_in_tmp(plan))
		return 0;
	CLEANUP_TEXT char *top = text_dup_len(plan->home, (size_t)(slash - plan->home), err);
	if (!top || run_add_session(plan, "home-top", top, 0755, "home", err) < 0)
		return -1;
	plan->mounts[plan->mount_count - 1].quiet = true;
	return 0;
}

bool run_home_in_tmp(const struct run_plan *plan)
{
	static const char *const places[] = { "/tmp", "/var/tmp" };
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t len = strlen(places[i]);
		if (!strncmp(plan->home, places[i], len) &&
		    (!plan->home[len] || plan->home[len] == '/'))
			return true;
	}
	return false;
}

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The home as it is, or an empty one; see the reasons below. */
int run_add_home(struct run_plan *plan, const char *source, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	if (wish->for_build || wish->no_home || run_no_mount(plan, "home") ||
	    (!plan->config->mount_home && !wish->home))
		return 0;
	if (!strcmp(plan->home, "/")) {
		log_warning("Skipping impossible home directory mount to '/'");
		return 0;
	}
	if (cover_home_top(plan, err) < 0)
		return -1;
	/* Root's own home is not for what must not be root; one that was asked for is bound, and
	 * shows what its modes show to others. */
	bool foreign = plan->map == USERNS_SHIFTED && plan->user_namespace && !wish->home;
	if (foreign && !plan->contain)
		log_info("The home of root is left out: %s is an empty one", plan->home);
	if (wish->home && run_path_exists(source) && !is_directory(source)) {
		error_set(err, ERROR_USAGE,
			  "container creation failed: while mounting %s: could not mount %s: not a "
			  "directory",
			  source, source);
		return error_hint(err, "give --home a folder");
	}
	bool empty = (plan->contain && !wish->home) || foreign || !is_directory(source);
	bool work = empty && plan->contain && !foreign && plan->work;
	int r = work	? run_add_work(plan, "home", plan->home, 0700, "home", err)
		: empty ? run_add_session(plan, "home", plan->home, 0755, "home", err)
			: run_add_bind(plan, source, plan->home, "home", err);
	if (r == 0) {
		plan->mounts[plan->mount_count - 1].needed = true;
		plan->mounts[plan->mount_count - 1].layered = true;
		plan->mounts[plan->mount_count - 1].asked = !empty || work;
	}
	return r;
}

/*
 * The current folder comes along unless something else is mounted there. It is last in the list, so
 * that it can be left out where it is to be seen already; run/root/mounts.c finds that out.
 */
int run_add_cwd(struct run_plan *plan, struct error **err)
{
	if (!plan->cwd || plan->contain || plan->wish->for_build || run_no_mount(plan, "cwd") ||
	    cwd_excluded(plan->cwd))
		return 0;
	if (!plan->config->user_bind_control) {
		log_warning("Not mounting current directory: user bind control is disabled by "
			    "system administrator");
		return 0;
	}
	for (size_t i = 0; i < plan->mount_count; i++) {
		if (!strcmp(plan->mounts[i].target, plan->cwd))
			return 0;
	}
	if (run_add_bind(plan, plan->cwd, plan->cwd, "cwd", err) < 0)
		return -1;
	plan->mounts[plan->mount_count - 1].kind = RUN_MOUNT_CWD;
	plan->mounts[plan->mount_count - 1].quiet = true;
	return 0;
}
