/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the user wishes to what will be done: a struct run_plan, before anything is done.
 *
 * This runs in the command, with the host's view: names of users and groups (NSS), the current
 * folder, the environment, and whether the sources of binds exist are looked up now, because in the
 * container's process there is another root, other ids, and soon another's code. Nothing is
 * mounted, forked or opened for writing here, so whatever is refused is refused before anything has
 * happened.
 *
 * The order in run_plan_prepare is that of what people should hear first: whether this image may be
 * run at all (architecture, the site's rules), who the payload will be, which namespaces that
 * takes, and last what is mounted where. Each step may use what those before it have decided: binds
 * depend on whether /dev is the small one, that on --contain, the mounts of /proc and /sys on the
 * namespaces.
 *
 * A mount is a row of a list and not a call: the container's process works it off in this order
 * (run/root/mounts.c), and all that it needs to know about a row is in it: whether its absence is
 * an error, whether its place may be made, whether the source must still be the object that was
 * looked at here. The order is Apptainer's (runtime.md 6.1), since a later mount covers an earlier
 * one. Binds are sorted by their targets, so that a folder comes before what is bound inside it.
 */
#include "run/plan/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void run_plan_free(struct run_plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		free(plan->mounts[i].source);
		free(plan->mounts[i].target);
	}
	free(plan->mounts);
	run_binds_free(&plan->binds);
	for (size_t i = 0; i < plan->overlay_count; i++)
		free(plan->overlays[i].path);
	run_extras_free(plan);
	run_env_free(&plan->env);
	strings_free(&plan->groups);
	text_free(&plan->user);
	text_free(&plan->gecos);
	text_free(&plan->passwd_home);
	text_free(&plan->shell);
	text_free(&plan->work);
	text_free(&plan->home);
	text_free(&plan->cwd);
	text_free(&plan->start);
	buffer_free(&plan->profile);
	*plan = (struct run_plan){ 0 };
}

/* What can be said of the image alone, before anything is asked of the machine. */
static int check_image(const struct run_plan *plan, struct error **err)
{
	struct stat root, image;
	if (image_is_folder(plan->image)) {
		if (stat("/", &root) < 0 || fstat(plan->image->directory, &image) < 0)
			return error_errno(err, errno, "look at %s", plan->image->path);
		if (root.st_dev == image.st_dev && root.st_ino == image.st_ino)
			return error_set(err, ERROR_USAGE, "/ as sandbox is not authorized");
	}
	/* The tree of a build is no user's sandbox. */
	if (!plan->wish->for_build && (run_policy_image(plan->config, plan->image, err) < 0 ||
				       run_policy_encrypted(plan->config, plan->image, err) < 0))
		return -1;
	if (plan->writable && plan->wish->overlay.len) {
		error_set(err, ERROR_USAGE, "cannot use --overlay in conjunction with --writable");
		return error_hint(err, "leave one of them out");
	}
	if (plan->writable && !image_is_folder(plan->image)) {
		error_set(err, ERROR_UNSUPPORTED, "no SIF writable overlay partition found in %s",
			  plan->image->path);
		return error_hint(err,
				  "use --writable-tmpfs, whose changes end with the container, "
				  "or a sandbox: coffer build --sandbox FOLDER IMAGE");
	}
	return 0;
}

int run_plan_prepare(struct image *image, const struct run_wish *wish, struct run_plan *plan,
		     struct error **err)
{
	*plan = (struct run_plan){ .wish = wish, .config = wish->config, .image = image };
	CLEANUP_TEXT char *home = NULL;
	plan->contain = wish->contain || wish->containall;
	plan->minimal_dev = plan->contain || plan->config->mount_dev == CONFIG_DEV_MINIMAL;
	plan->writable = wish->writable;
	plan->writable_tmpfs = wish->writable_tmpfs && !wish->writable;
	if (wish->writable_tmpfs && wish->writable)
		log_warning("Disabling --writable-tmpfs flag, mutually exclusive with --writable");
	run_terminal_choose(plan);
	if (image_check_architecture(image, err) < 0 || check_image(plan, err) < 0 ||
	    run_choose_users(plan, err) < 0 || run_capabilities_choose(plan, err) < 0 ||
	    run_filter_choose(plan, err) < 0 || run_choose_kernel_mount(plan, err) < 0 ||
	    run_choose_namespaces(plan, err) < 0 || run_descriptors_choose(plan, err) < 0 ||
	    run_look_up_user(plan, err) < 0 || run_choose_home(plan, &home, err) < 0 ||
	    run_choose_directory(plan, err) < 0 || run_choose_work(plan, err) < 0 ||
	    run_choose_overlays(plan, err) < 0 || run_choose_binds(plan, err) < 0 ||
	    run_list_mounts(plan, home, err) < 0)
		return -1;
	struct run_env_source source = {
		.host = (const char *const *)environ,
		.wish = wish,
		.image = image->path,
		.home = plan->home,
		.instance = wish->stay ? wish->stay->name : NULL,
		.binds = &plan->binds,
	};
	return run_env_prepare(&source, &plan->env, err);
}
