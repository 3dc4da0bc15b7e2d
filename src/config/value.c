/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a directive's value does to struct config. */

int config_refuse(const struct config_reader *r, struct error **err, const char *fmt, ...)
{
	CLEANUP_TEXT char *words = NULL;
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&words, fmt, args) < 0)
		words = NULL;
	va_end(args);
	if (!words)
		return error_no_memory(err);
	error_set(err, ERROR_POLICY,
		  "While initializing: couldn't parse configuration file %s: line %zu: %s", r->path,
		  r->line, words);
	return error_hint(err, "`coffer config check %s` tells all that is wrong in it", r->path);
}

char *config_trim(char *text)
{
	text += strspn(text, CONFIG_BLANKS);
	size_t len = strlen(text);
	while (len && strchr(CONFIG_BLANKS, text[len - 1]))
		text[--len] = '\0';
	return text;
}

static void *member(const struct config_reader *r, size_t at)
{
	return (char *)r->c + at;
}

/* ------------------------------------------------------------------ values */

/* The place of a word in a blank-separated list, or -1. */
static int place_of(const char *words, const char *word)
{
	size_t len = strlen(word);
	int place = 0;
	for (const char *at = words; *at; place++) {
		size_t this = strcspn(at, " ");
		if (this == len && !memcmp(at, word, len))
			return place;
		at += this + (at[this] == ' ');
	}
	return -1;
}

/* The word at a place, copied; NULL on failure. */
static char *word_at(const char *words, unsigned place, struct error **err)
{
	while (place--)
		words += strcspn(words, " ") + 1;
	return text_dup_len(words, strcspn(words, " "), err);
}

static int refuse_looser(const struct config_reader *r, const struct config_directive *d,
			 const char *value, const char *site, struct error **err)
{
	return config_refuse(
		r, err,
		"\"%s = %s\" is not as tight as the site has it (%s): --config can only "
		"allow less",
		d->name, value, site);
}

static int set_word(struct config_reader *r, const struct config_directive *d, const char *value,
		    struct error **err)
{
	int place = place_of(d->words, value);
	if (place < 0)
		return config_refuse(r, err, "value authorized for directive \"%s\" are [%s]",
				     d->name, d->words);
	if (d->effect != CONFIG_OBEYED)
		return 0;
	bool *on = member(r, d->at);
	unsigned *word = member(r, d->at);
	unsigned now = d->type == CONFIG_SWITCH ? !*on : *word;
	if (r->tighten && now != (unsigned)place) {
		CLEANUP_TEXT char *site = word_at(d->words, now, err);
		if (!site)
			return -1;
		if (!d->tighter || place_of(d->tighter, value) > place_of(d->tighter, site))
			return refuse_looser(r, d, value, site, err);
	}
	if (d->type == CONFIG_SWITCH)
		*on = place == 0;
	else
		*word = (unsigned)place;
	return 0;
}

static int set_number(struct config_reader *r, const struct config_directive *d, const char *value,
		      struct error **err)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < d->min || n > d->max)
		return config_refuse(r, err, "'%s' is not a number%s%s from %llu to %llu", d->name,
				     d->unit ? " of " : "", d->unit ? d->unit : "",
				     (unsigned long long)d->min, (unsigned long long)d->max);
	if (d->effect != CONFIG_OBEYED)
		return 0;
	uint64_t *to = member(r, d->at);
	/* 0, where it is allowed, is no limit: each of the others is tighter. */
	if (r->tighten && n - 1 > *to - 1) {
		CLEANUP_TEXT char *site = text_printf(err, "%llu", (unsigned long long)*to);
		return site ? refuse_looser(r, d, value, site, err) : -1;
	}
	*to = n;
	return 0;
}

static int add_items(struct config_reader *r, const struct config_directive *d, char *value,
		     struct error **err)
{
	struct strings *list = &r->lists[d - config_directives];
	/* SRC[:DST] begins with a path, too. */
	bool paths = d->type == CONFIG_PATHS || !strcmp(d->name, "bind path");
	char *rest = value;
	for (char *item; (item = strsep(&rest, ","));) {
		item = config_trim(item);
		if (!*item)
			return config_refuse(r, err, "\"%s\" has an empty item", d->name);
		if (paths && *item != '/')
			return config_refuse(r, err, "\"%s\" of \"%s\" is no absolute path", item,
					     d->name);
		/* Folders are compared by their names. */
		if (d->type == CONFIG_PATHS && path_goes_up(item))
			return config_refuse(r, err, "\"%s\" of \"%s\" goes up with \"..\"", item,
					     d->name);
		if (strings_add(list, item, err) < 0)
			return -1;
	}
	return 0;
}

