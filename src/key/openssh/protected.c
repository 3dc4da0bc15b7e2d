/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protection of a private key of OpenSSH's, taken off by ssh-keygen itself.
 *
 * Its key is derived by bcrypt_pbkdf (PROTOCOL.key), which OpenSSL does not have, nor libcrypt:
 * that one's bcrypt ends in another text. libssh has it, but is a client for a whole protocol, and
 * keeps what it decrypts in memory that nobody guards; and a Blowfish of our own is no place to
 * keep keys in. Who has such a key has ssh-keygen, which is kept by those who made the format.
 *
 * So `ssh-keygen -p` writes the key anew, without a passphrase, over a copy that lies in a memory
 * file: no disk has it, and it is overwritten as soon as it was read. Below /proc the descriptors
 * of ssh-keygen, and its memory, lie open to all other processes of the user, unless the kernel may
 * not dump it: that it decides at exec, by whether the user may read the program. So it is a copy
 * of the program that is executed, which nobody may read, where copies in memory may be executed
 * (vm.memfd_noexec). ssh-keygen is told the passphrase on its standard input. It looks there only
 * where it has no terminal, hence a session of its own, and no program that asks in a window: it
 * gets an environment with nothing in it. The passphrase is in no argument and in no variable.
 */
#include "key/openssh/openssh.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAM "ssh-keygen"
#define NOT_STARTED 127
#define PROGRAM_MAX ((size_t)64 << 20)
#ifndef MFD_EXEC /* Linux 6.3 */
#define MFD_EXEC 0x10U
#endif
#define WORDS_MAX 4096
/* What it says of a passphrase that does not open the key, in no language but this one. */
#define WRONG "incorrect passphrase"

/* ------------------------------------------------------------------ the passphrase */

static int ask(const struct key_request *request, const char *origin, struct secret **ret,
	       struct error **err)
{
	char *prompt CLEANUP_TEXT = text_printf(err, "Enter passphrase of %s: ", origin);
	if (!prompt || (request->ask && request->ask(request->ask_context, prompt, ret, err) < 0))
		return -1;
	if (*ret)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "the private key is protected with a passphrase, and %s",
		  request->ask ? "none was given for it" : "nobody can be asked for it");
	return error_hint(err, "give its passphrase when asked, or take the protection off a copy "
			       "of it, kept in memory, with: cp FILE /dev/shm/COPY && ssh-keygen "
			       "-p -f /dev/shm/COPY");
}

static int wrong(struct error **err)
{
	error_set(err, ERROR_KEY_WRONG, "the passphrase does not open the private key");
	return error_hint(err, "check the passphrase: it is that of the file of the key");
}

/* ssh-keygen would take a part of it, up to there. */
static bool is_possible(const struct secret *passphrase)
{
	return secret_size(passphrase) <= OPENSSH_PASSPHRASE_MAX &&
	       !memchr(secret_bytes(passphrase), '\n', secret_size(passphrase)) &&
	       !memchr(secret_bytes(passphrase), '\r', secret_size(passphrase)) &&
	       !memchr(secret_bytes(passphrase), 0, secret_size(passphrase));
}

/* A pipe that has it as a line, with nobody left to write more. */
static int put_passphrase(const struct secret *passphrase, int *ret, struct error **err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	int from CLEANUP_FD = ends[0], to CLEANUP_FD = ends[1];
	/* It fits into what a pipe holds: a page at the least. */
	int r = fd_write(to, secret_bytes(passphrase), secret_size(passphrase));
	if (r == 0)
		r = fd_write(to, "\n", 1);
	if (r < 0)
		return error_errno(err, -r, "hand a passphrase to " PROGRAM);
	*ret = fd_steal(&from);
	return 0;
}

/* ------------------------------------------------------------------ the file */

/* Of its own user, as ssh-keygen wants it; no mode of the memory file's lets others in. */
static int put_block(const struct secret *blob, int *ret, struct error **err)
{
	struct buffer text CLEANUP_BUFFER = { 0 };
	if (pem_print(OPENSSH_LABEL, secret_bytes(blob), secret_size(blob), &text, err) < 0)
		return -1;
	int fd CLEANUP_FD = memfd_create("key", MFD_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0600) < 0)
		return error_errno(err, errno, "make a memory file");
	int r = fd_pwrite(fd, text.data, text.len, 0);
	if (r < 0)
		return error_errno(err, -r, "write a memory file");
	*ret = fd_steal(&fd);
	return 0;
}

static void wipe(int fd)
{
	static const char zeros[4096];
	struct stat st;
	uint64_t len = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	for (uint64_t off = 0; off < len; off += sizeof(zeros))
		(void)fd_pwrite(fd, zeros, sizeof(zeros), off);
}

