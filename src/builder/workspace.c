/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tree/tree.h"

/* ------------------------------------------------------------------ namespaces */

void namespaces_free(struct namespaces *n)
{
	fd_close(&n->user);
	fd_close(&n->mount);
}

int namespaces_open(pid_t pid, bool user, struct namespaces *ret, struct error **err)
{
	CLEANUP_NAMESPACES struct namespaces n = { .user = -1, .mount = -1 };
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	n.mount = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (user)
		n.user = open(path, O_RDONLY | O_CLOEXEC);
	if (n.mount < 0 || (user && n.user < 0))
		return error_errno(err, errno, "open the namespaces of the builder");
	*ret = n;
	n.user = n.mount = -1;
	return 0;
}

int namespaces_enter(const struct namespaces *n, struct error **err)
{
	pid_t parent = getppid();
	library_load_no_more();
	if ((n->user >= 0 && setns(n->user, CLONE_NEWUSER) < 0) || setns(n->mount, CLONE_NEWNS) < 0)
		return error_errno(err, errno, "enter the namespaces of the builder");
	/* The new credentials have taken back the wish to die with the parent. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return error_set(err, ERROR_SYSTEM, "the command is gone");
	int r = secret_harden_process();
	return r < 0 ? error_errno(err, -r, "protect this process") : 0;
}

/* ------------------------------------------------------------------ memory */

/* Bytes that a tree may take. */
static uint64_t tree_memory(void)
{
	uint64_t available = memory_available("/");
	/* The programs that fill the tree, and the packer, need some too. */
	available -= available / 8;
	return available < (64 << 20) ? 64 << 20 : available;
}

/* Whether memory may be written to a disk. */
static bool swap_is_on(void)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, "/proc/swaps", 65536, &text, &err) < 0 || !text.len)
		return false;
	const char *second = strchr(text.data, '\n');
	return second && second[1];
}

/* A file system in memory for the tree, detached; more: one flag of it, or NULL. Or -errno. */
static int new_tmpfs(const struct build *b, const char *more)
{
	/* A file costs about a KiB of the kernel's memory, which size= does not count. */
	const unsigned long long memory = tree_memory();
	char size[24], files[24];
	const char *const options[] = { "mode", "0700", "nr_inodes", files, "size",
					size,	more,	NULL,	     NULL };
	struct mnt_filesystem fs = { .type = "tmpfs",
				     .source = "coffer",
				     .options = options,
				     .attributes = MOUNT_ATTR_NODEV };
	struct mnt_refusal refusal;
	snprintf(size, sizeof(size), "%llu", memory);
	snprintf(files, sizeof(files), "%llu", memory / 1024);
	/* Devices are of use to debootstrap by root alone. */
	for (size_t i = 0; i < b->last->stages; i++)
		if (!strcmp(definition_header(definition_stage(b->last, i), "bootstrap"),
			    "debootstrap"))
			fs.attributes = 0;
	return mnt_new(&fs, &refusal);
}

static int mount_tmpfs(const struct build *b, const char *where, struct error **err)
{
	/* noswap is for root and Linux 6.4. */
	CLEANUP_FD int unswapped = b->real_root ? new_tmpfs(b, "noswap") : -1;
	CLEANUP_FD int swapped = unswapped < 0 ? new_tmpfs(b, NULL) : -1;
	int tree = unswapped < 0 ? swapped : unswapped;
	int r = tree < 0 ? tree : mnt_place(tree, AT_FDCWD, where);
	if (r < 0)
		return error_errno(err, -r, "mount a file system in memory");
	if (unswapped < 0 && b->wish->encrypt && swap_is_on())
		log_warning("Swap is on: parts of the container may be written to it in the clear "
			    "while it is built.");
	return 0;
}

/* ------------------------------------------------------------------ a root of its own */

/*
 * The tree needs a path that section scripts can use, and any folder it were mounted on would be
 * hidden from them. So the builder gets a new root folder: a small tmpfs that has everything of
 * the old one mounted in, and one folder more.
 */
#define WORKSPACE "/.coffer-build"

struct root_entry {
	char *name;
	char *target; /* of a link */
	int tree;     /* of anything else: a detached copy of the mounts below */
	bool folder;
};

