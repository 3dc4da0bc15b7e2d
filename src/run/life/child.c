/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's process, from its clone to the payload: the right column of container.c. It holds
 * no key, has a copy of nothing that the command opened for itself, and makes the container from
 * the plan in the order of set_up: each step closes a door behind it, so none can be moved to an
 * earlier place without a look at what it still needs.
 *
 * What fails here goes to the command as an error over the channel, with which this process ends.
 */
#include "run/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int enter_user_namespace(const struct run_plan *plan, int sock, struct error **err)
{
	/*
	 * The command is not dumpable, so this copy of it is not, and stays so: what it has of the
	 * caller's is for nobody to look at. But then /proc/PID/uid_map is root's, so a user's maps
	 * are written through another member, which has nothing. Root of the machine may write
	 * those of any process.
	 */
	CLEANUP_PROCESS struct process member = PROCESS_NONE;
	pid_t name;
	if (!run_plan_is_shifted(plan) && member_start(0, &member, &name, err) < 0)
		return -1;
	if (run_channel_say(sock, RUN_WORD_READY, member.pid_fd, err) < 0 ||
	    run_channel_expect(sock, RUN_WORD_MAPPED, NULL, err) < 0)
		return -1;
	/* The caller's other groups have no number in here. */
	if (!run_plan_is_shifted(plan) && plan->map == USERNS_ROOT_SUBIDS && setgroups(0, NULL) < 0)
		return error_errno(err, errno, "leave the host's groups");
	return 0;
}

/*
 * From here on programs of the image run: nothing of this process is theirs to see, neither its
 * memory with the host's variables nor the channel to the command. exec takes it back.
 */
static int become_opaque(int sock, struct error **err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "keep the container from looking into coffer");
	/* Credentials have changed, and that takes the wish to die with the command away. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_errno(err, errno, "ask for the end with the command");
	/* It may have died meanwhile; its end of the channel is gone then. */
	struct pollfd p = { .fd = sock };
	if (poll(&p, 1, 0) != 0)
		return error_set(err, ERROR_SYSTEM, "the command is gone");
	return 0;
}

/* rootfs is that of the session directory, which is the current one. */
static int attach_kernel_mount(int sock, struct error **err)
{
	CLEANUP_FD int mount_fd = -1;
	if (run_channel_say(sock, RUN_WORD_PLACE, -1, err) < 0 ||
	    run_channel_expect(sock, RUN_WORD_MOUNT, &mount_fd, err) < 0)
		return -1;
	return mount_kernel_attach(mount_fd, "rootfs", err);
}

/*
 * One listing of the image's root tells the kernel all its names; it would else ask for each that
 * the mounts need. As much as fits: a root may be made to have any number of them.
 */
static void look_round(int root)
{
	char entries[8192];
	CLEANUP_FD int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && getdents64(fd, entries, sizeof(entries)) < 0)
		log_debug("list the image's root: %s", strerror(errno));
}

static int attach_fuse(const struct run_plan *plan, struct run_session *session, int sock,
		       struct error **err)
{
	CLEANUP_FD int fuse = -1;
	if (mount_attach("rootfs", !plan->own_all, false, &fuse, err) < 0 ||
	    run_channel_say(sock, RUN_WORD_FUSE, fuse, err) < 0)
		return -1;
	/* Held here, it would keep the mount waiting for a server that has died. */
	fd_close(&fuse);
	/* The command unlocks the image meanwhile, which takes longer. */
	run_sources_open(plan, session);
	return run_channel_expect(sock, RUN_WORD_GO, NULL, err);
}

static int take_shifted_overlays(const struct run_plan *plan, struct run_session *session, int sock,
				 struct error **err)
{
	for (size_t i = 0; run_plan_is_shifted(plan) && i < plan->overlay_count; i++) {
		if (plan->overlays[i].image)
			continue;
		if (run_channel_say(sock, RUN_WORD_PLACE, -1, err) < 0 ||
		    run_channel_expect(sock, RUN_WORD_MOUNT, &session->overlays[i], err) < 0)
			return -1;
	}
	return 0;
}

static int sandbox_tree(const struct run_plan *plan, int sock, struct error **err)
{
	int tree = -1;
	if (!run_plan_is_shifted(plan))
		return run_tree_clone(AT_FDCWD, plan->image->path, err);
	return run_channel_say(sock, RUN_WORD_PLACE, -1, err) < 0 ||
			       run_channel_expect(sock, RUN_WORD_MOUNT, &tree, err) < 0
		       ? -1
		       : tree;
}

