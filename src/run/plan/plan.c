/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the user wishes to what will be done: a struct run_job, before anything is done.
 *
 * This runs in the command, with the host's view: names of users and groups (NSS), the current
 * folder, the environment, and whether the sources of binds exist are looked up now, because in the
 * container's process there is another root, other ids, and soon another's code. Nothing is
 * mounted, forked or opened for writing here, so whatever is refused is refused before anything has
 * happened.
 *
 * The order in run_job_prepare is that of what people should hear first: whether this image may be
 * run at all (architecture, the site's rules), who the payload will be, which namespaces that
 * takes, and last what is mounted where. Each step may use what those before it have decided: binds
 * depend on whether /dev is the small one, that on --contain, the mounts of /proc and /sys on the
 * namespaces.
 *
 * A mount is a row of a list and not a call: the container's process works it off in this order
 * (mounts.c), and all that it needs to know about a row is in it: whether its absence is an error,
 * whether its place may be made, whether the source must still be the object that was looked at
 * here. The order is Apptainer's (runtime.md 6.1), since a later mount covers an earlier one. Binds
 * are sorted by their targets, so that a folder comes before what is bound inside it.
 */
#include "run/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void run_job_free(struct run_job *j)
{
	for (size_t i = 0; i < j->mount_count; i++) {
		free(j->mounts[i].source);
		free(j->mounts[i].target);
	}
	free(j->mounts);
	run_binds_free(&j->binds);
	run_env_free(&j->env);
	strings_free(&j->groups);
	text_free(&j->user);
	text_free(&j->gecos);
	text_free(&j->passwd_home);
	text_free(&j->shell);
	text_free(&j->home);
	text_free(&j->cwd);
	text_free(&j->start);
	*j = (struct run_job){ 0 };
}

/* What can be said of the image alone, before anything is asked of the machine. */
static int check_image(const struct run_job *job, struct error **err)
{
	struct stat root, image;
	if (job->image->kind == IMAGE_SANDBOX) {
		if (stat("/", &root) < 0 || fstat(job->image->directory, &image) < 0)
			return error_errno(err, errno, "look at %s", job->image->path);
		if (root.st_dev == image.st_dev && root.st_ino == image.st_ino)
			return error_set(err, ERROR_USAGE, "/ as sandbox is not authorized");
	}
	/* The tree of a build is no user's sandbox. */
	if (!job->plan->for_build && (run_policy_image(job->config, job->image, err) < 0 ||
				      run_policy_encrypted(job->config, job->image, err) < 0))
		return -1;
	if (job->writable && job->image->kind != IMAGE_SANDBOX) {
		error_set(err, ERROR_UNSUPPORTED, "no SIF writable overlay partition found in %s",
			  job->image->path);
		return error_hint(err,
				  "use --writable-tmpfs, whose changes end with the container, "
				  "or a sandbox: coffer build --sandbox FOLDER IMAGE");
	}
	return 0;
}

static bool has_sys_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	return syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_SYS_ADMIN;
}

bool run_single_id(void)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &text, &ignored) < 0 || !text.len)
		return false;
	/* user_namespaces(7): each line has the first id inside, the first outside, and how many.
	 */
	char *at = text.data;
	for (int field = 1; field < 3; field++)
		(void)strtoul(at, &at, 10);
	return strtoul(at, &at, 10) == 1 && strcmp(at, "\n") == 0;
}

/*
 * Who the payload is, inside and outside, and whether that takes a user namespace. A process that
 * is in one already (a section of a build) makes no second one. With one, the map follows from what
 * the caller may hand out (userns.c), and from that whose the image's files are shown to be: where
 * one id is mapped, all others would be nobody's, so they are shown as the user's.
 */
