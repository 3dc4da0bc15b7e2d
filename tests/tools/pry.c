/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries to look into another process in every way that the kernel has, as a payload would that is
 * after keys. Linked statically, so that it runs in any container.
 *
 *   pry PID          says "CAN ..." for each way that is open; exit status 1 with one
 *   pry server PPID  the same for the image server of this command
 *   pry seen         exit status 1 when a process by the name of the server can be seen
 *
 * and what a container's walls are tried with:
 *
 *   pry planted-key -- COMMAND...   runs it with a key in a session keyring of its own
 *   pry find-key                    in how many ways that key is found
 *   pry abstract-serve NAME         listens at an abstract socket until it is killed
 *   pry abstract-reach NAME         exit status 1 when nobody listens there
 *   pry loopback                    talks to itself by 127.0.0.1
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_ways;

static void way(bool open, const char *what, const char *name)
{
	if (open)
		printf("CAN %s %s\n", what, name);
	open_ways += open;
}

static int in_folder(pid_t pid, const char *name, int flags)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC | O_NONBLOCK);
}

static void files(pid_t pid)
{
	static const char *const readable[] = { "mem",	   "environ",	"maps",	       "smaps",
						"auxv",	   "syscall",	"stack",       "io",
						"pagemap", "numa_maps", "personality", "fd/0",
						"fd/3",	   "fd/4",	"fd/5",	       "map_files",
						"timers" };
	static const char *const links[] = { "exe",  "cwd",	"root",	  "fd/0",  "fd/3",
					     "fd/4", "ns/user", "ns/mnt", "ns/net" };
	static const char *const folders[] = { "fd", "fdinfo", "root", "cwd", "map_files" };
	static const char *const writable[] = { "mem", "clear_refs" };
	char byte, path[64];
	for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++) {
		int fd = in_folder(pid, readable[i], O_RDONLY);
		way(fd >= 0 && read(fd, &byte, 1) >= 0, "read", readable[i]);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, links[i]);
		way(readlink(path, &byte, 1) >= 0, "follow", links[i]);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s/.", (int)pid, folders[i]);
		DIR *dir = opendir(path);
		way(dir && readdir(dir), "list", folders[i]);
	}
	for (size_t i = 0; i < sizeof(writable) / sizeof(*writable); i++)
		way(in_folder(pid, writable[i], O_WRONLY) >= 0, "write to", writable[i]);
}

static void calls(pid_t pid)
{
	char here[16];
	struct iovec local = { here, sizeof(here) }, remote = { (void *)0x400000, 16 };
	struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(event),
					 .config = PERF_COUNT_SW_TASK_CLOCK };
	/* A process that may be read gives EFAULT for an address that it has not. */
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	way(n >= 0 || errno == EFAULT, "use", "process_vm_readv");
	n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
	way(n >= 0 || errno == EFAULT, "use", "process_vm_writev");
	int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	for (int fd = 0; fd < 10; fd++)
		way(pid_fd >= 0 && syscall(SYS_pidfd_getfd, pid_fd, fd, 0) >= 0, "take",
		    "a descriptor");
	way(pid_fd >= 0 && syscall(SYS_setns, pid_fd, 0x10000000 /* CLONE_NEWUSER */) == 0, "enter",
	    "its namespaces");
	way(syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, 0, 0) >= 0, "use", "kcmp");
	way(syscall(SYS_perf_event_open, &event, pid, -1, -1, 0) >= 0, "use", "perf_event_open");
	way(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0, "use", "PTRACE_SEIZE");
	bool attached = ptrace(PTRACE_ATTACH, pid, 0, 0) == 0;
	way(attached, "use", "PTRACE_ATTACH");
}

static bool is_server(const char *pid, int parent)
{
	char text[512] = "";
	int fd = in_folder(atoi(pid), "stat", O_RDONLY), its = 0;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	close(fd);
	const char *end = strrchr(text, ')');
	return strstr(text, "(coffer-image)") && end && sscanf(end + 1, " %*c %d", &its) == 1 &&
	       (!parent || its == parent);
}

/*
 * Where /proc is mounted with hidepid, a process that hides has no name there. Calls find it all
 * the same: the next one of ours that /proc does not show.
 */
