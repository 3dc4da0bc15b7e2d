/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user binds: the lists of --bind and --mount become a list of sources and targets, from
 * which the rules of the site and the minimal /dev take some away, and then rows of the list of
 * mounts. bind.c has the grammar.
 */
#include "run/plan/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_binds(const void *a, const void *b)
{
	const struct run_bind *x = a, *y = b;
	return strcmp(x->target, y->target);
}

static bool bound_before(const struct run_binds *binds, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(binds->items[k].target, binds->items[i].target))
			return true;
	}
	return false;
}

static void drop_bind(struct run_binds *binds, size_t i)
{
	free(binds->items[i].source);
	free(binds->items[i].target);
	free(binds->items[i].image_src);
	memmove(&binds->items[i], &binds->items[i + 1],
		(binds->len - i - 1) * sizeof(*binds->items));
	binds->len--;
}

static bool below_dev(const char *path)
{
	return !strncmp(path, "/dev/", 5);
}

/* Whether the i-th bind is not made, with the warning that says why. */
static bool leave_out(const struct run_plan *plan, size_t i)
{
	const struct run_bind *b = &plan->binds.items[i];
	if (bound_before(&plan->binds, i)) {
		log_warning("While bind mounting '%s:%s': destination is already in the mount "
			    "point list",
			    b->source, b->target);
		return true;
	}
	if (plan->minimal_dev && below_dev(b->source) && below_dev(b->target) &&
	    strcmp(b->source, b->target) != 0) {
		log_warning("Skipping %s bind mount: source and destination must be identical "
			    "when binding to /dev",
			    b->source);
		return true;
	}
	if (plan->minimal_dev && run_dev_has(b->target)) {
		log_warning("Skipping %s bind mount: %s is already mounted", b->source, b->target);
		return true;
	}
	if (!plan->config->user_bind_control) {
		log_warning("Ignoring %s bind mount: user bind control disabled by system "
			    "administrator",
			    b->source);
		return true;
	}
	return false;
}

/* deffile.md 7: a section finds the host's names, where the tree has a file for them. */
static int add_build_binds(struct run_plan *plan, struct error **err)
{
	static const char *const files[][2] = { { "/etc/resolv.conf", "Name" },
						{ "/etc/hosts", "Host" } };
	for (size_t i = 0; i < 2; i++) {
		const char *path = files[i][0];
		bool given = false;
		for (size_t k = 0; k < plan->binds.len; k++)
			given |= !strcmp(plan->binds.items[k].target, path);
		if (given)
			continue;
		CLEANUP_FD int inside = path_open_in_root(plan->image->directory, path, O_PATH, 0);
		if (inside < 0 || access(path, R_OK) < 0) {
			log_warning("%s resolution could fail: while accessing to %s: %s",
				    files[i][1], path, strerror(inside < 0 ? -inside : errno));
			continue;
		}
		if (run_bind_parse(path, &plan->binds, err) < 0)
			return -1;
		/* A section that adds a line to it means the image's. */
		plan->binds.items[plan->binds.len - 1].read_only = true;
	}
	return 0;
}

/*
 * The binds that are asked for, in their order, without those that the site or the minimal /dev
 * rules out. A source that is not there is an error now: later it might be somebody else's.
 */
int run_choose_binds(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	for (size_t i = 0; i < wish->bind.len; i++) {
		if (run_bind_parse(wish->bind.items[i], &plan->binds, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < wish->mount.len; i++) {
		if (run_mount_parse(wish->mount.items[i], &plan->binds, err) < 0)
			return -1;
	}
	if (wish->for_build && add_build_binds(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->binds.len;) {
		const struct run_bind *b = &plan->binds.items[i];
		if (leave_out(plan, i)) {
			drop_bind(&plan->binds, i);
			continue;
		}
		if (!strcmp(b->target, "/"))
			return error_set(err, ERROR_USAGE,
					 "unable to add %s to mount list: destination must not be "
					 "the container's root",
					 b->source);
		if (!b->image_src && !run_path_exists(b->source)) {
			error_set(err, ERROR_NOT_FOUND,
				  "container creation failed: mount hook function failure: mount "
				  "%s->%s error: while mounting %s: mount source %s doesn't exist",
				  b->source, b->target, b->source, b->source);
			return error_hint(err, "make %s, or leave it out of --bind", b->source);
		}
		i++;
	}
	return 0;
}

#define NOT_WRITABLE "Data image %s is not writable, proceeding with read-only"

/* A part of an image: a folder, or a file, which is found out when it is mounted. */
static int add_image_bind(struct run_plan *plan, const struct run_bind *b, struct error **err)
{
	struct run_mount m = {
		.kind = RUN_MOUNT_IMAGE,
		.source = b->image_src,
		.target = b->target,
		.phase = "userbinds",
		.directory = true,
		.read_only = true,
		.needed = true,
		.restricted = true,
		.layered = true,
	};
	/* Of a file that one may not write it is said before anything else. */
	bool closed = !b->read_only && access(b->source, R_OK) == 0 && access(b->source, W_OK) < 0;
	if (closed)
		log_warning(NOT_WRITABLE, b->source);
	if (run_extra_data(plan, b, &m.extra, err) < 0)
		return -1;
	const struct run_extra *e = &plan->extras[m.extra];
	m.read_only = !e->writable;
	if (!closed && !b->read_only && !e->writable && !e->image->sif)
		log_warning(NOT_WRITABLE, b->source);
	return run_add_mount(plan, &m, err);
}

/* What was asked for must be there: a target that is missing is made or is an error. */
static int add_user_bind(struct run_plan *plan, const struct run_bind *b, struct error **err)
{
	if (b->image_src)
		return add_image_bind(plan, b, err);
	if (run_add_bind(plan, b->source, b->target, "userbinds", err) < 0)
		return -1;
	struct run_mount *m = &plan->mounts[plan->mount_count - 1];
	m->needed = true;
	m->asked = true;
	m->read_only = b->read_only;
	/* A device that is added to the minimal /dev is there to be opened (runtime.md 6.3). */
	bool of_dev = !strcmp(b->target, "/dev") || below_dev(b->target);
	m->restricted = !(plan->minimal_dev && of_dev && !strcmp(b->source, b->target));
	return 0;
}

int run_add_binds(struct run_plan *plan, struct error **err)
{
	if (!plan->binds.len)
		return 0;
	/* APPTAINER_BIND keeps the order that was given: a copy is sorted. */
	size_t size = plan->binds.len * sizeof(*plan->binds.items);
	struct run_bind *sorted = malloc(size);
	if (!sorted)
		return error_errno(err, ENOMEM, "sort the binds");
	memcpy(sorted, plan->binds.items, size);
	qsort(sorted, plan->binds.len, sizeof(*sorted), compare_binds);
	int r = 0;
	for (size_t i = 0; !r && i < plan->binds.len; i++)
		r = add_user_bind(plan, &sorted[i], err);
	free(sorted);
	return r;
}
