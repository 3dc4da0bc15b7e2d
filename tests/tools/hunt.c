/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hunts for secrets wherever a machine may keep them.
 *
 *   hunt processes [-m] [-t PID] [-x PID]... [-n NAME] PATTERNS
 *       the environment, argument list, mapped names and open files of every process of this user,
 *       their contents too, deleted or not; with -m also the memory of those that descend from -t
 *       PID, as far as the kernel lets us, but for what -x names and what has the name -n. Not:
 *       this process and those it descends from (they run the test).
 *   hunt process [-m] PID PATTERNS      one alone
 *   hunt files [-e PATH]... STAMP PATTERNS [ROOT]...
 *       every file that has changed since STAMP was, below ROOT or in every mounted file system
 *       that keeps files, but for the PATTERNS and what -e names
 *   hunt text PATTERNS FILE...          these files
 *   hunt plant KIND PATTERN [PLACE]     has it and waits: memory, environment, arguments,
 *                                       descriptor (in a file of PLACE's folder without a name),
 *                                       memfd; its name is "planted"
 *
 * PATTERNS is a folder. The bytes of "NAME.text" are looked for as they are, those of "NAME.key"
 * in pieces of 16 bytes, also backwards (numbers), with the bytes of each word of four swapped
 * (key schedules) and in hexadecimal. Prints "FOUND NAME where" for each and last what was looked
 * at; the exit status is 0 with nothing found, 1 with something, 2 when it could not look.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIECE 16
#define NEEDLES_MAX 4096
#define TEXT_MAX 4096
#define BUFFER ((size_t)1 << 20)

/* ------------------------------------------------------------------ what is looked for */

struct needle {
	char name[64];
	unsigned char *bytes;
	size_t len;
	int next; /* with the same first two bytes */
};
static struct needle needles[NEEDLES_MAX];
static int needle_count;
static int by_head[65536];
static size_t longest;
static dev_t patterns_dev;
static ino_t patterns_ino;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "hunt: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void add(const char *name, const unsigned char *bytes, size_t len)
{
	if (needle_count == NEEDLES_MAX - 1 || len < 8) {
		errno = EINVAL;
		fail(name);
	}
	struct needle *n = &needles[++needle_count]; /* 0 ends a list */
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->bytes = malloc(len);
	if (!n->bytes)
		fail(name);
	memcpy(n->bytes, bytes, len);
	n->len = len;
	int *head = &by_head[bytes[0] << 8 | bytes[1]];
	n->next = *head;
	*head = needle_count;
	if (len > longest)
		longest = len;
}

static void add_key_piece(const char *name, const unsigned char *piece)
{
	unsigned char backwards[PIECE], swapped[PIECE];
	char hex[2 * PIECE + 1];
	for (int i = 0; i < PIECE; i++) {
		backwards[i] = piece[PIECE - 1 - i];
		swapped[i] = piece[i ^ 3];
		snprintf(hex + 2 * i, 3, "%02x", piece[i]);
	}
	add(name, piece, PIECE);
	add(name, backwards, PIECE);
	add(name, swapped, PIECE);
	add(name, (unsigned char *)hex, 2 * PIECE);
}

static void load(const char *folder)
{
	static unsigned char bytes[65536];
	struct stat st;
	DIR *dir = opendir(folder);
	if (!dir || fstat(dirfd(dir), &st) < 0)
		fail(folder);
	patterns_dev = st.st_dev;
	patterns_ino = st.st_ino;
	for (struct dirent *e; (e = readdir(dir));) {
		const char *dot = strrchr(e->d_name, '.');
		bool key = dot && !strcmp(dot, ".key");
		if (!key && (!dot || strcmp(dot, ".text") != 0))
			continue;
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
		if (n < PIECE / 2)
			fail(e->d_name);
		close(fd);
		while (!key && n && bytes[n - 1] == '\n')
			n--;
		if (!key)
			add(e->d_name, bytes, (size_t)n);
		for (ssize_t i = 0; key && i + PIECE <= n; i += PIECE)
			add_key_piece(e->d_name, bytes + i);
	}
	closedir(dir);
	if (!needle_count) {
		errno = ENOENT;
		fail("no pattern");
	}
}

/* ------------------------------------------------------------------ looking */

static bool found_any;
static unsigned long looked_processes, looked_memories, looked_files;

static void look(const unsigned char *p, size_t len, const char *where, const char *what)
{
	for (size_t i = 0; i + 1 < len; i++) {
		for (int k = by_head[p[i] << 8 | p[i + 1]]; k; k = needles[k].next) {
			const struct needle *n = &needles[k];
			if (len - i < n->len || memcmp(p + i, n->bytes, n->len) != 0)
				continue;
			printf("FOUND %s in %s %s\n", n->name, where, what);
			found_any = true;
		}
	}
}

/* From off to to (or the end), passing over holes; pieces overlap, so that none is cut. */
static bool look_through(int fd, off_t off, off_t to, bool holes, const char *where,
			 const char *what)
{
	static unsigned char buf[BUFFER + TEXT_MAX];
	size_t keep = 0;
	bool read_some = false;
	while (off < to) {
		off_t data = holes ? lseek(fd, off, SEEK_DATA) : off;
		if (data < 0 && errno == ENXIO)
			break;
		if (data > off) {
			off = data;
			keep = 0;
		}
		size_t want = to - off < (off_t)BUFFER ? (size_t)(to - off) : BUFFER;
		ssize_t n = pread(fd, buf + keep, want, off);
		if (n <= 0)
			break;
		read_some = true;
		off += n;
		size_t len = keep + (size_t)n;
		look(buf, len, where, what);
		keep = len < longest - 1 ? len : longest - 1;
		memmove(buf, buf + len - keep, keep);
	}
	return read_some;
}

static void look_at_text(int folder, const char *name, const char *where)
{
	char path[64];
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "%s", name);
	static unsigned char text[1 << 22];
	size_t len = 0;
	ssize_t n;
	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	close(fd);
	look(text, len, where, path);
	explicit_bzero(text, len);
}