static pid_t find_hidden(pid_t parent)
{
	char path[64];
	for (pid_t pid = parent + 1; pid < 1 << 22; pid++) {
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0)
			continue;
		close(fd);
		snprintf(path, sizeof(path), "/proc/%d", (int)pid);
		if (kill(pid, 0) == 0 && access(path, F_OK) < 0)
			return pid;
	}
	return 0;
}

static pid_t find_server(int parent)
{
	DIR *proc = opendir("/proc");
	pid_t found = 0;
	for (struct dirent *e; proc && (e = readdir(proc));)
		if (atoi(e->d_name) > 0 && is_server(e->d_name, parent))
			found = atoi(e->d_name);
	if (proc)
		closedir(proc);
	if (!found && parent)
		found = find_hidden(parent);
	return found;
}

#define KEY_NAME "coffer-planted"
#define KEY_TEXT "planted"
#define KEY_VARIABLE "COFFER_PLANTED_SERIAL"

static int plant_key(char **command)
{
	char serial[24];
	long key = -1;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
		key = syscall(SYS_add_key, "user", KEY_NAME, KEY_TEXT, strlen(KEY_TEXT),
			      KEY_SPEC_SESSION_KEYRING);
	if (key < 0) {
		perror("pry: plant a key");
		return 2;
	}
	/* Seen by who has it in a keyring of his own alone, not by all that the user has. */
	(void)syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f000000);
	snprintf(serial, sizeof(serial), "%ld", key);
	(void)setenv(KEY_VARIABLE, serial, 1);
	execvp(*command, command);
	return 2;
}

/*
 * By name, by its number (which others may guess), and as programs ask for one; and, since a filter
 * may refuse these calls, in the list that the kernel shows.
 */
static int find_key(void)
{
	char text[64];
	int found = 0;
	const char *serial = getenv(KEY_VARIABLE);
	long key =
		syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", KEY_NAME, 0);
	found += key >= 0;
	key = serial ? strtol(serial, NULL, 10) : 0;
	found += syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof(text)) > 0;
	key = syscall(SYS_request_key, "user", KEY_NAME, NULL, 0);
	found += key >= 0;
	FILE *list = fopen("/proc/keys", "r");
	char line[256];
	while (list && fgets(line, sizeof(line), list))
		found += strstr(line, KEY_NAME) != NULL;
	if (list)
		fclose(list);
	printf("found %d ways\n", found);
	return 0;
}

static socklen_t abstract(struct sockaddr_un *at, const char *name)
{
	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(at->sun_path + 1, sizeof(at->sun_path) - 1, "%s", name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int abstract_serve(const char *name)
{
	struct sockaddr_un at;
	socklen_t len = abstract(&at, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0)
		return 2;
	for (;;)
		close(accept(fd, NULL, NULL));
}

static int abstract_reach(const char *name)
{
	struct sockaddr_un at;
	socklen_t len = abstract(&at, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&at, len) < 0;
}

static int loopback(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	char text[16] = "";
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server, (struct sockaddr *)&at, len) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)&at, &len) < 0 ||
	    connect(client, (struct sockaddr *)&at, len) < 0 ||
	    write(client, "through lo", 10) != 10 ||
	    read(accept(server, NULL, NULL), text, sizeof(text) - 1) != 10)
		return 1;
	puts(text);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "planted-key"))
		return plant_key(argv + 3);
	if (argc == 2 && !strcmp(argv[1], "find-key"))
		return find_key();
	if (argc == 3 && !strcmp(argv[1], "abstract-serve"))
		return abstract_serve(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "abstract-reach"))
		return abstract_reach(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "loopback"))
		return loopback();
	if (argc == 2 && !strcmp(argv[1], "seen"))
		return find_server(0) != 0;
	pid_t pid = argc == 3 && !strcmp(argv[1], "server") ? find_server(atoi(argv[2]))
		    : argc == 2				    ? atoi(argv[1])
							    : 0;
	if (pid <= 0) {
		fprintf(stderr, "pry: no such process\n");
		return 2;
	}
	files(pid);
	calls(pid);
	printf("tried to look into %d: %d ways open\n", (int)pid, open_ways);
	return open_ways != 0;
}
