/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --workdir and --scratch (runtime.md 10.3): folders that the container can write into, in the
 * session's memory, or below a folder that the caller names, where they stay. What is missing there
 * is made when it is mounted (run/root/work.c): nothing is made here.
 */
#include "run/plan/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* No link is followed that a caller did not name: the folder is looked at now, and witnessed. */
int run_choose_work(struct run_plan *plan, struct error **err)
{
	const char *given = plan->wish->workdir;
	struct stat st;
	if (!given || !*given)
		return 0;
	if (!plan->contain && !plan->wish->scratch.len) {
		log_verbose("--workdir is for --contain and --scratch: not used");
		return 0;
	}
	if (!plan->config->user_bind_control) {
		log_warning("Ignoring --workdir: user bind control disabled by system "
			    "administrator");
		return 0;
	}
	plan->work = path_absolute(given, err);
	if (!plan->work)
		return -1;
	int r = stat(plan->work, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (r) {
		error_errno(err, r,
			    "container creation failed: failed to use the folder %s of --workdir",
			    plan->work);
		return error_hint(err, "make it first: mkdir %s", plan->work);
	}
	run_witness_look(plan->work, &plan->work_witness);
	/*
	 * Root's own folders would be closed to who is not root outside, though root inside. And
	 * whose they are could not be asked for: seen from there all owners of this machine are the
	 * same nobody.
	 */
	if (run_plan_is_shifted(plan)) {
		log_warning("What is root in the container is not so outside: what --workdir keeps "
			    "is in memory, not in %s",
			    plan->work);
		free(plan->work);
		plan->work = NULL;
	}
	return 0;
}

int run_add_work(struct run_plan *plan, const char *name, const char *target, mode_t mode,
		 const char *phase, struct error **err)
{
	if (!plan->work)
		return run_add_session(plan, name, target, mode, phase, err);
	CLEANUP_TEXT char *source = path_join(plan->work, name, err);
	struct run_mount m = {
		.kind = RUN_MOUNT_WORK,
		.source = source,
		.target = (char *)target,
		.phase = phase,
		.directory = true,
		.restricted = true,
		.asked = true,
		.mode = mode,
		.within = strlen(plan->work),
		.witnessed = true,
		.witness = plan->work_witness,
	};
	return source ? run_add_mount(plan, &m, err) : -1;
}

static int add_one(struct run_plan *plan, const char *target, size_t number, struct error **err)
{
	bool memory = !plan->work;
	CLEANUP_TEXT char *name = memory ? text_printf(err, "scratch-%zu", number)
					 : text_printf(err, "scratch%s", target);
	if (!name || run_add_work(plan, name, target, memory ? 0755 : 0750, "scratch", err) < 0)
		return -1;
	struct run_mount *m = &plan->mounts[plan->mount_count - 1];
	m->needed = true;
	m->layered = true;
	return 0;
}

int run_add_scratch(struct run_plan *plan, struct error **err)
{
	const struct strings *list = &plan->wish->scratch;
	size_t first = plan->mount_count;
	if (!list->len)
		return 0;
	if (!plan->config->user_bind_control) {
		log_warning("Not mounting scratch: user bind control disabled by system "
			    "administrator");
		return 0;
	}
	for (size_t i = 0; i < list->len; i++) {
		const char *given = list->items[i];
		if (!*given)
			continue;
		if (*given != '/')
			return error_set(err, ERROR_USAGE,
					 "container creation failed: could not bind scratch "
					 "directory %s into container: destination must be an "
					 "absolute path",
					 given);
		CLEANUP_TEXT char *target = path_absolute(given, err);
		if (!target)
			return -1;
		if (!target[1])
			return error_set(err, ERROR_USAGE,
					 "container creation failed: could not bind scratch "
					 "directory %s into container: destination must not be "
					 "the container's root",
					 given);
		for (size_t k = first; k < plan->mount_count; k++)
			if (!strcmp(plan->mounts[k].target, target))
				return error_set(err, ERROR_USAGE,
						 "container creation failed: could not create "
						 "scratch working directory %s: it is named twice",
						 target);
		if (add_one(plan, target, i, err) < 0)
			return -1;
	}
	return 0;
}
