/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * `audit log`: who ran which image with which kind of key, and how it ended, to the system's log.
 *
 * By its socket, not by syslog(3), which does not say whether anything has arrived. A record is
 * one line whatever an image or a user is called: see put_quoted. It never has a key, only the
 * fingerprint of a public one.
 */
#define LOG_SOCKET "/dev/log"
/* RFC 3164 4.1.1: facility authpriv, severity informational. syslog.h has names that base/log.h
 * has. */
#define PRIORITY (10 << 3 | 6)
#define SEND_SECONDS 2 /* how long a log that takes nothing may hold a run up */

static const char *const actions[] = { [RUN_RUN] = "run",
				       [RUN_EXEC] = "exec",
				       [RUN_SHELL] = "shell",
				       [RUN_TEST] = "test",
				       [RUN_START] = "start" };

/* Printable ASCII, and the rest as \xHH, quotes and backslashes too: there is one way to read it.
 */
static int put_quoted(struct buffer *b, const char *text, struct error **err)
{
	int r = buffer_puts(b, "\"", err);
	for (const char *at = text; r == 0 && *at; at++) {
		if (*at >= ' ' && *at <= '~' && !strchr("\"\\", *at))
			r = buffer_append(b, at, 1, err);
		else
			r = buffer_printf(b, err, "\\x%02x", (unsigned char)*at);
	}
	return r < 0 ? -1 : buffer_puts(b, "\"", err);
}

/* By a socket of this type; EPROTOTYPE where the log's is of another. Returns -1 with errno. */
static int send_to(int type, const char *record, size_t len)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = LOG_SOCKET };
	const struct timeval patience = { .tv_sec = SEND_SECONDS };
	CLEANUP_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(fd, record + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		sent += (size_t)n;
	}
	return 0;
}

static int send_record(const struct buffer *words, struct error **err)
{
	CLEANUP_BUFFER struct buffer record = { 0 };
	char when[32];
	struct tm tm;
	time_t now = time(NULL);
	/* RFC 3164: what logs take, with the month in English. */
	if (!localtime_r(&now, &tm) || !strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm))
		*when = '\0';
	if (buffer_printf(&record, err, "<%d>%s coffer[%d]: %s", PRIORITY, when, (int)getpid(),
			  words->data) < 0)
		return -1;
	/* Of a stream a NUL ends each record, as syslog(3) has it. */
	if (send_to(SOCK_DGRAM, record.data, record.len) < 0 &&
	    (errno != EPROTOTYPE || send_to(SOCK_STREAM, record.data, record.len + 1) < 0))
		return error_errno(err, errno, "write to the system's log (%s)", LOG_SOCKET);
	return 0;
}

static int put_login_id(struct buffer *b, struct error **err)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	/* Of the session, also after su and sudo; -1 where nobody has logged in. */
	bool known = fd_read_file(AT_FDCWD, "/proc/self/loginuid", 32, &text, &ignored) == 0 &&
		     text.len && strspn(text.data, "0123456789") == text.len &&
		     strcmp(text.data, "4294967295") != 0;
	return buffer_printf(b, err, " loginuid=%s", known ? text.data : "-");
}

static int put_sif(struct buffer *b, const struct image *img, struct error **err)
{
	uint8_t digest[32];
	if (!img->sif)
		return buffer_puts(b, " uuid=- sha256=-", err);
	if (sif_digest(img->sif, img->file, digest, err) < 0 || buffer_puts(b, " uuid=", err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(img->sif->uuid); i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;
		if (buffer_printf(b, err, "%s%02x", dash ? "-" : "", img->sif->uuid[i]) < 0)
			return -1;
	}
	return buffer_puts(b, " sha256=", err) < 0 ? -1
						   : buffer_hex(b, digest, sizeof(digest), err);
}

static int put_start(struct buffer *b, const char *id, const struct image *img,
		     const struct key *key, enum run_action action, struct error **err)
{
	const struct passwd *pw = account_user(getuid());
	const struct seal *seal = image_seal(img);
	const char *kind = seal ? seal->name : img->format->name;
	if (buffer_printf(b, err, "start id=%s uid=%u user=", id, (unsigned)getuid()) < 0 ||
	    put_quoted(b, pw ? pw->pw_name : "", err) < 0 || put_login_id(b, err) < 0 ||
	    buffer_printf(b, err, " action=%s kind=%s", actions[action], kind) < 0 ||
	    put_sif(b, img, err) < 0 || buffer_puts(b, " key=", err) < 0 ||
	    key_describe(key, b, err) < 0 || buffer_puts(b, " image=", err) < 0)
		return -1;
	/* Last: logs cut long records, and how long a name is its user says. */
	return put_quoted(b, img->path, err);
}

int run_audit_start(const struct config *c, const struct image *img, const struct key *key,
		    enum run_action action, struct run_audit *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer words = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	uint64_t id;
	*ret = (struct run_audit){ 0 };
	if (c->audit == CONFIG_AUDIT_NO)
		return 0;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return error_errno(err, errno, "get random numbers");
	snprintf(ret->id, sizeof(ret->id), "%016" PRIx64, id);
	if (put_start(&words, ret->id, img, key, action, err) < 0)
		return -1;
	if (send_record(&words, &failed) == 0)
		return 0;
	if (c->audit != CONFIG_AUDIT_REQUIRED) {
		log_warning("No audit record: %s", error_message(failed));
		return 0;
	}
	error_set(err, ERROR_POLICY, "nothing is run without an audit record: %s",
		  error_message(failed));
	return error_hint(err, "`audit log = required` in the site configuration: the system's log "
			       "must be running");
}

void run_audit_end(const struct run_audit *audit, int status, const struct error *failed)
{
	CLEANUP_BUFFER struct buffer words = { 0 };
	CLEANUP_ERROR struct error *error = NULL;
	if (!*audit->id)
		return;
	int r = buffer_printf(&words, &error, "end id=%s ", audit->id);
	if (r == 0)
		r = failed ? buffer_puts(&words, "failed=", &error)
			   : buffer_printf(&words, &error, "status=%d", status);
	if (r == 0 && failed)
		r = put_quoted(&words, error_message(failed), &error);
	if (r < 0 || send_record(&words, &error) < 0)
		log_warning("No audit record of the end: %s", error_message(error));
}
