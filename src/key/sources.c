/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that lie in no file of the user's: on a descriptor, from a command's standard output, or in
 * the folder of credentials that systemd has made for a service.
 *
 * What comes is a passphrase or an RSA key, told by the text itself: all that --pem-path reads is a
 * key, and so is what it refuses by name, as a line of OpenSSH's with a key of another kind. Of
 * what is left one line is a passphrase; anything else (several lines, a NUL) is refused. A public
 * key that passed as a passphrase would build an image that everybody who has it can open.
 *
 * It is read into guarded memory. Nothing of it is repeated in a message, and neither is the
 * command, in which people write what they should not.
 */
#include "key/internal.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define NOT_EXECUTABLE 126
#define NOT_FOUND 127

/* Up to the end, at most PEM_TEXT_MAX bytes; `what` is for messages. */
static int read_to_end(int fd, const char *what, struct secret **ret, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	if (secret_new(PEM_TEXT_MAX + 1, &text, err) < 0)
		return -1;
	ssize_t n = fd_read(fd, secret_data(text), PEM_TEXT_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)-n, "read a key from %s", what);
	if (n > PEM_TEXT_MAX)
		return error_set(err, ERROR_LIMIT, "%s gives more than %d bytes, which are no key",
				 what, PEM_TEXT_MAX);
	if (n == 0) {
		error_set(err, ERROR_KEY_INVALID, "%s gives no key: nothing came", what);
		return error_hint(err, "it has to give a passphrase in one line, or the text of an "
				       "RSA key");
	}
	secret_shorten(text, (size_t)n);
	*ret = take_pointer(&text);
	return 0;
}

/* The line without its end, which may be that of another system. */
static int as_passphrase(const struct secret *text, struct key *k, const char *what,
			 struct error **err)
{
	const unsigned char *bytes = secret_bytes(text);
	size_t len = secret_size(text);
	if (len && bytes[len - 1] == '\n')
		len--;
	if (len && bytes[len - 1] == '\r')
		len--;
	if (!len)
		return passphrase_is_empty(err);
	if (memchr(bytes, '\n', len) || memchr(bytes, 0, len)) {
		error_set(err, ERROR_KEY_INVALID,
			  "%s gives neither one line, a passphrase, nor an RSA key in PEM", what);
		return error_hint(err,
				  "a key in another form is made PEM by: openssl pkey -in FILE");
	}
	return secret_copy(bytes, len, &k->passphrase, err);
}

static int take_text(const struct key_request *request, const struct secret *text, const char *what,
		     struct key *k, struct error **err)
{
	const char *chars = (const char *)secret_bytes(text);
	size_t len = secret_size(text);
	k->origin = text_dup(what, err);
	if (!k->origin)
		return -1;
	int r = rsa_is_key_text(chars, len, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return as_passphrase(text, k, what, err);
	if (rsa_from_pem(chars, len, request, what, &k->rsa, err) == 0)
		return 0;
	error_wrap(err, "could not read %s", what);
	return key_frame(request, err);
}

/* A program that is started later must not find it, and a file could be read once more. */
static int put_away(int fd, struct error **err)
{
	if (fd != STDIN_FILENO)
		return close(fd) < 0 ? error_errno(err, errno, "close descriptor %d", fd) : 0;
	int null CLEANUP_FD = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return error_errno(err, errno, "put /dev/null in the place of standard input");
	return 0;
}

int key_from_fd(const struct key_request *request, struct key *k, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	int fd = request->key_fd;
	/* What is ours is closed by exec, so it has not come from the caller. */
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFD);
	if (flags < 0 || flags & FD_CLOEXEC || fd == STDOUT_FILENO || fd == STDERR_FILENO) {
		error_set(err, ERROR_USAGE, "--key-fd %d: no descriptor that a key can come from",
			  fd);
		return error_hint(err, "open it for the command, as in: --key-fd 3 3<FILE");
	}
	char *what CLEANUP_TEXT = text_printf(err, "descriptor %d", fd);
	if (!what)
		return -1;
	int r = read_to_end(fd, what, &text, err);
	if (r == 0)
		r = put_away(fd, err);
	return r < 0 ? -1 : take_text(request, text, what, k, err);
}

/* In the child: standard input is the terminal, for a command that asks, and else what is for the
 * container; so nothing. */
static void run_shell(const char *command, int out)
{
	int in = isatty(STDIN_FILENO) ? STDIN_FILENO : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(NOT_EXECUTABLE);
	execl(SHELL, "sh", "-c", command, (char *)NULL);
	_exit(NOT_FOUND);
}

static int command_failed(int status, struct error **err)
{
	if (status == NOT_FOUND)
		error_set(err, ERROR_NOT_FOUND, "the program of --key-command was not found");
	else if (status > 128)
		error_set(err, ERROR_SYSTEM, "signal %d ended the program of --key-command",
			  status - 128);
	else
		error_set(err, ERROR_SYSTEM, "the program of --key-command ended with status %d",
			  status);
	return error_hint(err, "try it by itself: it has to write the key to its standard output, "
			       "and to end with status 0");
}

int key_from_command(const struct key_request *request, struct key *k, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	struct process child CLEANUP_PROCESS = PROCESS_NONE;
	int ends[2];
	/* Another key in a variable is none of the command's business. */
	key_environment_wipe();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	int from CLEANUP_FD = ends[0], to CLEANUP_FD = ends[1];
	int r = process_fork(0, &child);
	if (r < 0)
		return error_errno(err, -r, "start the program of --key-command");
	if (r == 0)
		run_shell(request->key_command, to);
	fd_close(&to);
	/* Its status says more than that nothing came; it is killed if it does not stop writing. */
	static const char what[] = "the program of --key-command";
	r = read_to_end(from, what, &text, err);
	if (r < 0 && error_kind(*err) != ERROR_KEY_INVALID)
		return -1;
	fd_close(&from);
	int status = process_wait(&child);
	if (status < 0) {
		error_free(err);
		return error_errno(err, -status, "wait for the program of --key-command");
	}
	if (status > 0) {
		error_free(err);
		return command_failed(status, err);
	}
	return r < 0 ? -1 : take_text(request, text, what, k, err);
}

int key_from_credentials(const struct key_request *request, struct key *k, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	const char *name = request->use == KEY_FOR_BUILD ? CREDENTIAL_BUILD : CREDENTIAL_RUN;
	if (!folder || *folder != '/')
		return 0;
	char *path CLEANUP_TEXT = text_printf(err, "%s/%s", folder, name);
	if (!path)
		return -1;
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "read the credential %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_KEY_INVALID, "the credential %s is no file", name);
	char *what CLEANUP_TEXT = text_printf(err, "the credential %s", name);
	if (!what || read_to_end(fd, what, &text, err) < 0)
		return -1;
	return take_text(request, text, what, k, err);
}