static int choose_users(struct run_job *job, struct error **err)
{
	const struct run_plan *plan = job->plan;
	job->uid = job->inside_uid = getuid();
	job->gid = job->inside_gid = getgid();
	/* All other owners would show as nobody. */
	job->own_all = run_single_id();
	job->fake_root = plan->fakeroot;
	if (plan->allow_setuid && job->uid != 0) {
		error_set(err, ERROR_POLICY,
			  "Could not configure --allow-setuid: --allow-setuid requires root "
			  "privileges");
		return error_hint(err, "leave --allow-setuid out: a user's set-user-ID files would "
				       "have no effect");
	}
	if (plan->inherit_namespaces)
		return 0;
	/* Real root needs no user namespace, and with one could not have the kernel's mounts. */
	if (job->uid == 0 && !plan->userns && !plan->fakeroot && has_sys_admin())
		return 0;
	if (run_policy_user_namespace(job->config, err) < 0)
		return -1;
	job->user_namespace = true;
	job->clone_flags |= CLONE_NEWUSER;
	job->map = RUN_MAP_SELF;
	if (run_can_shift())
		job->map = RUN_MAP_SHIFTED;
	else if (plan->fakeroot && run_best_root_map(plan->ignore_subuid, &job->map, err) < 0)
		return -1;
	job->own_all = job->map == RUN_MAP_SELF || job->map == RUN_MAP_ROOT_ALONE;
	if (job->map != RUN_MAP_SELF)
		job->inside_uid = job->inside_gid = 0;
	if (job->map == RUN_MAP_ROOT_ALONE) {
		log_info("Changes of owners and device files will be pretended only");
		job->pretend_owners = true;
	}
	return 0;
}

static int no_kernel_mount(enum error_kind kind, const char *why, struct error **err)
{
	error_set(err, kind, "--mount=kernel: %s", why);
	return error_hint(err, "leave --mount=kernel out: coffer then serves the image itself");
}

/*
 * A wish on the command line is done or refused; that of the configuration is for those who can
 * have it. File systems of block devices, and dm-crypt, are for the first user namespace alone.
 */
static int choose_mount(struct run_job *job, struct error **err)
{
	enum image_kind kind = job->image->kind;
	bool can = job->uid == 0 && !job->user_namespace && process_in_first_user_namespace();
	if (!job->plan->kernel_mount) {
		job->kernel_mount = job->config->mount_kernel && kind == IMAGE_LUKS2 && can;
		return 0;
	}
	if (kind == IMAGE_SANDBOX)
		return no_kernel_mount(ERROR_UNSUPPORTED, "a sandbox has nothing to mount", err);
	if (kind == IMAGE_GOCRYPTFS)
		return no_kernel_mount(ERROR_UNSUPPORTED,
				       "the kernel cannot mount a gocryptfs image", err);
	if (!can)
		return no_kernel_mount(ERROR_SYSTEM,
				       "it is for root alone, and outside of user namespaces "
				       "(--userns, --fakeroot)",
				       err);
	job->kernel_mount = true;
	return 0;
}

/* RFC 1123, as Apptainer takes it: labels of letters, digits and hyphens, 64 bytes in all. */
static bool hostname_ok(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > 64)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = !i || i + 1 == len || name[i - 1] == '.' || name[i + 1] == '.';
		if (!(isalnum((unsigned char)name[i]) ||
		      ((name[i] == '-' || name[i] == '.') && !edge)))
			return false;
	}
	return true;
}

/* A namespace that the site does not let users have is left out, and that is said. */
static bool namespace_allowed(bool wanted, bool allowed, const char *name)
{
	if (wanted && !allowed)
		log_warning("Not virtualizing %s namespace by configuration", name);
	return wanted && allowed;
}

/* Flags for the clone; the mount namespace is always among them. */
static int choose_namespaces(struct run_job *job, struct error **err)
{
	const struct run_plan *plan = job->plan;
	const struct config *c = job->config;
	if (plan->hostname && !hostname_ok(plan->hostname))
		return error_set(err, ERROR_USAGE, "%s is not a valid hostname", plan->hostname);
	job->clone_flags |= CLONE_NEWNS;
	/* What a section of a build leaves running ends with it. */
	job->pid_namespace = plan->for_build || namespace_allowed(plan->pid || plan->containall,
								  c->allow_pid_ns, "pid");
	if (job->pid_namespace)
		job->clone_flags |= CLONE_NEWPID;
	job->init = job->pid_namespace && !plan->no_init;
	if (namespace_allowed(plan->ipc || plan->containall, c->allow_ipc_ns, "ipc"))
		job->clone_flags |= CLONE_NEWIPC;
	if (namespace_allowed(plan->uts || plan->hostname, c->allow_uts_ns, "uts"))
		job->clone_flags |= CLONE_NEWUTS;
	return run_network_choose(job, err);
}

