/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Random trees full of links (out of the root, in circles, through /proc), with random binds and
 * homes upon them. Whatever becomes of a plan, nothing is mounted on a mount of the host, and
 * nothing is made or changed in the tree; nor beside it, unless one bind was asked for inside
 * another. COFFER_SEED repeats a run.
 */

#define ROUNDS 60

static char base[] = "/tmp/coffer-plan-XXXXXX";
static const char *home_folder; /* of who runs this: bound unasked, and so the outer one */
static uint64_t state;

static unsigned pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 11) % n;
}

static const char *name(void)
{
	static const char *const names[] = { "tmp", "etc",	   "home",	  "root",  "proc",
					     "dev", "coffer-fz-a", "var",	  "usr",   ".",
					     "..",  "sys",	   "coffer-fz-b", "passwd" };
	return names[pick(sizeof(names) / sizeof(*names))];
}

/* A path of one to four names, absolute or not. */
static void path(char *ret, size_t cap, bool absolute)
{
	size_t len = 0, n = 1 + pick(4);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(ret + len, cap - len, "%s%s", i || absolute ? "/" : "",
					name());
}

static void link_text(char *ret, size_t cap)
{
	static const char *const magic[] = { "/proc/self/root",	      "/proc/self/cwd",
					     "/proc/1/root/etc",      "/",
					     "../../../../../..",     "/proc/self/fd/3",
					     "../../../../../../etc", "/dev/fd/4" };
	if (pick(3) == 0)
		snprintf(ret, cap, "%s", magic[pick(sizeof(magic) / sizeof(*magic))]);
	else if (pick(4) == 0)
		snprintf(ret, cap, "%s/outside", base);
	else
		path(ret, cap, pick(2));
}

static void make_tree(void)
{
	char command[1024], at[512], text[512];
	snprintf(command, sizeof(command),
		 "rm -rf %s/* && find /tmp /var/tmp %s -mindepth 1 -maxdepth 1 ! -path %s -exec rm "
		 "-rf {} + && mkdir -p %s/tree %s/outside/deep && echo mine >%s/outside/file",
		 base, home_folder, base, base, base, base);
	assert_int_equal(system(command), 0);
	/* Much of it fails, on what was made before: no matter. */
	for (unsigned i = 0; i < 30; i++) {
		size_t len = (size_t)snprintf(at, sizeof(at), "%s/tree/", base);
		path(at + len, sizeof(at) - len, false);
		/* Ours stays within its own folder. */
		if (strstr(at, ".."))
			continue;
		int dir = open(base, O_PATH | O_DIRECTORY);
		assert_true(dir >= 0);
		const char *below = at + strlen(base) + 1;
		struct stat st;
		/* No parent that is a link of ours. */
		char parent[512];
		snprintf(parent, sizeof(parent), "%s", below);
		*strrchr(parent, '/') = '\0';
		int up = path_open_no_links(dir, parent, O_PATH | O_DIRECTORY, 0);
		const char *last = strrchr(below, '/') + 1;
		if (up >= 0 && fstatat(up, last, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			link_text(text, sizeof(text));
			switch (pick(4)) {
			case 0:
			case 1:
				(void)!symlinkat(text, up, last);
				break;
			case 2:
				(void)mkdirat(up, last, 0755);
				break;
			default:
				(void)mknodat(up, last, S_IFREG | 0644, 0);
			}
		}
		if (up >= 0)
			(void)close(up);
		(void)close(dir);
	}
}

/* What lies below that folder of ours, with times: nothing is to be changed. */
static char *listing(const char *folder)
{
	static char text[4][65536];
	static unsigned turn;
	char command[256], *ret = text[turn++ % 4];
	snprintf(command, sizeof(command),
		 "find %s%s ! -path %s -printf '%%p %%y %%m %%s %%i %%l %%T@\\n' | sort", base,
		 folder, base);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	ret[fread(ret, 1, sizeof(text[0]) - 1, f)] = '\0';
	assert_int_equal(pclose(f), 0);
	return ret;
}

/* ------------------------------------------------------------------ in a process of its own */

#define MOUNTS_MAX 4096

/* ids[i], parents[i] of all mounts that this process sees. */
static size_t mounts(int *ids, int *parents)
{
	char line[8192];
	size_t n = 0;
	FILE *f = fopen("/proc/thread-self/mountinfo", "re");
	while (f && n < MOUNTS_MAX && fgets(line, sizeof(line), f))
		n += sscanf(line, "%d %d", &ids[n], &parents[n]) == 2;
	if (f)
		(void)fclose(f);
	return n;
}

static bool has(const int *list, size_t n, int id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == id)
			return true;
	return false;
}

static int write_map(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -1 : fd_write(fd, text, strlen(text));
	(void)close(fd);
	return r;
}

static bool own_namespaces(bool user_namespace)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();
	if (unshare(CLONE_NEWNS | (user_namespace ? CLONE_NEWUSER : 0)) < 0)
		return false;
	if (!user_namespace)
		return true;
	(void)write_map("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (write_map("/proc/self/uid_map", map) < 0)
		return false;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_map("/proc/self/gid_map", map) == 0;
}

