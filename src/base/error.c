/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The header's words for the analyzer. */
#undef error_set
#undef error_errno
#undef error_no_memory
#undef error_wrap
#undef error_hint
#undef error_at
#undef error_keep_fact
#undef error_set_kind
#undef error_set_exit_status

struct error {
	enum error_kind kind;
	enum error_place place;
	int errnum;
	int exit_status;
	char *message;	 /* owned; NULL only in out_of_memory */
	size_t fact_len; /* of its end: what was said at the place; 0: all of it */
	char *hint;	 /* owned, or NULL */
};

/* Given out when there is no memory for a real one; never changed, never freed. */
static struct error out_of_memory = { .kind = ERROR_MEMORY, .errnum = ENOMEM };

static int error_make(struct error **err, enum error_kind kind, int errnum, char *message)
{
	assert(err && !*err);
	struct error *e = message ? calloc(1, sizeof(*e)) : NULL;
	if (!e) {
		free(message);
		*err = &out_of_memory;
		return -1;
	}
	e->kind = kind;
	e->errnum = errnum;
	e->message = message;
	*err = e;
	return -1;
}

static char *format(const char *fmt, va_list ap)
{
	char *s = NULL;
	return vasprintf(&s, fmt, ap) < 0 ? NULL : s;
}

static enum error_kind kind_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return ERROR_NOT_FOUND;
	case EEXIST:
		return ERROR_EXISTS;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return ERROR_MEMORY;
	case EPERM:
	case EACCES:
	case ENOSYS:
	case ENODEV:
	case EUSERS:
		return ERROR_SYSTEM;
	default:
		return ERROR_IO;
	}
}

int error_set(struct error **err, enum error_kind kind, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *message = format(fmt, ap);
	va_end(ap);
	return error_make(err, kind, 0, message);
}

int error_errno(struct error **err, int errnum, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *what = format(fmt, ap);
	va_end(ap);
	/* The kernel's words stand inside a sentence, and scripts know them in small letters. */
	const char *words = strerror(errnum);
	bool capital = words[0] && islower((unsigned char)words[1]);
	char *message = NULL;
	if (what && asprintf(&message, "%s: %c%s", what,
			     capital ? tolower((unsigned char)words[0]) : words[0],
			     words[0] ? words + 1 : "") < 0)
		message = NULL;
	free(what);
	(void)error_make(err, kind_of_errno(errnum), errnum, message);
	/* There is no second way for what is missing (base/path.h): each would be a weaker one. */
	if (errnum == ENOSYS)
		error_hint(err, "coffer needs Linux 5.12 or newer, and no filter round it that "
				"hides its system calls");
	else if (errnum == EMFILE)
		error_hint(err, "raise the limit of open files (ulimit -n), then try again");
	else if (errnum == EFBIG)
		error_hint(err, "raise the limit of the size of files (ulimit -f), or take a file "
				"system that has larger ones");
	return -1;
}

/* A real error where there is memory for that, so that callers can put their context in front. */
int error_no_memory(struct error **err)
{
	return error_set(err, ERROR_MEMORY, "out of memory");
}

int error_wrap(struct error **err, const char *fmt, ...)
{
	assert(err && *err);
	struct error *e = *err;
	if (e == &out_of_memory)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	char *context = format(fmt, ap);
	va_end(ap);
	char *message = NULL;
	if (context && asprintf(&message, "%s: %s", context, e->message) >= 0) {
		free(e->message);
		e->message = message;
	}
	free(context);
	return -1;
}

int error_hint(struct error **err, const char *fmt, ...)
{
	assert(err && *err);
	struct error *e = *err;
	if (e == &out_of_memory || e->hint)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	e->hint = format(fmt, ap);
	va_end(ap);
	return -1;
}

int error_at(struct error **err, enum error_place place)
{
	assert(err && *err);
	struct error *e = *err;
	if (e == &out_of_memory || e->place != PLACE_NONE)
		return -1;
	e->place = place;
	e->fact_len = strlen(e->message);
	return -1;
}

int error_keep_fact(struct error **err)
{
	assert(err && *err);
	struct error *e = *err;
	if (e->fact_len)
		memmove(e->message, error_fact(e), e->fact_len + 1);
	return -1;
}

int error_set_kind(struct error **err, enum error_kind kind)
{
	assert(err && *err);
	if (*err != &out_of_memory)
		(*err)->kind = kind;
	return -1;
}

int error_set_exit_status(struct error **err, int status)
{
	assert(err && *err);
	if (*err != &out_of_memory)
		(*err)->exit_status = status;
	return -1;
}

int error_exit_status(const struct error *err)
{
	return err->exit_status;
}

enum error_kind error_kind(const struct error *err)
{
	return err->kind;
}

const char *error_message(const struct error *err)
{
	return err == &out_of_memory ? "out of memory" : err->message;
}

enum error_place error_place(const struct error *err)
{
	return err->place;
}

const char *error_fact(const struct error *err)
{
	const char *message = error_message(err);
	return err->fact_len ? message + strlen(message) - err->fact_len : message;
}

const char *error_hint_text(const struct error *err)
{
	return err->hint;
}

int error_to_errno(const struct error *err)
{
	if (err->errnum)
		return err->errnum;
	switch (err->kind) {
	case ERROR_NOT_FOUND:
		return ENOENT;
	case ERROR_EXISTS:
		return EEXIST;
	case ERROR_MEMORY:
		return ENOMEM;
	case ERROR_USAGE:
		return EINVAL;
	case ERROR_UNSUPPORTED:
		return EOPNOTSUPP;
	case ERROR_SYSTEM:
	case ERROR_POLICY:
	case ERROR_KEY_MISSING:
	case ERROR_KEY_INVALID:
	case ERROR_KEY_WRONG:
		return EACCES;
	default:
		return EIO;
	}
}

void error_free(struct error **err)
{
	struct error *e = *err;
	*err = NULL;
	if (!e || e == &out_of_memory)
		return;
	free(e->message);
	free(e->hint);
	free(e);
}
