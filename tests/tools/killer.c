/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs commands and kills their processes at random moments; after each, nothing may be left.
 *
 *   killer [-s SEED] [-n ROUNDS] [-r ROUND] ACTIONS FOLDER...
 *
 * It is pid 1 of a pid namespace, in a mount namespace of nobody else: whatever is left comes to
 * it, and all that it sees is its own. It starts in the folder where the commands run. FOLDERs are
 * those where a file could be left. ACTIONS is a file of lines, their words parted by blanks:
 *
 *   verify WORDS...        opens an image, @; ends with status 0 and the line "done"
 *   run NAME WORDS...      a container; "@" becomes "end", or "linger" where it is killed
 *   build NAME FILE WORDS...
 *   hang NAME FILE WORDS...   a build that would not end by itself
 *
 * A build of a FILE that exists replaces it. Each action is run unharmed three times first, which
 * must go well and gives its duration, and once now and then; "hang" takes that of the action
 * before it. What is to be killed should not end by itself within the time below, so that what is
 * left is found. What round N of a SEED does depends on both alone (as far as the machine lets
 * moments be repeated): -r runs one round again.
 *
 * The rules, after a kill: the command ends within END_MS; SETTLE_MS later there is no process, no
 * mount, no loop device on a file of ours, no mapping of coffer's, no file that was not there. With
 * status 0 it has done all. A file that was to be replaced is untouched, or whole and new; any
 * other new one is whole. When the command was killed between giving the file a temporary name and
 * its own, it may have the former, and is whole.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS 25000
#define SETTLE_MS 8000
#define RETIME_ROUNDS 250 /* the machine gets faster and slower as others use it */
#define ROLES_FROM 300	  /* rounds after which each role has been met */
#define FAILURES_MAX 20
#define WORDS_MAX 64
#define ACTIONS_MAX 64
#define PROCESSES_MAX 256

static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(2);
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t random_state;
static uint64_t random_below(uint64_t n) /* splitmix64 */
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return n ? z % n : 0;
}

/* ------------------------------------------------------------------ what is done */

struct action {
	bool build, hang;
	char *name, *file;
	char *words[WORDS_MAX];
	int64_t duration_us;
	unsigned kills;
};
static struct action actions[ACTIONS_MAX], verify;
static size_t action_count;

static void read_actions(const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "re");
	if (!f)
		die("%s", path);
	while (fgets(line, sizeof(line), f)) {
		char *save, *kind = strtok_r(line, " \n", &save);
		if (!kind)
			continue;
		bool checks = !strcmp(kind, "verify");
		if (action_count == ACTIONS_MAX)
			die("too many actions");
		struct action *a = checks ? &verify : &actions[action_count++];
		a->hang = !strcmp(kind, "hang");
		a->build = a->hang || !strcmp(kind, "build");
		a->name = strdup(checks ? kind : strtok_r(NULL, " \n", &save));
		if (a->build)
			a->file = strdup(strtok_r(NULL, " \n", &save));
		size_t n = 0;
		for (char *w; (w = strtok_r(NULL, " \n", &save)) && n + 1 < WORDS_MAX;)
			a->words[n++] = strdup(w);
	}
	(void)fclose(f);
}