/* ------------------------------------------------------------------ processes */

static void look_at_descriptors(int folder, const char *where)
{
	int fds = openat(folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		char target[PATH_MAX];
		struct stat st;
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		look((unsigned char *)target, (size_t)n, where, "name of a descriptor");
		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
		    !strncmp(target, "/proc/", 6) || !strncmp(target, "/sys/", 5))
			continue;
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		look_through(fd, 0, st.st_size, true, where, target);
		close(fd);
	}
	closedir(dir);
}

/* Larger mappings are a sanitizer's: terabytes of addresses with hardly any memory. */
#define ADDRESSES_ONLY (1UL << 32)

static void look_at_memory(int folder, const char *where)
{
	int fd = openat(folder, "mem", O_RDONLY | O_CLOEXEC);
	int maps_fd = fd < 0 ? -1 : openat(folder, "maps", O_RDONLY | O_CLOEXEC);
	FILE *maps = maps_fd < 0 ? NULL : fdopen(maps_fd, "r");
	char *line = NULL;
	size_t cap = 0;
	bool some = false;
	while (maps && getline(&line, &cap, maps) > 0) {
		unsigned long from, to;
		char rights[8], name[256] = "anonymous";
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, rights, name) < 3 ||
		    rights[0] != 'r' || !strncmp(name, "[v", 2) || to - from > ADDRESSES_ONLY)
			continue;
		some |= look_through(fd, (off_t)from, (off_t)to, false, where, name);
	}
	looked_memories += some;
	free(line);
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
}

static void look_at_process(pid_t pid, bool memory)
{
	char path[64], where[128] = "?";
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return;
	int fd = openat(folder, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, where, 32);
	if (fd >= 0)
		close(fd);
	while (n > 0 && where[n - 1] == '\n')
		n--;
	snprintf(where + (n > 0 ? n : 0), sizeof(where) - 32, " (%d)", (int)pid);
	looked_processes++;
	look_at_text(folder, "environ", where);
	look_at_text(folder, "cmdline", where);
	look_at_text(folder, "maps", where);
	look_at_descriptors(folder, where);
	if (memory)
		look_at_memory(folder, where);
	close(folder);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	int parent = 0;
	const char *end = strrchr(text, ')');
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool descends(pid_t pid, pid_t from)
{
	for (int i = 0; pid > 1 && i < 100; i++, pid = parent_of(pid))
		if (pid == from)
			return true;
	return false;
}

static bool has_name(pid_t pid, const char *name)
{
	char path[64], comm[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, comm, sizeof(comm) - 1);
		close(fd);
		if (n > 0 && comm[n - 1] == '\n')
			comm[n - 1] = 0;
	}
	return !strcmp(comm, name);
}

