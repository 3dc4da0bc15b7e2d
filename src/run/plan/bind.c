/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of --bind and --mount (runtime.md 10.1 and 10.2): cut, unquoted, made absolute. Nothing
 * is looked at on the disk; whether a source exists and where a target lies is for binds.c and
 * layer.c.
 */
#include "run/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void run_binds_free(struct run_binds *b)
{
	for (size_t i = 0; i < b->len; i++) {
		free(b->items[i].source);
		free(b->items[i].target);
		free(b->items[i].image_src);
	}
	free(b->items);
	*b = (struct run_binds){ 0 };
}

/* What options may say of a bind, in either grammar. */
struct options {
	bool read_only, nested;
	const char *image_src; /* or NULL */
	const char *id;	       /* or NULL */
};

/* The number of a SIF's partition, in the words that strconv.ParseUint has. */
static int partition_id(const char *text, uint32_t *ret, struct error **err)
{
	char *end = NULL;
	errno = 0;
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (end && !*end && !errno && n <= UINT32_MAX) {
		*ret = (uint32_t)n;
		return 0;
	}
	bool range = end && !*end;
	return error_set(err, ERROR_USAGE,
			 "container creation failed: while parsing id bind option: "
			 "strconv.ParseUint: parsing \"%s\": %s",
			 text, range ? "value out of range" : "invalid syntax");
}

/* Adds one, its texts copied; the source is made absolute. */
static int add(struct run_binds *ret, const char *source, const char *target,
	       const struct options *options, struct error **err)
{
	uint32_t id = 0;
	bool image = options->image_src || options->id;
	if (*target != '/')
		return error_set(err, ERROR_USAGE,
				 "container creation failed: unable to add %s to mount list: "
				 "destination must be an absolute path",
				 source);
	CLEANUP_TEXT char *from = path_absolute(source, err);
	CLEANUP_TEXT char *to = from ? path_absolute(target, err) : NULL;
	const char *within = options->image_src && *options->image_src ? options->image_src : "/";
	CLEANUP_TEXT char *part = to && image ? text_dup(within, err) : NULL;
	if (!to || (image && !part) || (options->id && partition_id(options->id, &id, err) < 0))
		return -1;
	struct run_bind *grown =
		array_grow(ret->items, ret->len, &ret->cap, sizeof(*ret->items), err);
	if (!grown)
		return -1;
	ret->items = grown;
	ret->items[ret->len++] = (struct run_bind){
		.source = take_pointer(&from),
		.target = take_pointer(&to),
		.read_only = options->read_only,
		.nested = options->nested,
		.image_src = take_pointer(&part),
		.id = id,
	};
	return 0;
}

#define BIND_WORDS                                                                             \
	"While setting bind mount configuration: while parsing bind path: while getting bind " \
	"path: "

static bool is_of_image(const char *word)
{
	return !strncmp(word, "image-src=", 10) || !strncmp(word, "id=", 3);
}

static bool is_option(const char *word)
{
	return !strcmp(word, "ro") || !strcmp(word, "rw") || is_of_image(word);
}

/* SRC[:DST[:OPTION]] cut at its colons, "\:" and "\," in the source made literal. */
struct spec {
	char *part[3];
	size_t count;
	struct options options;
};

/*
 * Cuts a whole -B argument into words: at commas, which are literal after a backslash; each word
 * at colons likewise. Works in place: *at moves behind the word.
 */
static int cut(char **at, struct spec *spec, struct error **err)
{
	char *from = *at, *to = *at;
	*spec = (struct spec){ .part = { to }, .count = 1, .options = { .nested = true } };
	for (; *from && *from != ','; from++) {
		if (from[0] == '\\' && (from[1] == ':' || from[1] == ',') && spec->count == 1) {
			*to++ = *++from;
		} else if (*from == ':') {
			if (spec->count == 3)
				return error_set(err, ERROR_USAGE, BIND_WORDS "bad bind syntax: %s",
						 *at);
			*to++ = '\0';
			spec->part[spec->count++] = to;
		} else {
			*to++ = *from;
		}
	}
	*at = *from ? from + 1 : from;
	*to = '\0';
	return 0;
}

static int option(struct spec *spec, const char *word, struct error **err)
{
	if (!is_option(word))
		return error_set(err, ERROR_USAGE, BIND_WORDS "%s is not a valid bind option",
				 word);
	const char *value = strchr(word, '=');
	if (!value)
		/* Once asked for, "ro" stays. */
		spec->options.read_only |= !strcmp(word, "ro");
	else if (*word == 'i' && word[1] == 'd')
		spec->options.id = value + 1;
	else
		spec->options.image_src = value + 1;
	return 0;
}