/* Starts it, with a word for "@"; all that it says goes to a memory file. */
static pid_t start(char *const *given, const char *word, int said)
{
	char *words[WORDS_MAX] = { NULL };
	for (int n = 0; given[n]; n++)
		words[n] = strcmp(given[n], "@") ? given[n] : (char *)word;
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	int null = open("/dev/null", O_RDONLY);
	if (setpgid(0, 0) < 0 || dup2(null, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0)
		_exit(126);
	(void)close(null);
	(void)close(said);
	execvp(words[0], words);
	_exit(127);
}

/* Waits for the end of a process until then: its wait status, or -1. */
static int wait_until(pid_t pid, int64_t until_us)
{
	int status, fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left = until_us - now_us();
	if (left < 0)
		left = 0;
	struct timespec t = { left / 1000000, left % 1000000 * 1000 };
	int n = fd < 0 ? -1 : ppoll(&p, 1, &t, NULL);
	(void)close(fd);
	return n == 1 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static char said_text[65536];
static const char *said_of(int fd)
{
	ssize_t n = pread(fd, said_text, sizeof(said_text) - 1, 0);
	said_text[n < 0 ? 0 : n] = '\0';
	return said_text;
}
static bool ends_with_done(const char *text)
{
	size_t len = strlen(text);
	return len >= 5 && !strcmp(text + len - 5, "done\n");
}

/* ------------------------------------------------------------------ who is there */

enum role { COMMAND, SERVER, INIT, STARTING, PAYLOAD, BUILDER, PACKER, SECTION, ROLES };
static const char *const role_names[] = {
	"command", "server", "init", "starting", "payload", "builder", "packer", "section",
};
struct process {
	pid_t pid;
	enum role role;
	char name[32];
};
static unsigned kills[ROLES];

static int read_file(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
	(void)close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -1 : 0;
}

static bool in_own_pid_namespace(const char *status)
{
	const char *at = strstr(status, "\nNSpid:");
	int tabs = 0;
	for (at = at ? at + 1 : ""; *at && *at != '\n'; at++)
		tabs += *at == '\t';
	return tabs > 1;
}

static enum role role_of(const struct action *a, pid_t command, pid_t pid, pid_t parent,
			 const char *name, const char *status)
{
	if (pid == command)
		return COMMAND;
	if (!strcmp(name, "coffer-image"))
		return SERVER;
	if (!strcmp(name, "appinit"))
		return INIT;
	if (!a->build)
		return strcmp(name, "coffer") ? PAYLOAD : STARTING;
	if (parent == command && !strcmp(name, "coffer"))
		return in_own_pid_namespace(status) ? BUILDER : PACKER;
	return SECTION;
}

/* All living processes but this one. */
static size_t snapshot(const struct action *a, pid_t command, struct process *ret)
{
	size_t count = 0;
	DIR *dir = opendir("/proc");
	if (!dir)
		die("/proc");
	for (struct dirent *e; (e = readdir(dir)) && count < PROCESSES_MAX;) {
		char path[300], text[4096], name[32] = "", state = 'X';
		int parent = 0;
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid <= 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", e->d_name);
		if (read_file(path, text, sizeof(text)) < 0)
			continue;
		const char *at = strstr(text, "\nState:\t"), *up = strstr(text, "\nPPid:\t");
		if (sscanf(text, "Name:\t%31[^\n]", name) != 1 || !at || !up ||
		    sscanf(at, "\nState:\t%c", &state) != 1 ||
		    sscanf(up, "\nPPid:\t%d", &parent) != 1 || state == 'Z' || state == 'X')
			continue;
		struct process *p = &ret[count++];
		p->pid = pid;
		memcpy(p->name, name, sizeof(p->name));
		p->role = role_of(a, command, pid, parent, name, text);
	}
	(void)closedir(dir);
	return count;
}

/* A role among those that are there, then one of it. */
static const struct process *choose(const struct process *all, size_t count)
{
	enum role there[ROLES];
	size_t roles = 0, nth = 0;
	for (int r = 0; r < ROLES; r++)
		for (size_t i = 0; i < count; i++)
			if ((int)all[i].role == r) {
				there[roles++] = (enum role)r;
				break;
			}
	if (!roles)
		return NULL;
	enum role role = there[random_below(roles)];
	for (size_t i = 0; i < count; i++)
		nth += all[i].role == role;
	nth = random_below(nth);
	for (size_t i = 0; i < count; i++)
		if (all[i].role == role && nth-- == 0)
			return &all[i];
	return NULL;
}

/* ------------------------------------------------------------------ what there is */

/* Mounts, block devices and files, as text: compared as a whole. */
struct state {
	char *text;
	size_t len;
};
static FILE *state_file;
static const char *state_skip; /* an output, and its temporary names */

static char **folders;

static bool is_temporary_name(const char *name, const char *of)
{
	size_t len = strlen(of);
	return name[0] == '.' && !strncmp(name + 1, of, len) && name[len + 1] == '.' &&
	       strlen(name) == len + 2 + 16;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	(void)type;
	if (state_skip && (!strcmp(name, state_skip) || is_temporary_name(name, state_skip)))
		return 0;
	/* A folder's time changes with what comes and goes. */
	fprintf(state_file, "%s %o %ju", path, st->st_mode, (uintmax_t)st->st_ino);
	if (!S_ISDIR(st->st_mode))
		fprintf(state_file, " %jd %jd.%09ld", (intmax_t)st->st_size,
			(intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	fputc('\n', state_file);
	return 0;
}

static void list_devices(void)
{
	char path[600], text[4096], here[4096];
	DIR *dir = opendir("/sys/block");
	if (!dir || !getcwd(here, sizeof(here)))
		die("/sys/block");
	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", e->d_name);
		if (read_file(path, text, sizeof(text)) == 0 && strstr(text, here))
			fprintf(state_file, "loop %s", text);
		snprintf(path, sizeof(path), "/sys/block/%s/dm/name", e->d_name);
		if (read_file(path, text, sizeof(text)) == 0 && strstr(text, "coffer"))
			fprintf(state_file, "mapping %s", text);
	}
	(void)closedir(dir);
}

static struct state take_state(const char *skip)
{
	static char mounts[1 << 20];
	struct state s = { 0 };
	state_file = open_memstream(&s.text, &s.len);
	state_skip = skip;
	if (!state_file || read_file("/proc/self/mountinfo", mounts, sizeof(mounts)) < 0)
		die("mountinfo");
	fputs(mounts, state_file);
	list_devices();
	for (char **f = folders; *f; f++)
		if (nftw(*f, visit, 32, FTW_PHYS) != 0)
			die("%s", *f);
	(void)fclose(state_file);
	return s;
}

/* ------------------------------------------------------------------ a round */

static unsigned failures, late, replaced, made, temporaries;
static int64_t longest_end_us, longest_settle_us;
static char happened[1024];

static bool failed(int said, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool failed(int said, const char *fmt, ...)
{
	va_list ap;
	printf("FAILED: %s: ", happened);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n  it said: %s\n", said >= 0 ? said_of(said) : "");
	(void)fflush(stdout);
	failures++;
	return false;
}

static void describe(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void describe(const char *fmt, ...)
{
	size_t len = strlen(happened);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(happened + len, sizeof(happened) - len, fmt, ap);
	va_end(ap);
}

static bool is_whole(const char *file)
{
	int said = memfd_create("said", MFD_CLOEXEC);
	int status = wait_until(start(verify.words, file, said), now_us() + END_MS * 1000);
	bool good = status == 0 && ends_with_done(said_of(said));
	if (!good)
		printf("  %s: status %x: %s\n", file, status, said_of(said));
	(void)close(said);
	return good;
}

static bool settle(const struct action *a, int said)
{
	struct process left[PROCESSES_MAX];
	size_t count;
	int64_t since = now_us();
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		count = snapshot(a, 0, left);
		if (!count || now_us() - since > SETTLE_MS * 1000)
			break;
		(void)usleep(500);
	}
	if (now_us() - since > longest_settle_us)
		longest_settle_us = now_us() - since;
	if (!count)
		return true;
	for (size_t i = 0; i < count; i++)
		printf("  left: %d %s\n", (int)left[i].pid, left[i].name);
	return failed(said, "%zu processes are left", count);
}

/* The output's file: none, the old one, or a whole one. Removes a new one. */
static bool check_output(const struct action *a, const struct stat *old, bool command_killed,
			 int status, int said)
{
	bool good = true, is_new = false;
	struct stat st;
	DIR *dir = opendir(".");
	for (struct dirent *e; (e = readdir(dir));) {
		if (!is_temporary_name(e->d_name, a->file))
			continue;
		temporaries++;
		if (!command_killed)
			good = failed(said, "%s is left, and the command was not killed",
				      e->d_name);
		else if (!is_whole(e->d_name))
			good = failed(said, "%s is left and not whole", e->d_name);
		(void)unlink(e->d_name);
	}
	(void)closedir(dir);
	bool there = lstat(a->file, &st) == 0;
	if (old->st_ino && !there)
		good = failed(said, "the old %s is gone", a->file);
	if (there)
		is_new = !old->st_ino || st.st_ino != old->st_ino;
	if (there && !is_new &&
	    (st.st_size != old->st_size || st.st_mtim.tv_sec != old->st_mtim.tv_sec ||
	     st.st_mtim.tv_nsec != old->st_mtim.tv_nsec))
		good = failed(said, "the old %s was changed", a->file);
	if (is_new && !is_whole(a->file))
		good = failed(said, "%s is not whole", a->file);
	if (is_new)
		(*(old->st_ino ? &replaced : &made))++;
	if (status == 0 && !is_new)
		good = failed(said, "status 0, and no new %s", a->file);
	if (is_new && status != 0 && !command_killed)
		good = failed(said, "a new %s, and status %x", a->file, status);
	if (there && !old->st_ino)
		(void)unlink(a->file);
	return good;
}

/* delay_us < 0: unharmed. */
static bool run_round(struct action *a, int64_t delay_us, const struct state *before)
{
	struct process all[PROCESSES_MAX];
	struct stat old = { 0 };
	bool command_killed = false, good = true;
	int said = memfd_create("said", MFD_CLOEXEC);
	if (a->build)
		(void)lstat(a->file, &old);
	int64_t since = now_us();
	pid_t command = start(a->words, delay_us < 0 ? "end" : "linger", said);
	int status = wait_until(command, since + (delay_us < 0 ? END_MS * 1000 : delay_us));
	if (status >= 0 && delay_us >= 0)
		late++;
	if (status < 0 && delay_us >= 0) {
		size_t count = snapshot(a, command, all);
		/* Now and then two at once. */
		for (uint64_t n = random_below(8) ? 1 : 2; n; n--) {
			const struct process *victim = choose(all, count);
			if (!victim || kill(victim->pid, SIGKILL) < 0)
				continue;
			describe(", killed %s (%s)", role_names[victim->role], victim->name);
			kills[victim->role]++;
			a->kills++;
			command_killed |= victim->role == COMMAND;
		}
		int64_t killed = now_us();
		status = wait_until(command, killed + END_MS * 1000);
		if (now_us() - killed > longest_end_us)
			longest_end_us = now_us() - killed;
	}
	if (delay_us < 0 && (!a->duration_us || now_us() - since < a->duration_us))
		a->duration_us = now_us() - since;
	if (status < 0) {
		good = failed(said, "the command does not end");
		(void)kill(-1, SIGKILL); /* all but this one: it is pid 1 */
	}
	good &= settle(a, said);
	if (status == 0 && !a->build && !ends_with_done(said_of(said)))
		good = failed(said, "status 0, and not done");
	if (delay_us < 0 && status != 0)
		good = failed(said, "unharmed, and status %x", status);
	struct state after = take_state(a->file);
	if (after.len != before->len || memcmp(after.text, before->text, after.len) != 0)
		good = failed(said, "something is left:\nbefore:\n%s\nafter:\n%s", before->text,
			      after.text);
	free(after.text);
	good &= !a->build || check_output(a, &old, command_killed, status, said);
	(void)close(said);
	return good;
}

/* Runs each unharmed: how long does it take now? */
static bool time_actions(int times)
{
	for (size_t i = 0; i < action_count; i++) {
		struct action *a = &actions[i];
		struct state before = take_state(a->file);
		bool good = true;
		a->duration_us = a->hang && i ? actions[i - 1].duration_us : 0;
		for (int n = 0; good && n < times && !a->hang; n++) {
			happened[0] = '\0';
			describe("%s, unharmed", a->name);
			good = run_round(a, -1, &before);
		}
		free(before.text);
		if (!good)
			return false;
	}
	return true;
}

static void round_number(uint64_t seed, unsigned n)
{
	random_state = seed * 1000003 + n;
	(void)random_below(1);
	struct action *a = &actions[random_below(action_count)];
	int64_t delay = (int64_t)random_below((uint64_t)a->duration_us * 13 / 10);
	struct state before = take_state(a->file);
	happened[0] = '\0';
	describe("seed %" PRIu64 ", round %u: %s after %" PRId64 " us", seed, n, a->name, delay);
	if (!run_round(a, delay, &before))
		(void)kill(-1, SIGKILL);
	free(before.text);
}

static int summary(uint64_t seed, unsigned rounds)
{
	printf("seed %" PRIu64 ": %u rounds, %u failed; killed:", seed, rounds, failures);
	for (int r = 0; r < ROLES; r++)
		printf(" %s %u", role_names[r], kills[r]);
	printf("; %u had ended before\n", late);
	printf("outputs: %u made, %u replaced, %u whole ones left under a temporary name; the "
	       "command ended after at most %" PRId64 " ms, the last process %" PRId64
	       " ms after it\n",
	       made, replaced, temporaries, longest_end_us / 1000, longest_settle_us / 1000);
	for (size_t i = 0; i < action_count; i++)
		printf("  %-24s %6.1f ms, %u killed\n", actions[i].name,
		       (double)actions[i].duration_us / 1000, actions[i].kills);
	/* Else a process has another name now, and nobody kills it. */
	for (int r = 0; r < ROLES && rounds >= ROLES_FROM; r++) {
		if (!kills[r]) {
			printf("not one %s was killed in %u rounds\n", role_names[r], rounds);
			failures++;
		}
	}
	(void)fflush(stdout);
	return failures != 0;
}

/* Without a handler pid 1 is deaf to it; all others go with this one. */
static void on_end(int sig)
{
	_exit(128 + sig);
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)now_us();
	unsigned rounds = 100, only = 0;
	for (int c; (c = getopt(argc, argv, "s:n:r:")) != -1;) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			only = (unsigned)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (getpid() != 1 || optind + 1 >= argc) {
		fputs("killer: it must be pid 1 of a namespace of its own\n", stderr);
		return 2;
	}
	(void)signal(SIGINT, on_end);
	(void)signal(SIGTERM, on_end);
	(void)signal(SIGHUP, on_end);
	read_actions(argv[optind]);
	folders = argv + optind + 1;
	if (!time_actions(3))
		return 1;
	made = replaced = 0;
	longest_settle_us = 0;
	unsigned n = 0;
	if (only)
		round_number(seed, only);
	for (n = 1; !only && n <= rounds && failures < FAILURES_MAX; n++) {
		round_number(seed, n);
		if (n % RETIME_ROUNDS || n >= rounds)
			continue;
		(void)summary(seed, n);
		if (!time_actions(1))
			break;
	}
	return summary(seed, only ? 1 : n - 1);
}