/* What is in it now. */
static int take_block(int fd, struct secret **ret, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	struct pem pem CLEANUP_PEM = { 0 };
	if (secret_new(PEM_TEXT_MAX, &text, err) < 0)
		return -1;
	ssize_t n = fd_pread(fd, secret_data(text), PEM_TEXT_MAX, 0);
	if (n < 0)
		return error_errno(err, (int)-n, "read a memory file");
	if (pem_parse((const char *)secret_bytes(text), (size_t)n, &pem, err) < 0)
		return -1;
	*ret = take_pointer(&pem.der);
	return 0;
}

/* ------------------------------------------------------------------ the program */

struct keygen {
	const char *program;
	int copy; /* of it, only to be executed; -1: there is none */
	int file, in, words;
};

/* A copy in memory, of which its owner has no more than its execution: -1 where there is none. */
static int copy_program(const char *program)
{
	char path[32];
	int from CLEANUP_FD = open(program, O_RDONLY | O_CLOEXEC);
	int to CLEANUP_FD = memfd_create(PROGRAM, MFD_CLOEXEC | MFD_EXEC);
	if (to < 0 && errno == EINVAL)
		to = memfd_create(PROGRAM, MFD_CLOEXEC);
	if (from < 0 || to < 0)
		return -1;
	ssize_t n;
	for (size_t len = 0; (n = sendfile(to, from, NULL, PROGRAM_MAX)) > 0;)
		if ((len += (size_t)n) > PROGRAM_MAX)
			return -1;
	/* The writer is gone at exec: a file that is open for writing is not executed. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	return n < 0 || fchmod(to, 0111) < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
}

static _Noreturn void become_keygen(const struct keygen *k)
{
	char path[32];
	const char *const argv[] = { PROGRAM, "-q", "-p", "-N", "", "-f", path, NULL };
	const char *const envp[] = { NULL };
	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->file);
	const struct rlimit no_core = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &no_core) == 0 && setsid() >= 0 &&
	    dup2(k->in, STDIN_FILENO) >= 0 && dup2(k->words, STDOUT_FILENO) >= 0 &&
	    dup2(k->words, STDERR_FILENO) >= 0 && fcntl(k->file, F_SETFD, 0) == 0) {
		/* Not so for a script, whose interpreter could not open it. */
		if (k->copy >= 0)
			(void)syscall(SYS_execveat, k->copy, "", argv, envp, AT_EMPTY_PATH);
		execve(k->program, (char *const *)argv, (char *const *)envp);
	}
	_exit(NOT_STARTED);
}

static int failed(int status, const struct buffer *words, struct error **err)
{
	if (words->len && memmem(words->data, words->len, WRONG, strlen(WRONG)))
		return wrong(err);
	error_set(err, ERROR_KEY_INVALID,
		  PROGRAM " does not take the protection off the private key (it ends with status "
			  "%d)",
		  status);
	return error_hint(err, "see what it says: ssh-keygen -y -f FILE");
}

/* Runs it to its end. */
static int run(struct keygen *k, struct error **err)
{
	struct process child CLEANUP_PROCESS = PROCESS_NONE;
	struct buffer words CLEANUP_BUFFER = { 0 };
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	int from CLEANUP_FD = ends[0], to CLEANUP_FD = ends[1];
	k->words = to;
	int r = process_fork(0, &child);
	if (r < 0)
		return error_errno(err, -r, "start " PROGRAM);
	if (r == 0)
		become_keygen(k);
	fd_close(&to);
	if (fd_read_all(from, WORDS_MAX, PROGRAM, &words, err) < 0)
		return -1;
	int status = process_wait(&child);
	if (status < 0)
		return error_errno(err, -status, "wait for " PROGRAM);
	return status ? failed(status, &words, err) : 0;
}

int key_openssh_unprotect(const struct key_request *request, const char *origin,
			  const struct secret *blob, struct secret **ret, struct error **err)
{
	struct secret *passphrase CLEANUP_SECRET = NULL;
	int file CLEANUP_FD = -1, in CLEANUP_FD = -1;
	char *program CLEANUP_TEXT = process_find_program(PROGRAM, err);
	if (!program) {
		if (*err)
			return -1;
		error_set(err, ERROR_NOT_FOUND,
			  "the private key is protected in OpenSSH's own way, and there is no "
			  "ssh-keygen here, which opens it");
		return error_hint(err, "install openssh-client, or use another key");
	}
	if (ask(request, origin, &passphrase, err) < 0)
		return -1;
	if (!is_possible(passphrase))
		return wrong(err);
	if (put_block(blob, &file, err) < 0 || put_passphrase(passphrase, &in, err) < 0)
		return -1;
	int copy CLEANUP_FD = copy_program(program);
	if (copy < 0)
		log_verbose("what " PROGRAM " works with can be read by your other processes: "
			    "programs in memory are not executed here (vm.memfd_noexec)");
	struct keygen k = { .program = program, .copy = copy, .file = file, .in = in };
	int r = run(&k, err);
	if (r == 0)
		r = take_block(file, ret, err);
	wipe(file);
	return r;
}