static int open_entry(struct root_entry *e, struct error **err)
{
	struct stat st;
	char target[4096];
	CLEANUP_TEXT char *path = text_printf(err, "/%s", e->name);
	if (!path)
		return -1;
	if (lstat(path, &st) < 0)
		return error_errno(err, errno, "look at %s", path);
	e->folder = S_ISDIR(st.st_mode);
	if (S_ISLNK(st.st_mode)) {
		ssize_t len = readlink(path, target, sizeof(target));
		if (len < 0)
			return error_errno(err, errno, "read the link %s", path);
		e->target = text_dup_len(target, (size_t)len, err);
		return e->target ? 0 : -1;
	}
	e->tree = mnt_clone(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
	/* What cannot be looked into is left out; who needs it is told that it is not there. */
	if (e->tree < 0 && e->tree != -EACCES && e->tree != -EPERM && e->tree != -EINVAL)
		return error_errno(err, -e->tree, "copy the mount of %s", path);
	return 0;
}

static int place_entry(const struct root_entry *e, int root, struct error **err)
{
	if (e->target)
		return symlinkat(e->target, root, e->name) < 0
			       ? error_errno(err, errno, "link /%s", e->name)
			       : 0;
	if (e->tree < 0)
		return 0;
	int made = e->folder ? mkdirat(root, e->name, 0755)
			     : mknodat(root, e->name, S_IFREG | 0600, 0);
	int r = made < 0 ? -errno : mnt_place(e->tree, root, e->name);
	return r < 0 ? error_errno(err, -r, "mount /%s", e->name) : 0;
}

static int list_root(struct root_entry *entries, size_t cap, size_t *ret_count, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	int r = directory_names(AT_FDCWD, "/", &names);
	if (r < 0)
		return error_errno(err, -r, "read /");
	for (size_t i = 0; i < names.len; i++) {
		if (!strcmp(names.items[i], WORKSPACE + 1))
			continue;
		if (*ret_count >= cap)
			return error_set(err, ERROR_LIMIT, "more than %zu entries in /", cap);
		struct root_entry *e = &entries[(*ret_count)++];
		*e = (struct root_entry){ .tree = -1 };
		e->name = take_pointer(&names.items[i]);
		if (open_entry(e, err) < 0)
			return -1;
	}
	return 0;
}

static int move_to_root(int root, const char *directory, struct error **err)
{
	/* The root of a mount namespace can be covered and then entered: no pivot_root, which an
	 * initramfs does not allow. */
	int r = mnt_place(root, AT_FDCWD, "/");
	if (r == 0 && (fchdir(root) < 0 || chroot(".") < 0))
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "change the root folder");
	r = mnt_set(root, MOUNT_ATTR_RDONLY, 0);
	if (r < 0)
		return error_errno(err, -r, "protect the root folder");
	if (chdir(directory) < 0)
		return error_errno(err, errno, "go to %s", directory);
	return 0;
}

/* A small file system in memory. "/proc" is there on each Linux; what it showed is at hand already.
 */
