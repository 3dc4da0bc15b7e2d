/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_SERVE_MOUNTED_H
#define COFFER_TESTS_SERVE_MOUNTED_H

/*
 * A tree, an image of it, and the image mounted in a namespace of its own: a process there attaches
 * the mount, and runs the shell commands that the test asks for.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/mount.h"
#include "os/os.h"
#include "serve/internal.h"

static char work[] = "/tmp/coffer-test-mount-XXXXXX";

static int shell(const char *script)
{
	struct error *err = NULL;
	struct process_spawn spawn = PROCESS_SPAWN;
	const char *argv[] = { "sh", "-c", script, NULL };
	spawn.argv = argv;
	spawn.directory = work;
	int r = process_run(&spawn, &err);
	if (err)
		print_error("%s: %s\n", script, error_message(err));
	error_free(&err);
	return r;
}

/* Times, modes, kinds and names that an image can get wrong. */
static const char make_tree[] =
	"set -e; umask 022; mkdir tree mnt; cd tree\n"
	"mkdir -p deep/a/b/c/d/e/f/g wide empty modes many\n"
	"echo hello >hello; : >empty-file; ln -s hello link; ln -s /nonexistent/x dangling\n"
	"ln -s \"$(head -c 3000 /dev/zero | tr '\\0' l)\" long-link\n"
	"ln hello deep/a/hard; head -c 3000000 /dev/urandom >random\n"
	"seq 1 400000 >text; head -c 131072 text >one-block; head -c 131073 text >block-and-byte\n"
	"truncate -s 5M sparse; echo end >>sparse; mkfifo fifo\n"
	"i=0; while [ $i -lt 1500 ]; do echo $i >wide/file-with-a-rather-long-name-$i; "
	"i=$((i+1));\n"
	"done\n"
	"for m in 400 444 600 644 755 4755 2755; do echo $m >modes/$m; chmod $m modes/$m; done\n"
	"printf x >'odd name\t*'; printf y >\"$(printf 'new\\nline')\"; printf z >$(head -c 255 "
	"\\\n"
	" /dev/zero | tr '\\0' n); echo deep >deep/a/b/c/d/e/f/g/file; chmod 1777 empty\n"
	"setfattr -n user.colour -v blue hello; setfattr -n user.binary -v 0x00ff00 text\n"
	"touch -d '1999-12-31 23:59:58' hello; touch -d '2030-01-02 03:04:05' wide; cd ..\n"
	"mksquashfs tree image -noappend -quiet -no-progress -xattrs >/dev/null\n"
	"mkdir plain; echo plain >plain/file\n"
	"mksquashfs plain image-plain -noappend -quiet -no-progress -no-xattrs >/dev/null\n";

static inline int make_images(void **state)
{
	(void)state;
	return mkdtemp(work) ? shell(make_tree) : -1;
}

static inline int remove_images(void **state)
{
	(void)state;
	return shell("chmod -R u+rwX . && rm -rf \"$PWD\"");
}

/* A file as a source whose reads are counted, and can be made to fail, from another process. */
struct probe {
	atomic_int reads;
	atomic_bool broken;
};
struct faulty_source {
	struct source source;
	struct source *below; /* owned */
	struct probe *probe;  /* shared; borrowed */
};

static inline int faulty_read(struct source *s, void *buf, size_t len, uint64_t off,
			      struct error **err)
{
	struct faulty_source *f = (struct faulty_source *)s;
	atomic_fetch_add(&f->probe->reads, 1);
	if (atomic_load(&f->probe->broken))
		return error_set(err, ERROR_DAMAGED, "told to\033fail");
	return source_read(f->below, buf, len, off, err);
}

static inline void faulty_free(struct source *s)
{
	source_free(&((struct faulty_source *)s)->below);
	free(s);
}

static const struct source_ops faulty_ops = { .read = faulty_read, .free = faulty_free };

/* The trees here are made by hand and freed so, in the server too. */
void image_tree_free(struct image_tree **tree)
{
	if (!*tree)
		return;
	squash_free(&(*tree)->squash);
	source_free(&(*tree)->partition);
	free(*tree);
	*tree = NULL;
}

/* *ret_fd: the image's descriptor, which the tree owns. */
static inline struct image_tree *open_tree_of(const char *image, struct probe *probe, int *ret_fd)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", work, image);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd > 2);
	struct source *file = NULL;
	assert_ok(source_from_fd(fd, &file, err));
	struct faulty_source *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	*f = (struct faulty_source){ .source = { .ops = &faulty_ops, .size = file->size },
				     .below = file,
				     .probe = probe };
	struct image_tree *tree = calloc(1, sizeof(*tree));
	assert_non_null(tree);
	tree->partition = &f->source;
	const struct squash_options options = { 0 };
	assert_ok(squash_open(tree->partition, &options, &tree->squash, err));
	*ret_fd = fd;
	return tree;
}

/* A program that is started has no capability in the namespace of a normal user. */
#define UNMOUNT "unmount"

/* Tells the server of these places, from the container's side. */
#define PLACES "places"
static const struct serve_place *wanted_places;
static size_t wanted_count;

