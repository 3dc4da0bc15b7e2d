/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CONFIG_INTERNAL_H
#define COFFER_CONFIG_INTERNAL_H

#include "config/config.h"
#include "os/os.h"

enum config_type {
	CONFIG_SWITCH, /* yes or no; a bool */
	CONFIG_WORD,   /* one of `words`; its place in them, an unsigned */
	CONFIG_NUMBER, /* a uint64_t */
	CONFIG_LIST,   /* commas part items, and more lines add to it; a struct strings */
	CONFIG_PATHS,  /* the same, of absolute paths of folders, each with all that is below */
	CONFIG_FILE,   /* the absolute path of one file; a char * */
	CONFIG_TEXT,   /* anything, also nothing */
};

/* One directive. What is said of it in coffer.conf(5) and dist/coffer.conf is said here. */
struct config_directive {
	const char *name;
	enum config_type type;
	enum config_effect {
		CONFIG_OBEYED,
		CONFIG_HARMLESS, /* whatever it says, coffer does the same and allows no more */
		CONFIG_REFUSED,	 /* `same` is what coffer does anyway; else it cannot be obeyed */
	} effect;
	size_t at;	   /* CONFIG_OBEYED: where in struct config */
	size_t limits;	   /* lists of what is allowed: a bool there says that there is one, or 0 */
	const char *words; /* CONFIG_WORD, in the order of its enum; CONFIG_SWITCH: "yes no" */
	const char *tighter; /* words, the tightest first; NULL: --config may not change it */
	uint64_t min, max;   /* CONFIG_NUMBER; a smaller one is tighter, 0 is no limit */
	const char *unit;
	const char *initial; /* the default as one would write it; NULL: none */
	const char *same; /* CONFIG_REFUSED: words that ask for nothing, blank-separated, or NULL */
};

/* A number as text, from its macro. */
#define CONFIG_TEXT_OF_(x) #x
#define CONFIG_TEXT_OF(x) CONFIG_TEXT_OF_(x)

#define CONFIG_DIRECTIVES_MAX 96
extern const struct config_directive config_directives[];
extern const size_t config_directive_count;

/* The directive of this name, or NULL; and the one that was probably meant, or NULL. */
const struct config_directive *config_find(const char *name);
const struct config_directive *config_nearest(const char *name);

/*
 * The reader. A file is understood as a whole or refused: there is no line that counts for nothing
 * but blank ones and comments, since a line that was to forbid something would then allow it.
 *
 * Over the defaults a directive sets its member. Over another file's values (`tighten`) it may set
 * what allows less, and lists are cut down to what both have.
 */
struct config_reader {
	struct config *c;
	const char *path;
	bool tighten;
	size_t line;			    /* from 1; 0: the defaults */
	size_t seen[CONFIG_DIRECTIVES_MAX]; /* in which line, or 0 */
	struct strings lists[CONFIG_DIRECTIVES_MAX];
};

/* value.c: the error of a line; text without the blanks round it, in place; sets a directive from
 * its value, which is cut up; and what is left to do behind the last line. */
#define CONFIG_BLANKS " \t\r"
int config_refuse(const struct config_reader *r, struct error **err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
char *config_trim(char *text);
int config_set(struct config_reader *r, const struct config_directive *d, char *value,
	       struct error **err);
int config_end_lists(struct config_reader *r, struct error **err);

/* trust.c: whether the open file is the first user namespace's root's, and nobody else's to write.
 * `site`: whether it has its name from the program and not from who started it. */
int config_check_owner(int fd, const char *path, bool site, struct error **err);
/* Whether the folder of the site's file has an execution control list that is active. */
int config_check_ecl(const char *site, struct error **err);

#endif