/* The one place where the image's tree gets its mount. */
static int attach_image(const struct run_plan *plan, struct run_session *session, int sock,
			struct error **err)
{
	if (image_is_folder(plan->image)) {
		struct stat a, b;
		CLEANUP_FD int tree = sandbox_tree(plan, sock, err);
		CLEANUP_FD int place = openat(session->dir, "rootfs", O_PATH | O_CLOEXEC);
		if (tree < 0)
			return -1;
		if (place < 0 || fstat(tree, &a) < 0 || fstat(plan->image->directory, &b) < 0)
			return error_errno(err, errno, "look at %s", plan->image->path);
		if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
			return error_set(err, ERROR_NOT_FOUND, "%s has changed", plan->image->path);
		bool others = !plan->user_namespace || plan->map == USERNS_ROOT_SUBIDS;
		if (plan->writable && others && !plan->wish->for_build && !(a.st_mode & S_IXOTH))
			log_info("Only its owner can enter %s, so users other than root cannot do "
				 "anything inside; chmod 755 it to change that",
				 plan->image->path);
		fd_close(&plan->image->directory);
		uint64_t set = MOUNT_ATTR_NODEV | run_plan_nosuid(plan) |
			       (plan->writable ? 0 : MOUNT_ATTR_RDONLY);
		if (run_tree_attributes(tree, set, err) < 0 || run_tree_place(tree, place, err) < 0)
			return -1;
	} else {
		if (fchdir(session->dir) < 0)
			return error_errno(err, errno, "enter the session directory");
		if ((plan->kernel_mount ? attach_kernel_mount(sock, err)
					: attach_fuse(plan, session, sock, err)) < 0)
			return -1;
	}
	session->root = openat(session->dir, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (session->root < 0)
		return error_errno(err, errno, "open the image's root");
	if (run_plan_is_served(plan))
		look_round(session->root);
	return 0;
}

/* With the minimal /dev, the caller's terminal is known inside as its console only. */
static void reopen_terminal(const struct run_plan *plan)
{
	if (!plan->minimal_dev || plan->own_session)
		return;
	CLEANUP_FD int console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct stat a, b;
	if (console < 0 || !isatty(console) || fstat(console, &a) < 0)
		return;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &b) == 0 && S_ISCHR(b.st_mode) && a.st_rdev == b.st_rdev)
			(void)dup2(console, fd);
	}
}

/* What helps where the folder that was asked for cannot be entered. */
static const char *entering(int errnum, const struct run_plan *plan)
{
	if (errnum != EACCES)
		return "check the name, which is one inside the container";
	return plan->map == USERNS_SHIFTED
		       ? "inside, root is nobody's that the host knows (--userns, --fakeroot): let "
			 "others into the folder, or run it as a normal user"
		       : "check the permissions of the folder and of those above it";
}

static int enter_directory(const struct run_plan *plan, struct error **err)
{
	if (chdir(plan->start) == 0)
		return 0;
	int errnum = errno;
	if (plan->start_asked) {
		CLEANUP_TEXT char *words = run_errno_words(errnum, err);
		if (!words)
			return -1;
		(void)error_set(err, ERROR_NOT_FOUND,
				"failed to set working directory: chdir %s: %s", plan->start,
				words);
		return error_hint(err, "%s", entering(errnum, plan));
	}
	/* Where the home fails, too, the words are of that one, as Apptainer's are. */
	const char *missed = plan->start, *instead = plan->home;
	if (chdir(plan->home) < 0) {
		errnum = errno;
		missed = plan->home;
		instead = "/";
	}
	CLEANUP_TEXT char *why = run_errno_words(errnum, err);
	if (!why)
		return -1;
	log_warning("Error changing the container working directory. Using '%s' instead: chdir %s: "
		    "%s",
		    instead, missed, why);
	return 0;
}

static int set_up(const struct run_plan *plan, int sock, struct error **err)
{
	struct run_session session;
	CLEANUP_FD int own = -1;
	if (plan->user_namespace && enter_user_namespace(plan, sock, err) < 0)
		return -1;
	const int keep[3] = { sock, plan->image->directory, -1 };
	if (run_descriptors_close(plan, keep, err) < 0)
		return -1;
	/* Before the filter that may refuse this call, and while it is still ours. */
	if (plan->contain && run_keyring_leave(err) < 0)
		return -1;
	run_init_find_words();
	/* Modes of what is made from here on are meant as they are written. */
	mode_t mask = umask(0);
	if (run_session_open(plan, &session, err) < 0 || run_network_start(plan, err) < 0 ||
	    take_shifted_overlays(plan, &session, sock, err) < 0 ||
	    attach_image(plan, &session, sock, err) < 0 ||
	    run_extras_attach(plan, &session, sock, err) < 0 ||
	    run_layer_make(plan, &session, err) < 0 || run_mounts_make(plan, &session, err) < 0)
		return -1;
	if (plan->wish->hostname && plan->clone_flags & CLONE_NEWUTS &&
	    sethostname(plan->wish->hostname, strlen(plan->wish->hostname)) < 0)
		return error_errno(err, errno, "set the host name");
	if (run_entrance_begin(plan, sock, &own, err) < 0 || run_root_change(&session, err) < 0 ||
	    (run_plan_is_served(plan) &&
	     run_channel_say(sock, RUN_WORD_ROOT, session.final, err) < 0))
		return -1;
	fd_close(&session.dir);
	fd_close(&session.root);
	fd_close(&session.final);
	if (run_lock_enter(plan, &session.member, err) < 0 ||
	    run_entrance_end(plan, sock, &own, err) < 0)
		return -1;
	return run_child_settle(plan, &session, mask, sock, err);
}

int run_child_settle(const struct run_plan *plan, struct run_session *session, mode_t mask,
		     int sock, struct error **err)
{
	if (run_terminal_replace(plan, session, sock, err) < 0)
		return -1;
	reopen_terminal(plan);
	(void)umask(plan->wish->no_umask ? 022 : mask);
	if (run_drop_privileges(plan, err) < 0 || become_opaque(sock, err) < 0)
		return -1;
	return enter_directory(plan, err);
}

_Noreturn void run_child_become(const struct run_plan *plan, int sock, struct error *error)
{
	if (!error && run_terminal_take(plan, &error) == 0)
		(void)run_payload(plan, &error);
	/* With the last breath: whether it arrives or not, this process ends. */
	(void)wire_send_error(sock, error);
	_exit(255);
}

_Noreturn void run_child(const struct run_plan *plan, int sock, const sigset_t *mask)
{
	struct error *error = NULL;
	if (set_up(plan, sock, &error) == 0 && plan->init)
		(void)run_init(plan, mask, &error);
	run_child_become(plan, sock, error);
}