/* The line of a group that the caller is in; one without a name is left out, as it says nothing. */
static int add_group(struct run_job *job, gid_t gid, struct error **err)
{
	const struct group *g = getgrgid(gid);
	if (!g || !job->user)
		return 0;
	CLEANUP_TEXT char *line =
		text_printf(err, "%s:x:%u:%s", g->gr_name, (unsigned)gid, job->user);
	if (!line)
		return -1;
	for (size_t i = 0; i < job->groups.len; i++) {
		if (!strcmp(job->groups.items[i], line))
			return 0;
	}
	return strings_add(&job->groups, line, err);
}

/* Everything that NSS knows, before the root changes. */
static int look_up_user(struct run_job *job, struct error **err)
{
	const struct passwd *pw = getpwuid(job->uid);
	job->user = pw ? text_dup(pw->pw_name, err) : text_printf(err, "%u", (unsigned)job->uid);
	job->gecos = job->user ? text_dup(pw && pw->pw_gecos ? pw->pw_gecos : "", err) : NULL;
	job->passwd_home =
		job->gecos ? text_dup(pw && *pw->pw_dir == '/' ? pw->pw_dir : "/", err) : NULL;
	job->shell =
		job->passwd_home ? text_dup(pw && pw->pw_shell ? pw->pw_shell : "", err) : NULL;
	if (!job->shell)
		return -1;
	gid_t groups[1024];
	int count = getgroups(1024, groups);
	for (int i = 0; i < count; i++) {
		if (add_group(job, groups[i], err) < 0)
			return -1;
	}
	return add_group(job, job->gid, err);
}

/* ---------------------------------------------------------------- the list of mounts */