static int processes(int argc, char **argv)
{
	pid_t top = 0, except[16];
	size_t excepted = 0;
	bool memory = false;
	const char *name = NULL;
	for (int c; (c = getopt(argc, argv, "+mt:x:n:")) != -1;) {
		if (c == 'm')
			memory = true;
		else if (c == 't')
			top = atoi(optarg);
		else if (c == 'n')
			name = optarg;
		else if (c == 'x' && excepted < 16)
			except[excepted++] = atoi(optarg);
		else
			return 2;
	}
	if (!argv[optind])
		return 2;
	load(argv[optind]);
	DIR *proc = opendir("/proc");
	if (!proc)
		fail("/proc");
	for (struct dirent *e; (e = readdir(proc));) {
		pid_t pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;
		struct stat st;
		bool passed = !pid || descends(getpid(), pid);
		bool may_know = name && has_name(pid, name);
		for (size_t i = 0; i < excepted; i++)
			may_know |= pid == except[i];
		/* A process that hides is root's in /proc, but its folder tells whose it is. */
		if (passed || fstatat(dirfd(proc), e->d_name, &st, 0) < 0 ||
		    (st.st_uid != geteuid() && geteuid() != 0 && !descends(pid, top)))
			continue;
		look_at_process(pid, memory && !may_know && descends(pid, top));
	}
	closedir(proc);
	return 0;
}

static int one_process(int argc, char **argv)
{
	bool memory = argc > 1 && !strcmp(argv[1], "-m");
	if (argc != 3 + memory)
		return 2;
	load(argv[2 + memory]);
	look_at_process(atoi(argv[1 + memory]), memory);
	return 0;
}

/* ------------------------------------------------------------------ files */

static struct timespec since;
static const char *left_out[16];
static size_t left_out_count;

static bool is_later(const struct timespec *t)
{
	return t->tv_sec > since.tv_sec ||
	       (t->tv_sec == since.tv_sec && t->tv_nsec >= since.tv_nsec);
}

static void look_at_file(int folder, const char *name, const char *path)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		looked_files++;
		look_through(fd, 0, st.st_size, true, path, "");
	}
	close(fd);
}

static void walk(int parent, const char *name, const char *path, dev_t dev)
{
	struct stat st;
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	if (!dir)
		return;
	if (fstat(folder, &st) < 0 || st.st_dev != dev ||
	    (st.st_dev == patterns_dev && st.st_ino == patterns_ino)) {
		closedir(dir);
		return;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		/* Not on the stack: somebody's test may make a thousand folders in each other. */
		char *below;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    asprintf(&below, "%s/%s", path, e->d_name) < 0)
			continue;
		bool passed = false;
		for (size_t i = 0; i < left_out_count; i++)
			passed |= !strcmp(below, left_out[i]);
		if (passed)
			;
		else if (e->d_type == DT_DIR)
			walk(folder, e->d_name, below, dev);
		else if (e->d_type == DT_REG &&
			 fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 (is_later(&st.st_mtim) || is_later(&st.st_ctim)))
			look_at_file(folder, e->d_name, below);
		free(below);
	}
	closedir(dir);
}

static void walk_from(const char *root)
{
	struct stat st;
	if (stat(root, &st) == 0)
		walk(AT_FDCWD, root, strcmp(root, "/") ? root : "", st.st_dev);
}

