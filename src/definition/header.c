/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/internal.h"

#include <stdlib.h>
#include <string.h>

#include "definition/format.h"

/* The lines above the first section of a stage: deffile.md 2. */

static const char *const header_keys[] = {
	"bootstrap", "from",	"includecmd", "mirrorurl",   "updateurl", "osversion",
	"include",   "library", "registry",   "namespace",   "stage",	  "product",
	"user",	     "regcode", "productpgp", "registerurl", "modules",	  "fingerprints",
	"confurl",   "setopt",	"target",     "frontend",    "filename",  "buildargs",
};

static bool header_key_known(const char *key)
{
	for (size_t i = 0; i < sizeof(header_keys) / sizeof(header_keys[0]); i++)
		if (!strcmp(header_keys[i], key))
			return true;
	/* otherurlN, with at least one digit. */
	return !strncmp(key, "otherurl", 8) && key[8] && !key[8 + strspn(key + 8, "0123456789")];
}

int definition_put_header(struct definition *d, struct span key_span, struct buffer *value,
			  struct error **err)
{
	CLEANUP_TEXT char *key = span_dup_lower(span_trim(key_span), err);
	if (!key)
		return -1;
	if (!header_key_known(key))
		return error_set(err, ERROR_DAMAGED,
				 "failed to parse deffile header: invalid header keyword found: %s",
				 key);
	CLEANUP_TEXT char *text = buffer_steal(value, err);
	if (!text)
		return -1;
	for (size_t i = 0; i < d->header_count; i++) {
		if (strcmp(d->header[i].key, key) != 0)
			continue;
		free(d->header[i].value);
		d->header[i].value = take_pointer(&text);
		return 0;
	}
	if (d->header_count >= DEFINITION_HEADERS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d header lines",
				 DEFINITION_HEADERS_MAX);
	struct definition_pair *grown =
		array_grow(d->header, d->header_count, &d->header_cap, sizeof(*d->header), err);
	if (!grown)
		return -1;
	d->header = grown;
	d->header[d->header_count++] = (struct definition_pair){ .key = key, .value = text };
	key = text = NULL;
	return 0;
}

/* Takes the backslash at the end of a value off; false when there is none. */
static bool take_continuation(struct buffer *value)
{
	if (!value->len || value->data[value->len - 1] != '\\')
		return false;
	value->data[--value->len] = '\0';
	/* backslash, n, backslash: a real end of line (the values of Setopt have them). */
	if (value->len >= 2 && !memcmp(value->data + value->len - 2, "\\n", 2)) {
		value->data[value->len - 2] = '\n';
		value->data[--value->len] = '\0';
	}
	return true;
}

int definition_read_header(struct definition *d, struct span text, struct error **err)
{
	CLEANUP_BUFFER struct buffer value = { 0 };
	struct span line, key = { 0 };
	bool going_on = false;
	while (span_line(&text, &line)) {
		line = span_trim(span_before(line, '#'));
		if (!line.len) {
			/* The original crashes here after a continuation; its words end with it. */
			if (going_on && definition_put_header(d, key, &value, err) < 0)
				return -1;
			going_on = false;
			continue;
		}
		if (!going_on) {
			key = span_before(line, ':');
			if (key.len == line.len)
				return error_set(
					err, ERROR_DAMAGED,
					"failed to parse deffile header: header key %.*s had "
					"no val",
					(int)line.len, line.text);
			line = span_trim(span_of(key.text + key.len + 1, line.len - key.len - 1));
		}
		if (buffer_append(&value, line.text, line.len, err) < 0)
			return -1;
		going_on = take_continuation(&value);
		if (going_on && !value.len)
			going_on = false;
		else if (!going_on && definition_put_header(d, key, &value, err) < 0)
			return -1;
		if (!going_on)
			buffer_free(&value);
	}
	return going_on ? definition_put_header(d, key, &value, err) : 0;
}

const char *definition_header(const struct definition *d, const char *key)
{
	for (size_t i = 0; i < d->header_count; i++)
		if (!strcmp(d->header[i].key, key))
			return d->header[i].value;
	return NULL;
}