static inline int tell_places(const char *mnt)
{
	struct error *err = NULL;
	int root = open(mnt, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = serve_places(root, wanted_places, wanted_count, &err);
	close(root);
	int status = r < 0 ? (int)error_kind(err) + 1 : 0;
	error_free(&err);
	return status;
}

/*
 * What programs of 32 bits take: no inode number and no position in a listing may be larger. And
 * ".." has its own number. Gives how many are wrong.
 */
#define NUMBERS "numbers"

static inline int wrong_numbers(const char *mnt)
{
	static const char *const folders[] = { "wide", "deep/a/new", "other", "other/below" };
	struct {
		uint64_t inode, position;
		uint16_t len;
		char type, name[5];
	} entry;
	char path[512], entries[300];
	struct stat above;
	int wrong = 0;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", mnt, folders[i]);
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		long n;
		wrong += fstatat(fd, "..", &above, 0) < 0;
		while ((n = getdents64(fd, entries, sizeof(entries))) > 0) {
			for (long at = 0; at < n; at += entry.len) {
				memcpy(&entry, entries + at, sizeof(entry));
				wrong += entry.inode > UINT32_MAX || entry.position > UINT32_MAX;
				wrong += !strncmp(entry.name, "..", sizeof(entry.name)) &&
					 entry.inode != above.st_ino;
			}
		}
		wrong += n < 0;
		close(fd);
	}
	return wrong;
}

struct mounted {
	struct process container, server;
	int socket, says;
	struct probe *probe;
};

static inline void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || fd_write(fd, text, strlen(text)) < 0)
		_exit(101);
	close(fd);
}

/* Maps the caller to itself in its new user namespace. */
static inline void map_self(uid_t uid, gid_t gid)
{
	char text[64];
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	write_text("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	write_text("/proc/self/gid_map", text);
}

static inline _Noreturn void container_main(int socket, uid_t uid, gid_t gid)
{
	struct error *err = NULL;
	char script[4096], mnt[256];
	int fd;
	map_self(uid, gid);
	snprintf(mnt, sizeof(mnt), "%s/mnt", work);
	if (mount_attach(mnt, true, false, &fd, &err) < 0) {
		print_error("%s\n", error_message(err));
		_exit(102);
	}
	if (wire_send(socket, 'f', fd) < 0)
		_exit(103);
	close(fd);
	for (;;) {
		ssize_t n = recv(socket, script, sizeof(script) - 1, 0);
		if (n <= 0)
			_exit(0);
		script[n] = '\0';
		int status = !strcmp(script, UNMOUNT)	? umount2(mnt, 0)
			     : !strcmp(script, PLACES)	? tell_places(mnt)
			     : !strcmp(script, NUMBERS) ? wrong_numbers(mnt)
							: shell(script);
		if (send(socket, &status, sizeof(status), MSG_NOSIGNAL) != sizeof(status))
			_exit(104);
	}
}

/* Runs a shell script beside the mount ("mnt") and the tree ("tree"); its exit status. */
static inline int inside(struct mounted *m, const char *script)
{
	int status = -1;
	assert_int_equal(send(m->socket, script, strlen(script), MSG_NOSIGNAL), strlen(script));
	assert_int_equal(recv(m->socket, &status, sizeof(status), 0), sizeof(status));
	return status;
}

/* The container's side alone: the mount waits for a server on *ret_fd. */
static inline void attach_container(struct mounted *m, int *ret_fd)
{
	int pair[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	*m = (struct mounted){ .container = PROCESS_NONE, .server = PROCESS_NONE };
	m->probe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(m->probe != MAP_FAILED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	int r = process_fork(CLONE_NEWUSER | CLONE_NEWNS, &m->container);
	assert_true(r >= 0);
	if (r == 0) {
		close(pair[0]);
		container_main(pair[1], uid, gid);
	}
	close(pair[1]);
	m->socket = pair[0];
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	assert_int_equal(wire_receive(m->socket, &p), 1);
	assert_true(p.fd >= 0);
	*ret_fd = fd_steal(&p.fd);
}

static inline void mounted_begin(struct mounted *m, const char *image,
				 const struct serve_options *wishes)
{
	int fuse_fd;
	attach_container(m, &fuse_fd);
	struct serve_options options = *wishes;
	struct image_tree *tree = open_tree_of(image, m->probe, &options.image_fd);
	assert_ok(serve_start(tree, fuse_fd, &options, &m->server, &m->says, err));
	image_tree_free(&tree);
	close(fuse_fd);
}

/* Whether a process ends by itself: at once, but a busy machine may take seconds for that. */
static inline bool ends_soon(const struct process *p)
{
	struct pollfd poll_fd = { .fd = p->pid_fd, .events = POLLIN };
	return poll(&poll_fd, 1, 60000) == 1;
}

static inline void mounted_end(struct mounted *m)
{
	process_kill(&m->container);
	if (m->server.pid > 0) {
		assert_true(ends_soon(&m->server));
		assert_int_equal(process_wait(&m->server), 0);
		close(m->says);
	}
	close(m->socket);
	munmap(m->probe, 4096);
}

#endif