/* What keeps files: not the kernel's own windows. */
static void walk_all(void)
{
	static const char *const windows[] = { "proc",	   "sysfs",   "devpts",	  "cgroup",
					       "cgroup2",  "debugfs", "tracefs",  "securityfs",
					       "mqueue",   "bpf",     "pstore",	  "binfmt_misc",
					       "configfs", "fusectl", "efivarfs", "rpc_pipefs",
					       "squashfs", "iso9660", "hugetlbfs" };
	static dev_t seen[256];
	size_t seen_count = 0;
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	if (!mounts)
		fail("/proc/self/mounts");
	for (struct mntent *m; (m = getmntent(mounts));) {
		struct stat st;
		bool passed = !strncmp(m->mnt_type, "fuse", 4) || stat(m->mnt_dir, &st) < 0;
		for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++)
			passed |= !strcmp(m->mnt_type, windows[i]);
		for (size_t i = 0; !passed && i < seen_count; i++)
			passed |= seen[i] == st.st_dev;
		if (passed || seen_count == sizeof(seen) / sizeof(*seen))
			continue;
		seen[seen_count++] = st.st_dev;
		walk_from(m->mnt_dir);
	}
	endmntent(mounts);
}

static int files(int argc, char **argv)
{
	struct stat st;
	for (int c; (c = getopt(argc, argv, "+e:")) != -1;) {
		if (c != 'e' || left_out_count == 16)
			return 2;
		left_out[left_out_count++] = optarg;
	}
	if (argc - optind < 2)
		return 2;
	if (stat(argv[optind], &st) < 0)
		fail(argv[optind]);
	since = st.st_mtim;
	load(argv[optind + 1]);
	if (!argv[optind + 2])
		walk_all();
	for (char **root = argv + optind + 2; *root; root++)
		walk_from(*root);
	return 0;
}

static int texts(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	load(argv[1]);
	for (int i = 2; i < argc; i++) {
		if (access(argv[i], R_OK) < 0)
			fail(argv[i]);
		look_at_file(AT_FDCWD, argv[i], argv[i]);
	}
	return 0;
}

/* ------------------------------------------------------------------ planting */

static char planted[TEXT_MAX];

static int wait_for_end(void)
{
	prctl(PR_SET_NAME, "planted");
	return pause();
}

static int plant(int argc, char **argv)
{
	char *self[] = { argv[0], (char *)(uintptr_t) "wait", NULL, NULL };
	char *none[] = { NULL }, *one[] = { NULL, NULL };
	if (argc < 3)
		return 2;
	int in = open(argv[2], O_RDONLY | O_CLOEXEC), out;
	ssize_t n = in < 0 ? -1 : read(in, planted, sizeof(planted) - 1);
	if (n <= 0)
		fail(argv[2]);
	close(in); /* or it would be found there */
	if (!strcmp(argv[1], "memory"))
		return wait_for_end();
	if (!strcmp(argv[1], "environment")) {
		one[0] = planted;
		execve("/proc/self/exe", self, one);
	} else if (!strcmp(argv[1], "arguments")) {
		self[2] = planted;
		execve("/proc/self/exe", self, none);
	} else if ((!strcmp(argv[1], "descriptor") && argc == 4) || !strcmp(argv[1], "memfd")) {
		out = argc == 4 ? open(argv[3], O_TMPFILE | O_RDWR, 0600) : memfd_create("x", 0);
		/* Across the border of two pieces. */
		if (out < 0 || pwrite(out, planted, (size_t)n, BUFFER - 5) != n)
			fail("write");
		execve("/proc/self/exe", self, none);
	}
	fail("plant");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int r = !strcmp(what, "processes") ? processes(argc - 1, argv + 1)
		: !strcmp(what, "process") ? one_process(argc - 1, argv + 1)
		: !strcmp(what, "files")   ? files(argc - 1, argv + 1)
		: !strcmp(what, "text")	   ? texts(argc - 1, argv + 1)
		: !strcmp(what, "plant")   ? plant(argc - 1, argv + 1)
		: !strcmp(what, "wait")	   ? wait_for_end()
					   : 2;
	if (r) {
		fprintf(stderr, "hunt: see the head of hunt.c\n");
		return 2;
	}
	printf("looked at %lu processes, %lu memories, %lu files\n", looked_processes,
	       looked_memories, looked_files);
	return found_any ? 1 : 0;
}
