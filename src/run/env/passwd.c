/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* runtime.md 8. */

/*
 * The image's /etc/passwd is kept but for the line of the payload's number, which becomes the
 * user's, or is added: programs inside shall find the user they run as. Groups are added at the
 * end. What the image has in passwd is parsed or refused, since a line that is cut otherwise would
 * be another user; what is added is cleaned.
 */
enum { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, FIELDS };

static bool parse_id(const char *text, unsigned long *ret)
{
	char *end;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *ret <= UINT32_MAX;
}

/* A field that came from the user's directory must not break the line. */
static const char *clean(const char *text)
{
	return text && !strpbrk(text, ":\n") ? text : "";
}

static int add_entry(const struct run_plan *plan, char *const *field, struct buffer *ret,
		     struct error **err)
{
	bool root = plan->inside_uid == 0;
	return buffer_printf(ret, err, "%s:%s:%s:%s:%s:%s:%s\n",
			     root ? field[NAME] : clean(plan->user), field[PASSWORD], field[UID],
			     field[GID], root ? field[GECOS] : clean(plan->gecos),
			     clean(plan->home), field[SHELL]);
}

int run_passwd_text(const char *old, const struct run_plan *plan, struct buffer *ret,
		    struct error **err)
{
	bool found = false;
	CLEANUP_TEXT char *copy = text_dup(old, err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *field[FIELDS], *at = line;
		size_t count = 0;
		unsigned long uid;
		if (!*line)
			continue;
		CLEANUP_TEXT char *whole = text_dup(line, err);
		if (!whole)
			return -1;
		for (char *f; count < FIELDS && (f = strsep(&at, ":"));)
			field[count++] = f;
		if (count < FIELDS || at || !parse_id(field[UID], &uid))
			return error_set(err, ERROR_DAMAGED,
					 "a line of the image's passwd file cannot be read");
		if (uid == plan->inside_uid && !found) {
			found = true;
			if (add_entry(plan, field, ret, err) < 0)
				return -1;
		} else if (buffer_printf(ret, err, "%s\n", whole) < 0) {
			return -1;
		}
	}
	if (found)
		return 0;
	return buffer_printf(ret, err, "%s:x:%u:%u:%s:%s:%s\n", clean(plan->user),
			     (unsigned)plan->inside_uid, (unsigned)plan->inside_gid,
			     clean(plan->gecos), clean(plan->home),
			     *clean(plan->shell) ? plan->shell : "/bin/sh");
}

int run_group_text(const char *old, const struct run_plan *plan, struct buffer *ret,
		   struct error **err)
{
	size_t len = strlen(old);
	if (buffer_append(ret, old, len, err) < 0 ||
	    (len && old[len - 1] != '\n' && buffer_puts(ret, "\n", err) < 0))
		return -1;
	for (size_t i = 0; i < plan->groups.len; i++) {
		if (buffer_printf(ret, err, "%s\n", plan->groups.items[i]) < 0)
			return -1;
	}
	return 0;
}