/* As child.c does it with a sandbox. */
static int attach(const struct run_plan *plan, struct run_session *s, struct error **err)
{
	int tree = run_tree_clone(AT_FDCWD, plan->image->path, err);
	int place = openat(s->dir, "rootfs", O_PATH | O_CLOEXEC);
	uint64_t set = MOUNT_ATTR_NODEV | (plan->writable ? 0 : MOUNT_ATTR_RDONLY);
	if (tree < 0 || run_tree_attributes(tree, set, err) < 0 ||
	    run_tree_place(tree, place, err) < 0)
		return -1;
	s->root = openat(s->dir, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? -1 : 0;
}

/* Ends with 0; 1: it could not begin; 2: a mount on one of the host's. */
static int try_plan(const struct run_plan *plan)
{
	static int before[MOUNTS_MAX], ids[MOUNTS_MAX], parents[MOUNTS_MAX];
	struct error *err = NULL;
	struct run_session session;
	if (!own_namespaces(plan->user_namespace))
		return 1;
	size_t n = mounts(before, parents);
	(void)umask(0);
	if (run_session_open(plan, &session, &err) < 0 || attach(plan, &session, &err) < 0)
		return 1;
	size_t own = mounts(ids, parents);
	int top = -1;
	for (size_t i = 0; i < own; i++)
		if (!has(before, n, ids[i]) && has(before, n, parents[i]))
			top = ids[i];
	if (run_layer_make(plan, &session, &err) == 0)
		(void)run_mounts_make(plan, &session, &err);
	own = mounts(ids, parents);
	for (size_t i = 0; i < own; i++)
		if (!has(before, n, ids[i]) && ids[i] != top && has(before, n, parents[i]))
			return 2;
	return top < 0 ? 1 : 0;
}

/* Whether a row lies by its text in a folder of the host that another one mounts before it. */
static bool has_nested(const struct run_plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct run_mount *outer = &plan->mounts[k];
			size_t len = strlen(outer->target);
			if (plan->mounts[i].needed && outer->kind == RUN_MOUNT_BIND &&
			    !strncmp(plan->mounts[i].target, outer->target, len) &&
			    plan->mounts[i].target[len] == '/')
				return true;
		}
	}
	return false;
}

static void round_of(uint64_t seed)
{
	struct error *err = NULL;
	struct config config;
	struct image *image = NULL;
	struct run_plan plan = { 0 };
	struct run_wish wish = { .config = &config };
	char tree[64], home[600], bind[1200], target[512];
	make_tree();
	config_default(&config, &err);
	wish.contain = pick(2);
	wish.writable = pick(4) == 0;
	wish.writable_tmpfs = pick(4) == 0;
	path(target, sizeof(target), true);
	snprintf(home, sizeof(home), "%s/outside:%s", base, target);
	wish.home = pick(2) ? home : NULL;
	for (unsigned i = pick(4); i; i--) {
		path(target, sizeof(target), true);
		snprintf(bind, sizeof(bind), "%s/outside%s:%s", base,
			 pick(3) ? "" : (pick(2) ? "/file" : "/deep"), target);
		assert_int_equal(strings_add(&wish.bind, bind, &err), 0);
	}
	snprintf(tree, sizeof(tree), "%s/tree", base);
	char *before = listing("/tree"), *beside = listing("/outside");
	bool nested = false;
	assert_int_equal(image_open(tree, &image, &err), 0);
	/* A bind upon "/" and the like are refused here. */
	if (run_plan_prepare(image, &wish, &plan, &err) == 0) {
		nested = has_nested(&plan);
		(void)fflush(NULL);
		pid_t pid = fork();
		int status = -1;
		if (pid == 0)
			_exit(try_plan(&plan));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status)
			fail_msg("seed %llu: status %x: 100: not begun, 200: mounted on the host's",
				 (unsigned long long)seed, (unsigned)status);
	}
	if (strcmp(before, listing("/tree")) != 0)
		fail_msg("seed %llu: the tree has changed", (unsigned long long)seed);
	if (!nested && strcmp(beside, listing("/outside")) != 0)
		fail_msg("seed %llu: what is beside the tree has changed",
			 (unsigned long long)seed);
	for (unsigned i = 0; i < 2; i++) {
		static const char *const places[] = { "/",	"/etc/",  "/tmp/", "/var/", "/usr/",
						      "/home/", "/root/", "/dev/", "/proc/" };
		for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
			snprintf(target, sizeof(target), "%scoffer-fz-%c", places[k],
				 (char)('a' + i));
			size_t len = strlen(home_folder);
			bool outer = !strcmp(places[k], "/tmp/") ||
				     (!strncmp(target, home_folder, len) && target[len] == '/');
			if (access(target, F_OK) == 0 && !(nested && outer))
				fail_msg("seed %llu: %s was made", (unsigned long long)seed,
					 target);
		}
	}
	error_free(&err);
	run_plan_free(&plan);
	image_free(&image);
	strings_free(&wish.bind);
	config_free(&config);
}

static void nothing_outside(void **context)
{
	(void)context;
	const char *given = getenv("COFFER_SEED");
	uint64_t first = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	print_message("COFFER_SEED=%llu\n", (unsigned long long)first);
	/* A /dev that is a link to "/": the minimal /dev was made in the image's own root. */
	static const uint64_t once[] = { 1795929793 };
	for (size_t i = 0; i < sizeof(once) / sizeof(*once); i++) {
		state = once[i] * 0x9e3779b97f4a7c15U | 1;
		round_of(once[i]);
	}
	log_set_level(LOG_ERROR - 1);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		state = (first + i) * 0x9e3779b97f4a7c15U | 1;
		round_of(first + i);
	}
}

static int make_base(void **context)
{
	(void)context;
	const struct passwd *me = getpwuid(getuid());
	home_folder = me ? me->pw_dir : "/root";
	/* Folders are made in /tmp and in the home where a bind is asked for there: in our own. */
	if (!own_namespaces(getuid() != 0) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") < 0 ||
	    mount("tmpfs", "/var/tmp", "tmpfs", 0, "mode=1777") < 0 ||
	    mount("tmpfs", home_folder, "tmpfs", 0, "mode=0700") < 0)
		return -1;
	return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **context)
{
	char command[64];
	(void)context;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_outside) };
	return cmocka_run_group_tests(tests, make_base, remove_base);
}