static int new_root(int *ret, struct error **err)
{
	static const char *const options[] = { "mode", "0755", "size", "1m", NULL };
	static const struct mnt_filesystem fs = { .type = "tmpfs",
						  .source = "coffer",
						  .options = options,
						  .attributes =
							  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	struct mnt_refusal refusal;
	CLEANUP_FD int root = mnt_new(&fs, &refusal);
	int r = root < 0 ? root : mnt_place(root, AT_FDCWD, "/proc");
	if (r == 0 && mkdirat(root, WORKSPACE + 1, 0700) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "make a root folder in memory");
	*ret = fd_steal(&root);
	return 0;
}

#define ROOT_ENTRIES_MAX 512

static int make_root(struct error **err)
{
	CLEANUP_TEXT char *directory = getcwd(NULL, 0);
	if (!directory)
		return error_errno(err, errno, "determine the current directory");
	struct root_entry *entries = calloc(ROOT_ENTRIES_MAX, sizeof(*entries));
	size_t count = 0;
	CLEANUP_FD int root = -1;
	int result =
		entries ? list_root(entries, ROOT_ENTRIES_MAX, &count, err) : error_no_memory(err);
	if (result == 0)
		result = new_root(&root, err);
	for (size_t i = 0; result == 0 && i < count; i++)
		result = place_entry(&entries[i], root, err);
	if (result == 0)
		result = move_to_root(root, directory, err);
	for (size_t i = 0; i < count; i++) {
		free(entries[i].name);
		free(entries[i].target);
		fd_close(&entries[i].tree);
	}
	free(entries);
	return result;
}

/* ------------------------------------------------------------------ the workspace */

static const char *base_path(const struct builder *b)
{
	return b->build->disk ? b->build->disk : WORKSPACE;
}

int workspace_open_tree(struct builder *b, bool again, struct error **err)
{
	const struct build *build = b->build;
	const char *more = again ? "-again" : "";
	fd_close(&b->root);
	text_free(&b->root_path);
	/* The last one's name is also that of what becomes a sandbox. */
	b->root_path = build->definition == build->last
			       ? text_printf(err, "%s/rootfs%s", base_path(b), more)
			       : text_printf(err, "%s/stage-%zu%s", base_path(b),
					     build->definition->stages, more);
	if (!b->root_path)
		return -1;
	if (mkdir(b->root_path, 0755) < 0 || chmod(b->root_path, 0755) < 0)
		return error_errno(err, errno, "make a folder in %s", base_path(b));
	b->root = open(b->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->root < 0 ? error_errno(err, errno, "open %s", b->root_path) : 0;
}

void workspace_drop_tree(struct builder *b, struct stage_tree *tree)
{
	CLEANUP_ERROR struct error *err = NULL;
	bool kept = tree->grafted || (b->build->disk && b->build->wish->no_cleanup);
	if (tree->root < 0)
		return;
	fd_close(&tree->root);
	/* It goes with the others in the end; to have the memory now is no more than good. */
	if (!kept && copy_remove(AT_FDCWD, tree->path, &err) < 0)
		log_verbose("The tree of a stage stays: %s", error_message(err));
	text_free(&tree->path);
}

int workspace_make_on_disk(struct build *b, struct error **err)
{
	const struct build_wish *wish = b->wish;
	CLEANUP_TEXT char *target = path_absolute(wish->target, err);
	if (!target)
		return -1;
	CLEANUP_TEXT char *parent =
		wish->sandbox ? text_dup_len(target, (size_t)(path_base_name(target) - target), err)
			      : path_absolute(wish->tmpdir, err);
	CLEANUP_TEXT char *folder = parent ? path_join(parent, "build-temp-XXXXXX", err) : NULL;
	if (!folder)
		return -1;
	if (!mkdtemp(folder))
		return error_errno(err, errno, "failed to create build parent dir: %s", parent);
	b->disk = take_pointer(&folder);
	if (wish->encrypt)
		log_warning("The container lies in the clear in %s while it is built (--tmpdir).",
			    b->disk);
	return 0;
}

int workspace_make(struct builder *b, struct error **err)
{
	const char *base = base_path(b);
	/* Mounts made here stay here; those of the host go on arriving. */
	int r = mnt_propagate(MS_SLAVE);
	if (r < 0)
		return error_errno(err, -r, "make mounts private");
	if (!b->build->disk && (make_root(err) < 0 || mount_tmpfs(b->build, WORKSPACE, err) < 0))
		return -1;
	b->scripts_path = path_join(base, "scripts", err);
	if (!b->scripts_path)
		return -1;
	if (mkdir(b->scripts_path, 0700) < 0)
		return error_errno(err, errno, "make a folder in %s", base);
	b->done = calloc(b->build->last->stages, sizeof(*b->done));
	return b->done ? workspace_open_tree(b, false, err) : error_no_memory(err);
}

void workspace_explain(const struct build *build, int root, struct error **err)
{
	struct statvfs st;
	if (root < 0 || fstatvfs(root, &st) < 0)
		return;
	/* Of some file systems the number of files has no limit: both are 0. */
	bool files = !st.f_files || st.f_ffree;
	if (files && (uint64_t)st.f_bavail * st.f_frsize > 1 << 20)
		return;
	if (build->wish->sandbox)
		error_hint(err,
			   "the file system of %s is full: make room there, or build it "
			   "elsewhere",
			   build->wish->target);
	else if (build->disk)
		error_hint(err, "the file system of the build folder is full: choose another with "
				"--tmpdir DIR");
	else
		error_hint(err, "the container does not fit into memory: let it lie on disk while "
				"it is built with --tmpdir DIR");
}

void workspace_explain_kill(const struct build *build, struct error **err)
{
	if (!build->disk)
		error_hint(err, "if memory ran out, let the tree lie on disk: --tmpdir DIR");
}