static int set_file(struct config_reader *r, const struct config_directive *d, const char *value,
		    struct error **err)
{
	char **to = member(r, d->at);
	if (*value != '/' || path_goes_up(value))
		return config_refuse(r, err, "\"%s\" of \"%s\" is no absolute path without \"..\"",
				     value, d->name);
	/* Nobody can tell which of two allows less. */
	if (r->tighten && (!*to || strcmp(*to, value) != 0))
		return refuse_looser(r, d, value, *to ? *to : "none", err);
	char *path = text_dup(value, err);
	if (!path)
		return -1;
	text_free(to);
	*to = path;
	return 0;
}

int config_set(struct config_reader *r, const struct config_directive *d, char *value,
	       struct error **err)
{
	bool as_usual = d->initial && !strcmp(value, d->initial);
	if (d->effect == CONFIG_REFUSED && d->type == CONFIG_TEXT && !as_usual) {
		config_refuse(r, err, "coffer has no \"%s\" to set", d->name);
		return error_hint(err, "take the line out, or leave its value empty");
	}
	switch (d->type) {
	case CONFIG_SWITCH:
	case CONFIG_WORD:
		if (set_word(r, d, value, err) < 0)
			return -1;
		break;
	case CONFIG_NUMBER:
		if (set_number(r, d, value, err) < 0)
			return -1;
		break;
	case CONFIG_LIST:
	case CONFIG_PATHS:
		return add_items(r, d, value, err);
	case CONFIG_FILE:
		return set_file(r, d, value, err);
	case CONFIG_TEXT:
		return 0;
	}
	if (d->effect == CONFIG_REFUSED && place_of(d->same, value) < 0) {
		config_refuse(r, err, "coffer cannot do \"%s = %s\"", d->name, value);
		return error_hint(err, "take the line out to go on without it");
	}
	return 0;
}

/* ------------------------------------------------------------------ lists */

/* Whether path is the folder or below it: whole components count. */
static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	while (len && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (path[len] == '/' || !path[len]);
}

/* Adds to *ret what of the site's list one item of the other leaves. */
static int add_common(const struct config_directive *d, const struct strings *site,
		      const char *asked, struct strings *ret, struct error **err)
{
	bool paths = d->type == CONFIG_PATHS;
	for (size_t i = 0; i < site->len; i++) {
		const char *item = site->items[i];
		if (paths ? is_within(asked, item) : !strcmp(asked, item))
			return strings_add(ret, asked, err);
		if (paths && is_within(item, asked) && strings_add(ret, item, err) < 0)
			return -1;
	}
	return 0;
}

static int end_list(struct config_reader *r, size_t i, struct error **err)
{
	const struct config_directive *d = &config_directives[i];
	struct strings *to = member(r, d->at), *from = &r->lists[i];
	bool *limits = d->limits ? member(r, d->limits) : NULL;
	bool given = r->seen[i] > 0;
	if (d->effect != CONFIG_OBEYED || (r->tighten && !given))
		return 0;
	if (r->tighten && (!limits || *limits)) {
		CLEANUP_STRINGS struct strings both = { 0 };
		for (size_t k = 0; k < from->len; k++)
			if (add_common(d, to, from->items[k], &both, err) < 0)
				return -1;
		strings_free(to);
		*to = both;
		both = (struct strings){ 0 };
	} else {
		/* With a file the default binds are gone, also when it names none. */
		strings_free(to);
		*to = *from;
		*from = (struct strings){ 0 };
	}
	if (limits)
		*limits |= given;
	return 0;
}

int config_end_lists(struct config_reader *r, struct error **err)
{
	for (size_t i = 0; i < config_directive_count; i++) {
		enum config_type type = config_directives[i].type;
		if ((type == CONFIG_LIST || type == CONFIG_PATHS) && end_list(r, i, err) < 0)
			return -1;
	}
	return 0;
}