/* Options go on after commas: only words that can be nothing else. */
static int more_options(char **at, struct spec *spec, struct error **err)
{
	while (**at) {
		size_t len = strcspn(*at, ",");
		char kept = (*at)[len];
		(*at)[len] = '\0';
		if (!is_option(*at)) {
			(*at)[len] = kept;
			return 0;
		}
		if (option(spec, *at, err) < 0)
			return -1;
		*at += len + (kept == ',');
	}
	return 0;
}

int run_bind_parse(const char *argument, struct run_binds *ret, struct error **err)
{
	CLEANUP_TEXT char *copy = text_dup(argument, err);
	if (!copy)
		return -1;
	for (char *at = copy; *at;) {
		struct spec spec;
		if (cut(&at, &spec, err) < 0)
			return -1;
		if (spec.count == 3 && option(&spec, spec.part[2], err) < 0)
			return -1;
		if (spec.count == 3 && more_options(&at, &spec, err) < 0)
			return -1;
		const char *source = spec.part[0];
		const char *target = spec.count > 1 ? spec.part[1] : "";
		if (!*source && !*target)
			continue;
		if (!*source)
			source = target;
		if (!*target)
			target = source;
		CLEANUP_TEXT char *whole = NULL;
		if (spec.count == 1) {
			/* The destination is then the source, made absolute with it. */
			whole = path_absolute(source, err);
			if (!whole)
				return -1;
			target = whole;
		}
		if (add(ret, source, target, &spec.options, err) < 0)
			return -1;
	}
	return 0;
}

/* One field of a CSV record: in place; quotes are taken off, "" inside them is one quote. */
static char *csv_field(char **at)
{
	char *from = *at, *to = *at, *start = *at;
	bool quoted = *from == '"';
	if (quoted)
		from++;
	for (; *from; from++) {
		if (quoted && *from == '"') {
			if (from[1] != '"') {
				quoted = false;
				continue;
			}
			from++;
		} else if (!quoted && *from == ',') {
			break;
		}
		*to++ = *from;
	}
	*at = *from ? from + 1 : NULL;
	*to = '\0';
	return start;
}

static bool one_of(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

/* Where the parts of a record of --mount are, in its own text. */
struct record {
	const char *source, *target;
	struct options options;
};

static int read_record(char *text, struct record *ret, struct error **err)
{
	const char *source = NULL, *target = NULL;
	struct options options = { .nested = true };
	for (char *at = text; at;) {
		char *key = csv_field(&at);
		char *value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		if (!strcmp(key, "type")) {
			if (!value || strcmp(value, "bind") != 0)
				return error_set(err, ERROR_USAGE,
						 "unsupported mount type \"%s\", only 'bind' is "
						 "supported",
						 value ? value : "");
		} else if (one_of(key, "source", "src", "src")) {
			source = value;
		} else if (one_of(key, "destination", "dst", "target")) {
			target = value;
		} else if (one_of(key, "ro", "readonly", "ro")) {
			options.read_only = true;
		} else if (!strcmp(key, "nonested")) {
			options.nested = false;
		} else if (!strcmp(key, "image-src")) {
			options.image_src = value ? value : "";
		} else if (!strcmp(key, "id")) {
			options.id = value ? value : "";
		} else if (!strcmp(key, "bind-propagation")) {
			return error_set(err, ERROR_USAGE,
					 "bind-propagation not supported for individual mounts, "
					 "check apptainer.conf for global setting");
		} else {
			return error_set(err, ERROR_USAGE,
					 "invalid key \"%s\" in mount specification", key);
		}
	}
	if (!source || !*source || !target || !*target)
		return error_set(err, ERROR_USAGE,
				 "mounts must specify a source and a destination");
	*ret = (struct record){ .source = source, .target = target, .options = options };
	return 0;
}

static int mount_record(const char *text, struct run_binds *ret, struct error **err)
{
	struct record record = { 0 };
	CLEANUP_TEXT char *copy = text_dup(text, err);
	if (!copy)
		return -1;
	if (read_record(copy, &record, err) < 0)
		return error_wrap(err,
				  "While setting bind mount configuration: while parsing mount "
				  "\"%s\"",
				  text);
	return add(ret, record.source, record.target, &record.options, err);
}

int run_mount_parse(const char *records, struct run_binds *ret, struct error **err)
{
	CLEANUP_TEXT char *copy = text_dup(records, err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *record; (record = strsep(&rest, "\n"));) {
		if (*record && mount_record(record, ret, err) < 0)
			return -1;
	}
	return 0;
}
