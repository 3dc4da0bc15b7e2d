/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_JSON_JSON_H
#define COFFER_JSON_JSON_H

#include "base/base.h"

/*
 * The door of json/: one reader and one writer for all JSON.
 *
 * The reader is for strangers' texts. It takes what RFC 8259 says and no more, within limits that
 * the caller names: json-c parses, and json/ looks at what json-c does not (members that are there
 * twice, NULs in names, how many values there are). Nothing passes that is no UTF-8 or ends before
 * the text does. Each message begins with what is read and the path of the member that it is about:
 * "LUKS2 header: keyslots.0.kdf.memory is too small".
 */

/* Levels of lists and objects, at most, whatever a caller names. */
#define JSON_DEPTH_MAX 64

struct json_limits {
	const char *what; /* for the messages, which it begins: "LUKS2 header"; borrowed */
	size_t bytes;	  /* of the text */
	unsigned depth;	  /* levels, a value in the outermost object counting as one more */
	size_t values;	  /* members and items in all */
	/* Of members of one name the last counts, as it does for Go's decoder; else an error. */
	bool last_counts;
};

struct json; /* a text that was read */

/*
 * Reads a whole text. ERROR_LIMIT where it is over one, ERROR_DAMAGED where it is no JSON.
 * What was read is owned by the caller.
 */
int json_read(const char *text, size_t len, const struct json_limits *limits, struct json **ret,
	      struct error **err);
void json_free(struct json **j);
#define CLEANUP_JSON __attribute__((cleanup(json_free)))

/* Appends the text with U+FFFD for each byte that is no UTF-8, as Go's decoder takes it. */
int json_mend(const char *text, size_t len, struct buffer *ret, struct error **err);

/* ------------------------------------------------------------------ values (get.c) */

enum json_kind {
	JSON_NULL,
	JSON_SWITCH,
	JSON_NUMBER,
	JSON_REAL,
	JSON_TEXT,
	JSON_LIST,
	JSON_OBJECT
};

/*
 * A value in its place, borrowed of the struct json. `path` is where: "keyslots.0.kdf", "" for the
 * outermost; it is cut where it is too long for a message, names that could not be shown are not.
 */
struct json_at {
	const struct json *json;
	const void *value;
	char path[112];
};
struct json_at json_root(const struct json *j);
enum json_kind json_kind(const struct json_at *at);

/*
 * Errors about a member of `at`, or about `at` itself where it is "". They return -1.
 * json_unsupported shows the value where it is harmless.
 */
int json_damaged(const struct json_at *at, const char *member, const char *why, struct error **err);
int json_unsupported(const struct json_at *at, const char *member, const char *value,
		     struct error **err);
int json_over_limit(const struct json_at *at, const char *member, uint64_t limit,
		    struct error **err);
/* A text of the file as it may be shown in a message: itself, or "(unprintable)". */
const char *json_shown(const char *text);

/* Whether an object has the member, of whatever kind; *ret, if any, is then that. */
bool json_find(const struct json_at *at, const char *member, struct json_at *ret);
/* Members that must be there, and of that kind. */
int json_get(const struct json_at *at, const char *member, enum json_kind kind, struct json_at *ret,
	     struct error **err);
/* A whole number; what does not fit 64 bits is over any limit below UINT64_MAX. */
int json_get_number(const struct json_at *at, const char *member, uint64_t min, uint64_t max,
		    uint64_t *ret, struct error **err);
/* A text without NUL in it; borrowed. */
int json_get_text(const struct json_at *at, const char *member, const char **ret,
		  struct error **err);
/* A copy of it, which is the caller's. */
int json_get_copy(const struct json_at *at, const char *member, char **ret, struct error **err);
/* One of a list that ends with NULL; *ret points into the list. */
int json_get_choice(const struct json_at *at, const char *member, const char *const *list,
		    const char **ret, struct error **err);
#define JSON_CHOICE(at, member, ret, err, ...) \
	json_get_choice(at, member, (const char *const[]){ __VA_ARGS__, NULL }, ret, err)
/* Refuses members of an object that are not in the list, which ends with NULL. */
int json_only(const struct json_at *at, const char *const *list, struct error **err);
#define JSON_ONLY(at, err, ...) json_only(at, (const char *const[]){ __VA_ARGS__, NULL }, err)

/* The text itself, with its length: it may have NULs in it. NULL where it is none. */
const char *json_text(const struct json_at *at, size_t *ret_len);
/* Whether it is true: false of all that is something else. */
bool json_is_true(const struct json_at *at);
/* The text itself where it has no NUL in it, as json_get_text; borrowed. */
int json_own_text(const struct json_at *at, const char **ret, struct error **err);
/* How many members or items; 0 of what is neither. */
size_t json_count(const struct json_at *at);
/* The item of a list, in its place: "flags.3". */
struct json_at json_item(const struct json_at *list, size_t i);
/*
 * The members of an object by turns, in the order of the text: *cursor is NULL before the first.
 * Returns false behind the last. The name is borrowed.
 */
bool json_next(const struct json_at *object, const void **cursor, const char **name,
	       struct json_at *ret);

/* ------------------------------------------------------------------ writing (write.c) */

/* Appends a JSON string as Go's encoder writes it: sif.md 8.3. */
int json_put_string(struct buffer *b, const char *text, size_t len, struct error **err);
/*
 * The same text as it is after being read and written once more, as Apptainer does for a SIF: what
 * stood for a bad byte is a character then.
 */
void json_decode_bad(struct buffer *b);

/* Writes nested objects: in one line, or one member a line with a tab a level. */
struct json_writer {
	struct buffer *out;
	bool lines;
	unsigned depth;
	bool more; /* the innermost object has a member already */
};
/* key: the name of a member of the object that was begun last; NULL for the outermost. */
int json_begin(struct json_writer *w, const char *key, struct error **err);
int json_end(struct json_writer *w, struct error **err);
int json_put_key(struct json_writer *w, const char *key, struct error **err);
int json_put_text(struct json_writer *w, const char *key, const char *text, size_t len,
		  struct error **err);

#endif