/* Takes copies of the texts. */
static int add_mount(struct run_job *job, const struct run_mount *m, struct error **err)
{
	struct run_mount *grown = array_grow(job->mounts, job->mount_count, &job->mount_cap,
					     sizeof(*job->mounts), err);
	if (!grown)
		return -1;
	job->mounts = grown;
	CLEANUP_TEXT char *source = text_dup(m->source ? m->source : "", err);
	CLEANUP_TEXT char *target = source ? path_absolute(m->target, err) : NULL;
	if (!target)
		return -1;
	struct run_mount *to = &job->mounts[job->mount_count++];
	*to = *m;
	to->source = source;
	to->target = target;
	source = target = NULL;
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

/*
 * A bind of something that somebody named. What is there now is remembered (witness.c): between
 * this look and the mount somebody else could put another object in its place.
 */
static int add_bind(struct run_job *job, const char *source, const char *target, const char *phase,
		    struct error **err)
{
	struct run_mount m = {
		.kind = RUN_MOUNT_BIND,
		.source = (char *)source,
		.target = (char *)target,
		.phase = phase,
		.restricted = true,
		.layered = true,
		.witnessed = true,
	};
	run_witness_look(source, &m.witness);
	m.directory = m.witness.directory;
	return add_mount(job, &m, err);
}

/* A file of the system that nobody asked for: to be read, whoever is root inside. */
static int add_system_file(struct run_job *job, const char *source, const char *target,
			   const char *phase, struct error **err)
{
	if (add_bind(job, source, target, phase, err) < 0)
		return -1;
	struct run_mount *m = &job->mounts[job->mount_count - 1];
	m->read_only = true;
	m->witnessed = false;
	return 0;
}

/* Whether --no-mount names it. */
static bool no_mount(const struct run_job *job, const char *word)
{
	const struct strings *list = &job->plan->no_mount;
	for (size_t i = 0; i < list->len; i++) {
		if (!strcmp(list->items[i], word))
			return true;
	}
	return false;
}

static void warn_no_mount(const struct run_job *job)
{
	static const char *const known[] = { "proc", "sys",    "dev", "devpts",	   "home",
					     "tmp",  "hostfs", "cwd", "bind-paths" };
	for (size_t i = 0; i < job->plan->no_mount.len; i++) {
		const char *word = job->plan->no_mount.items[i];
		bool found = *word == '/';
		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			found |= !strcmp(word, known[k]);
		if (!found)
			log_warning("Ignoring unknown mount type '%s'", word);
	}
}

/* The host's /dev, or the minimal one, which dev.c fills. */
static int add_dev(struct run_job *job, struct error **err)
{
	if (job->config->mount_dev == CONFIG_DEV_NO || no_mount(job, "dev"))
		return 0;
	struct run_mount m = {
		.kind = job->minimal_dev ? RUN_MOUNT_DEV : RUN_MOUNT_BIND,
		.source = (char *)"/dev",
		.target = (char *)"/dev",
		.phase = "dev",
		.directory = true,
		.needed = true,
		.layered = true,
	};
	return add_mount(job, &m, err);
}

/* What the host calls others is of no use to a network that is lo alone (runtime.md 6). */
static int add_hosts(struct run_job *job, struct error **err)
{
	static const char text[] = "127.0.0.1\tlocalhost\n"
				   "::1\tlocalhost ip6-localhost ip6-loopback\n"
				   "ff02::1\tip6-allnodes\n"
				   "ff02::2\tip6-allrouters\n";
	struct run_mount m = {
		.kind = RUN_MOUNT_TEXT,
		.source = (char *)text,
		.target = (char *)"/etc/hosts",
		.phase = "binds",
		.restricted = true,
		.layered = true,
		.over_link = true,
	};
	return add_mount(job, &m, err);
}

/*
 * `bind path` of the configuration. The usual ones, /etc/localtime and /etc/hosts, are there with
 * --contain too, read-only, and cover a link in the image instead of following it. What the site
 * has named besides is left out with --contain, and where its source is missing.
 */
static int add_bind_paths(struct run_job *job, struct error **err)
{
	const struct strings *list = &job->config->bind_paths;
	for (size_t i = 0; !job->plan->for_build && i < list->len; i++) {
		CLEANUP_TEXT char *source = text_dup(list->items[i], err);
		if (!source)
			return -1;
		char *target = strchr(source, ':');
		if (target)
			*target++ = '\0';
		else
			target = source;
		bool usual = !strcmp(target, "/etc/localtime") || !strcmp(target, "/etc/hosts");
		if (no_mount(job, "bind-paths") || no_mount(job, target) ||
		    (job->contain && !usual))
			continue;
		if (!strcmp(target, "/etc/hosts") && job->contain &&
		    job->clone_flags & CLONE_NEWNET) {
			if (add_hosts(job, err) < 0)
				return -1;
			continue;
		}
		if (!exists(source)) {
			if (!usual)
				log_warning("skipping mount of %s: it does not exist", source);
			continue;
		}
		if ((usual ? add_system_file : add_bind)(job, source, target, "binds", err) < 0)
			return -1;
		job->mounts[job->mount_count - 1].over_link = usual;
	}
	return 0;
}

static int add_kernel(struct run_job *job, struct error **err)
{
	struct run_mount proc = {
		.kind = job->pid_namespace ? RUN_MOUNT_PROC : RUN_MOUNT_BIND,
		.source = (char *)"/proc",
		.target = (char *)"/proc",
		.phase = "kernel",
		.directory = true,
		.restricted = true,
		.layered = true,
	};
	struct run_mount sys = proc;
	/* It shows the interfaces of the network that it was mounted in, and needs to own that. */
	bool own_net = job->clone_flags & CLONE_NEWNET;
	sys.kind = job->user_namespace && !own_net ? RUN_MOUNT_BIND : RUN_MOUNT_SYSFS;
	sys.source = sys.target = (char *)"/sys";
	if (job->config->mount_proc && !no_mount(job, "proc") && add_mount(job, &proc, err) < 0)
		return -1;
	if (job->config->mount_sys && !no_mount(job, "sys") && add_mount(job, &sys, err) < 0)
		return -1;
	return 0;
}

/* A folder in the session's memory: empty, and gone with the container. */
static int add_session(struct run_job *job, const char *name, const char *target, mode_t mode,
		       const char *phase, struct error **err)
{
	struct run_mount m = {
		.kind = RUN_MOUNT_SESSION,
		.source = (char *)name,
		.target = (char *)target,
		.phase = phase,
		.directory = true,
		.restricted = true,
		.mode = mode,
	};
	return add_mount(job, &m, err);
}

/*
 * Without a layer nothing can be made in the image: the top directory of the home is covered by
 * one of the session's that holds the home alone (runtime.md 7.1).
 */
static int cover_home_top(struct run_job *job, struct error **err)
{
	const char *slash = strchr(job->home + 1, '/');
	if (!job->writable || !slash)
		return 0;
	CLEANUP_TEXT char *top = text_dup_len(job->home, (size_t)(slash - job->home), err);
	if (!top || add_session(job, "home-top", top, 0755, "home", err) < 0)
		return -1;
	job->mounts[job->mount_count - 1].quiet = true;
	return 0;
}

/* The home as it is, or an empty one; see the reasons below. */
static int add_home(struct run_job *job, const char *source, struct error **err)
{
	const struct run_plan *plan = job->plan;
	if (plan->for_build || plan->no_home || no_mount(job, "home") ||
	    (!job->config->mount_home && !plan->home))
		return 0;
	if (!strcmp(job->home, "/")) {
		log_warning("Skipping impossible home directory mount to '/'");
		return 0;
	}
	if (cover_home_top(job, err) < 0)
		return -1;
	/* Root's own home is not for what must not be root; one that was asked for is bound, and
	 * shows what its modes show to others. */
	bool foreign = job->map == RUN_MAP_SHIFTED && job->user_namespace && !plan->home;
	if (foreign && !job->contain)
		log_info("The home of root is left out: %s is an empty one", job->home);
	bool empty = (job->contain && !plan->home) || foreign || !is_directory(source);
	int r = empty ? add_session(job, "home", job->home, 0755, "home", err)
		      : add_bind(job, source, job->home, "home", err);
	if (r == 0) {
		job->mounts[job->mount_count - 1].needed = true;
		job->mounts[job->mount_count - 1].layered = true;
		job->mounts[job->mount_count - 1].asked = !empty;
	}
	return r;
}

/* /tmp and /var/tmp: the host's, or with --contain empty ones. */
static int add_tmp(struct run_job *job, struct error **err)
{
	if (!job->config->mount_tmp || no_mount(job, "tmp"))
		return 0;
	static const struct {
		const char *path, *name;
	} places[] = { { "/tmp", "tmp" }, { "/var/tmp", "var_tmp" } };
	for (size_t i = 0; i < 2; i++) {
		int r = job->contain ? add_session(job, places[i].name, places[i].path, 01777,
						   "tmp", err)
				     : add_bind(job, places[i].path, places[i].path, "tmp", err);
		if (r < 0)
			return -1;
		job->mounts[job->mount_count - 1].layered = false;
		/* Some images have one as a link to the other. */
		job->mounts[job->mount_count - 1].twin = i ? places[0].path : NULL;
	}
	return 0;
}

/* Single files below /etc that are made or bound for the container. */
static int add_files(struct run_job *job, struct error **err)
{
	const struct config *c = job->config;
	if (c->config_resolv_conf && !job->plan->for_build && !no_mount(job, "/etc/resolv.conf") &&
	    !no_mount(job, "bind-paths") && exists("/etc/resolv.conf") &&
	    add_system_file(job, "/etc/resolv.conf", "/etc/resolv.conf", "files", err) < 0)
		return -1;
	struct run_mount text = { .phase = "files", .restricted = true, .layered = true };
	if (job->plan->hostname && job->clone_flags & CLONE_NEWUTS) {
		CLEANUP_TEXT char *line = text_printf(err, "%s\n", job->plan->hostname);
		text.kind = RUN_MOUNT_TEXT;
		text.source = line;
		text.target = (char *)"/etc/hostname";
		if (!line || add_mount(job, &text, err) < 0)
			return -1;
	}
	if (job->inside_uid == 0 && (job->writable || job->writable_tmpfs))
		return 0;
	text.layered = false;
	text.source = NULL;
	text.kind = RUN_MOUNT_PASSWD;
	text.target = (char *)"/etc/passwd";
	if (c->config_passwd && add_mount(job, &text, err) < 0)
		return -1;
	text.kind = RUN_MOUNT_GROUP;
	text.target = (char *)"/etc/group";
	return c->config_group ? add_mount(job, &text, err) : 0;
}

/* ---------------------------------------------------------------- what the user binds */

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
	memmove(&binds->items[i], &binds->items[i + 1],
		(binds->len - i - 1) * sizeof(*binds->items));
	binds->len--;
}

