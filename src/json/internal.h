/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_JSON_INTERNAL_H
#define COFFER_JSON_INTERNAL_H

#include "json/json.h"

struct json_object;

struct json {
	const char *what;
	struct json_object *root; /* NULL: null */
};

/* text.c: the length of the well-formed UTF-8 character at p, or 0: RFC 3629, section 4. */
size_t json_utf8_len(const unsigned char *p, size_t left);

/*
 * scan.c: what json-c does not tell of a text. It looks at quotation marks, brackets and colons
 * alone; what it says holds for a text that json-c takes as JSON, whole and strictly.
 */
struct json_scan {
	size_t *members; /* of each object, in the order in which they begin; owned */
	size_t objects, cap;
	size_t values; /* members and items, and one */
	bool bad;      /* no JSON: a control character in a text, a NUL in a name, brackets */
};
/* Stops where the text is bad, too deep, or has too many values. */
int json_scan(const char *text, size_t len, const struct json_limits *limits, struct json_scan *ret,
	      struct error **err);
void json_scan_free(struct json_scan *s);
#define CLEANUP_SCAN __attribute__((cleanup(json_scan_free)))

#endif
