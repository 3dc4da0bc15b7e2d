/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_LIMIT ((size_t)1 << 20)

static void reader_free(struct config_reader *r)
{
	for (size_t i = 0; i < config_directive_count; i++)
		strings_free(&r->lists[i]);
}
#define CLEANUP_READER __attribute__((cleanup(reader_free)))

/* ------------------------------------------------------------------ lines */

/*
 * The value as it was meant: without the quotes round it, or a comment behind it, which begins with
 * a blank and a #. NULL with *err set where that is not clear.
 */
static char *value_of(const struct config_reader *r, char *text, struct error **err)
{
	text = config_trim(text);
	char quote = *text;
	if (quote == '"' || quote == '\'') {
		char *end = strchr(text + 1, quote);
		if (!end) {
			config_refuse(r, err, "a quotation mark is not closed");
			return NULL;
		}
		*end = '\0';
		const char *behind = config_trim(end + 1);
		if (*behind && *behind != '#') {
			config_refuse(r, err, "there is something behind the quotation marks: %s",
				      behind);
			return NULL;
		}
		return text + 1;
	}
	if (*text == '#')
		*text = '\0';
	for (char *at = text; (at = strchr(at, '#')); at++) {
		if (!strchr(CONFIG_BLANKS, at[-1]))
			continue;
		*at = '\0';
		break;
	}
	if (strpbrk(text, "\"'")) {
		config_refuse(r, err, "quotation marks go round the whole value, not into it");
		return NULL;
	}
	return config_trim(text);
}

/* Two blanks and tabs between words are as good as one blank. */
static char *name_of(char *text)
{
	char *to = text = config_trim(text);
	for (const char *at = text; *at; at++) {
		if (!strchr(CONFIG_BLANKS, *at))
			*to++ = *at;
		else if (to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
	return text;
}

static int refuse_unknown(const struct config_reader *r, const char *name, struct error **err)
{
	const struct config_directive *near = config_nearest(name);
	if (near)
		return config_refuse(r, err, "there is no directive \"%s\": \"%s\" is meant?", name,
				     near->name);
	return config_refuse(r, err, "there is no directive \"%s\"", name);
}

static int take_line(struct config_reader *r, char *line, struct error **err)
{
	line = config_trim(line);
	if (!*line || *line == '#')
		return 0;
	for (const char *at = line; *at; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return config_refuse(r, err, "it holds a control character");
	char *equals = strchr(line, '=');
	if (!equals)
		return config_refuse(r, err, "\"%s\" is no \"directive = value\"", line);
	*equals = '\0';
	const char *name = name_of(line);
	const struct config_directive *d = config_find(name);
	if (!d)
		return refuse_unknown(r, name, err);
	char *value = value_of(r, equals + 1, err);
	if (!value)
		return -1;
	size_t *seen = &r->seen[d - config_directives];
	bool list = d->type == CONFIG_LIST || d->type == CONFIG_PATHS;
	if (*seen && !list)
		return config_refuse(r, err, "\"%s\" was said in line %zu", name, *seen);
	*seen = r->line;
	if (!*value && d->type != CONFIG_TEXT)
		return config_refuse(r, err, "\"%s\" has no value", name);
	return config_set(r, d, value, err);
}

/* ------------------------------------------------------------------ files */

/* Goes on after a fault where there is somebody to report it to. */
static int take_lines(struct config_reader *r, struct buffer *text,
		      void (*report)(void *context, const struct error *fault), void *context,
		      struct error **err)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8 */
	int faults = 0;
	r->line = 1;
	if (text->len && memchr(text->data, 0, text->len))
		return config_refuse(r, err, "the file holds a NUL byte");
	char *rest = text->data;
	if (rest && !strncmp(rest, mark, strlen(mark)))
		rest += strlen(mark);
	for (char *line; rest && (line = strsep(&rest, "\n")); r->line++) {
		if (take_line(r, line, err) == 0)
			continue;
		if (!report)
			return -1;
		report(context, *err);
		error_free(err);
		faults++;
	}
	return faults;
}

int config_default(struct config *c, struct error **err)
{
	*c = (struct config){ 0 };
	CLEANUP_READER struct config_reader r = { .c = c, .path = "(default)" };
	for (size_t i = 0; i < config_directive_count; i++) {
		const struct config_directive *d = &config_directives[i];
		if (d->effect != CONFIG_OBEYED || !d->initial)
			continue;
		CLEANUP_TEXT char *value = text_dup(d->initial, err);
		if (!value || config_set(&r, d, value, err) < 0)
			return -1;
	}
	return config_end_lists(&r, err);
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < config_directive_count; i++) {
		const struct config_directive *d = &config_directives[i];
		void *member = (char *)c + d->at;
		if (d->effect != CONFIG_OBEYED)
			continue;
		if (d->type == CONFIG_LIST || d->type == CONFIG_PATHS)
			strings_free(member);
		if (d->type == CONFIG_FILE)
			text_free(member);
	}
}

static int parse(struct config *c, const char *path, bool tighten, struct buffer *text,
		 struct error **err)
{
	CLEANUP_READER struct config_reader r = { .c = c, .path = path, .tighten = tighten };
	return take_lines(&r, text, NULL, NULL, err) < 0 ? -1 : config_end_lists(&r, err);
}

int config_parse(struct config *c, const char *path, struct buffer *text, struct error **err)
{
	return parse(c, path, false, text, err);
}

int config_tighten(struct config *c, const char *path, struct buffer *text, struct error **err)
{
	return parse(c, path, true, text, err);
}

static int open_file(const char *path, struct error **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno,
				   "While initializing: couldn't parse configuration file %s: open "
				   "%s",
				   path, path);
	return fd;
}

static int read_file(struct config *c, const char *path, bool site, bool tighten,
		     struct error **err)
{
	CLEANUP_FD int fd = open_file(path, err);
	if (fd < 0 && site && error_kind(*err) == ERROR_NOT_FOUND) {
		error_free(err);
		return 0;
	}
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd < 0 || config_check_owner(fd, path, site, err) < 0 ||
	    fd_read_all(fd, CONFIG_LIMIT, path, &text, err) < 0)
		return -1;
	return parse(c, path, tighten, &text, err);
}

int config_read(struct config *c, const char *site, const char *asked, struct error **err)
{
	bool administrator = getuid() == 0 && process_in_first_user_namespace();
	if (config_check_ecl(site, err) < 0)
		return -1;
	if (asked && administrator)
		return read_file(c, asked, false, false, err);
	if (read_file(c, site, true, false, err) < 0)
		return -1;
	return asked ? read_file(c, asked, false, true, err) : 0;
}

int config_open_named(const char *path, struct error **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (config_check_owner(fd, path, true, err) < 0)
		fd_close(&fd);
	return fd;
}

int config_check(struct config *c, const char *path,
		 void (*report)(void *context, const struct error *fault), void *context,
		 struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_READER struct config_reader r = { .c = c, .path = path };
	CLEANUP_FD int fd = open_file(path, err);
	if (fd < 0 || fd_read_all(fd, CONFIG_LIMIT, path, &text, err) < 0)
		return -1;
	return take_lines(&r, &text, report, context, err);
}

int config_print_directives(struct buffer *ret, struct error **err)
{
	static const char *const effects[] = { "obeyed", "harmless", "refused" };
	for (size_t i = 0; i < config_directive_count; i++) {
		const struct config_directive *d = &config_directives[i];
		if (buffer_printf(ret, err, "%s\t%s\t%s\n", d->name, effects[d->effect],
				  d->initial ? d->initial : "") < 0)
			return -1;
	}
	return 0;
}