static bool below_dev(const char *path)
{
	return !strncmp(path, "/dev/", 5);
}

/* Whether the i-th bind is not made, with the warning that says why. */
static bool leave_out(const struct run_job *job, size_t i)
{
	const struct run_bind *b = &job->binds.items[i];
	if (bound_before(&job->binds, i)) {
		log_warning("While bind mounting '%s:%s': destination is already in the mount "
			    "point list",
			    b->source, b->target);
		return true;
	}
	if (job->minimal_dev && below_dev(b->source) && below_dev(b->target) &&
	    strcmp(b->source, b->target) != 0) {
		log_warning("Skipping %s bind mount: source and destination must be identical "
			    "when binding to /dev",
			    b->source);
		return true;
	}
	if (job->minimal_dev && run_dev_has(b->target)) {
		log_warning("Skipping %s bind mount: %s is already mounted", b->source, b->target);
		return true;
	}
	if (!job->config->user_bind_control) {
		log_warning("Ignoring %s bind mount: user bind control disabled by system "
			    "administrator",
			    b->source);
		return true;
	}
	return false;
}

/* deffile.md 7: a section finds the host's names, where the tree has a file for them. */
static int add_build_binds(struct run_job *job, struct error **err)
{
	static const char *const files[][2] = { { "/etc/resolv.conf", "Name" },
						{ "/etc/hosts", "Host" } };
	for (size_t i = 0; i < 2; i++) {
		const char *path = files[i][0];
		bool given = false;
		for (size_t k = 0; k < job->binds.len; k++)
			given |= !strcmp(job->binds.items[k].target, path);
		if (given)
			continue;
		CLEANUP_FD int inside = path_open_in_root(job->image->directory, path, O_PATH, 0);
		if (inside < 0 || access(path, R_OK) < 0) {
			log_warning("%s resolution could fail: while accessing to %s: %s",
				    files[i][1], path, strerror(inside < 0 ? -inside : errno));
			continue;
		}
		if (run_bind_parse(path, &job->binds, err) < 0)
			return -1;
		/* A section that adds a line to it means the image's. */
		job->binds.items[job->binds.len - 1].read_only = true;
	}
	return 0;
}

/*
 * The binds that are asked for, in their order, without those that the site or the minimal /dev
 * rules out. A source that is not there is an error now: later it might be somebody else's.
 */
static int parse_binds(struct run_job *job, struct error **err)
{
	const struct run_plan *plan = job->plan;
	for (size_t i = 0; i < plan->bind.len; i++) {
		if (run_bind_parse(plan->bind.items[i], &job->binds, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->mount.len; i++) {
		if (run_mount_parse(plan->mount.items[i], &job->binds, err) < 0)
			return -1;
	}
	if (plan->for_build && add_build_binds(job, err) < 0)
		return -1;
	for (size_t i = 0; i < job->binds.len;) {
		const struct run_bind *b = &job->binds.items[i];
		if (leave_out(job, i)) {
			drop_bind(&job->binds, i);
			continue;
		}
		if (!strcmp(b->target, "/"))
			return error_set(err, ERROR_USAGE,
					 "unable to add %s to mount list: destination must not be "
					 "the container's root",
					 b->source);
		if (!exists(b->source)) {
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

/* What was asked for must be there: a target that is missing is made or is an error. */
static int add_user_bind(struct run_job *job, const struct run_bind *b, struct error **err)
{
	if (add_bind(job, b->source, b->target, "userbinds", err) < 0)
		return -1;
	struct run_mount *m = &job->mounts[job->mount_count - 1];
	m->needed = true;
	m->asked = true;
	m->read_only = b->read_only;
	/* A device that is added to the minimal /dev is there to be opened (runtime.md 6.3). */
	bool of_dev = !strcmp(b->target, "/dev") || below_dev(b->target);
	m->restricted = !(job->minimal_dev && of_dev && !strcmp(b->source, b->target));
	return 0;
}

static int add_binds(struct run_job *job, struct error **err)
{
	if (!job->binds.len)
		return 0;
	/* APPTAINER_BIND keeps the order that was given: a copy is sorted. */
	size_t size = job->binds.len * sizeof(*job->binds.items);
	struct run_bind *sorted = malloc(size);
	if (!sorted)
		return error_errno(err, ENOMEM, "sort the binds");
	memcpy(sorted, job->binds.items, size);
	qsort(sorted, job->binds.len, sizeof(*sorted), compare_binds);
	int r = 0;
	for (size_t i = 0; !r && i < job->binds.len; i++)
		r = add_user_bind(job, &sorted[i], err);
	free(sorted);
	return r;
}

/* ---------------------------------------------------------------- home and directory */

/* --home SRC[:DST], or the one of the user's account; root's is /root inside. */
static int choose_home(struct run_job *job, char **ret_source, struct error **err)
{
	const char *given = job->plan->home;
	if (!given) {
		bool namespace_root = job->inside_uid == 0 && job->uid != 0;
		bool root = namespace_root ||
			    ((job->fake_root || job->plan->for_build) && job->inside_uid == 0);
		*ret_source = text_dup(job->passwd_home, err);
		job->home = *ret_source ? text_dup(root ? "/root" : job->passwd_home, err) : NULL;
		return job->home ? 0 : -1;
	}
	if (!job->config->user_bind_control)
		return error_set(
			err, ERROR_POLICY,
			"not mounting user requested home: user bind control is disallowed");
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
	job->home = path_absolute(target && *target ? target : *ret_source, err);
	return job->home ? 0 : -1;
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
static int choose_directory(struct run_job *job, struct error **err)
{
	const struct run_plan *plan = job->plan;
	char *cwd = getcwd(NULL, 0);
	if (cwd && *cwd == '/')
		job->cwd = cwd;
	else
		free(cwd);
	if (!job->cwd)
		log_warning("can't determine current working directory");
	job->start_asked = plan->cwd && *plan->cwd;
	const char *start = job->start_asked ? plan->cwd
			    : job->contain   ? job->home
			    : job->cwd	     ? job->cwd
					     : job->home;
	job->start = text_dup(start, err);
	return job->start ? 0 : -1;
}

/*
 * The current folder comes along unless something else is mounted there. It is last in the list, so
 * that it can be left out where it is to be seen already; mounts.c finds that out.
 */
static int add_cwd(struct run_job *job, struct error **err)
{
	if (!job->cwd || job->contain || job->plan->for_build || no_mount(job, "cwd") ||
	    cwd_excluded(job->cwd))
		return 0;
	if (!job->config->user_bind_control) {
		log_warning("Not mounting current directory: user bind control is disabled by "
			    "system administrator");
		return 0;
	}
	for (size_t i = 0; i < job->mount_count; i++) {
		if (!strcmp(job->mounts[i].target, job->cwd))
			return 0;
	}
	if (add_bind(job, job->cwd, job->cwd, "cwd", err) < 0)
		return -1;
	job->mounts[job->mount_count - 1].kind = RUN_MOUNT_CWD;
	job->mounts[job->mount_count - 1].quiet = true;
	return 0;
}

/* In the order in which they are made: runtime.md 6.1. */
static int list_mounts(struct run_job *job, const char *home, struct error **err)
{
	warn_no_mount(job);
	if (add_dev(job, err) < 0 || add_bind_paths(job, err) < 0 || add_kernel(job, err) < 0 ||
	    add_home(job, home, err) < 0 || add_tmp(job, err) < 0 || add_files(job, err) < 0 ||
	    add_binds(job, err) < 0)
		return -1;
	return add_cwd(job, err);
}

int run_job_prepare(struct image *image, const struct run_plan *plan, struct run_job *job,
		    struct error **err)
{
	*job = (struct run_job){ .plan = plan, .config = plan->config, .image = image };
	CLEANUP_TEXT char *home = NULL;
	job->contain = plan->contain || plan->containall;
	job->minimal_dev = job->contain || job->config->mount_dev == CONFIG_DEV_MINIMAL;
	job->writable = plan->writable;
	job->writable_tmpfs = plan->writable_tmpfs && !plan->writable;
	if (plan->writable_tmpfs && plan->writable)
		log_warning("Disabling --writable-tmpfs flag, mutually exclusive with --writable");
	run_terminal_choose(job);
	if (image_check_architecture(image, err) < 0 || check_image(job, err) < 0 ||
	    choose_users(job, err) < 0 || run_filter_choose(job, err) < 0 ||
	    choose_mount(job, err) < 0 || choose_namespaces(job, err) < 0 ||
	    run_descriptors_choose(job, err) < 0 || look_up_user(job, err) < 0 ||
	    choose_home(job, &home, err) < 0 || choose_directory(job, err) < 0 ||
	    parse_binds(job, err) < 0 || list_mounts(job, home, err) < 0)
		return -1;
	struct run_env_source source = {
		.host = (const char *const *)environ,
		.plan = plan,
		.image = image->path,
		.home = job->home,
		.binds = &job->binds,
	};
	return run_env_prepare(&source, &job->env, err);
}
