/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_DEFINITION_DEFINITION_H
#define COFFER_DEFINITION_DEFINITION_H

#include "base/base.h"

/*
 * The definition file: spec deffile.md, sections 2 and 3. Parsing works on memory alone and runs
 * nothing. What is wrong with a definition is ERROR_DAMAGED; a valid one that coffer does not do
 * is ERROR_UNSUPPORTED.
 */

/* The most that is read of a definition, also after its substitutions, and of a file of arguments.
 */
#define DEFINITION_BYTES_MAX ((size_t)16 << 20)
#define DEFINITION_ARGUMENT_FILE_MAX ((size_t)1 << 20)

/* A slice of text that is somebody else's; no NUL at its end. */
struct span {
	const char *text;
	size_t len;
};
static inline struct span span_of(const char *text, size_t len)
{
	return (struct span){ .text = text, .len = len };
}
/* Without blanks at both ends. */
struct span span_trim(struct span s);
/* Up to the first c, or all of it. */
struct span span_before(struct span s, char c);
/* Whether it is this text, to the byte. */
bool span_is(struct span s, const char *text);
/* Takes the next line off *rest, without its end (LF or CR LF): false when nothing is left. */
bool span_line(struct span *rest, struct span *ret);

struct definition_pair {
	char *key, *value;
};

struct definition_section {
	char *name;	 /* lower case, without the sign: "post" */
	char *app;	 /* of an app section; else NULL */
	char *arguments; /* what follows the name on its line, raw; "" when nothing does */
	struct buffer body;
};

/* A stage of a definition. Of a file it is the last one that is held, and it holds the others. */
struct definition {
	struct definition_pair *header; /* keys in lower case, each once */
	size_t header_count, header_cap;
	struct definition_section *sections;
	size_t section_count, section_cap;
	struct buffer text;	    /* of the whole file as it is stored in the image: the last's */
	const struct buffer *whole; /* the same, of any stage */
	size_t stages;		    /* up to this one, itself included */
	char *unshown;		    /* of one from the command line: what follows its From */
	struct definition *before;  /* the stage before it, owned; NULL: it is the first */
};

/* A build argument and whether anything asked for it. */
struct definition_argument {
	char *name, *value;
	bool used;
};
struct definition_arguments {
	struct definition_argument *items;
	size_t count, cap;
};
/* Frees what is in it; it is empty then. */
void definition_arguments_free(struct definition_arguments *a);
/* "NAME=VALUE"; a later one of the same name overrides. */
int definition_arguments_add(struct definition_arguments *a, struct span text, struct error **err);
/* A file of them, one in a line; bad lines are skipped with a warning. */
int definition_arguments_add_file(struct definition_arguments *a, struct span text,
				  struct error **err);
/* NULL when there is none. */
struct definition_argument *definition_arguments_find(const struct definition_arguments *a,
						      struct span name);

/*
 * Appends text with all {{ NAME }} in it replaced: deffile.md 3. ERROR_USAGE for one that nobody
 * gives.
 */
int definition_substitute(struct span text, struct definition_arguments *given,
			  const struct definition_arguments *defaults, struct buffer *ret,
			  struct error **err);

/* Parses a whole file into a new *ret. Arguments of `given` that it asks for are marked as used. */
int definition_parse(const void *text, size_t len, struct definition_arguments *given,
		     struct definition **ret, struct error **err);
/* The stages of a file, by its last one: 0 is the first. */
const struct definition *definition_stage(const struct definition *last, size_t number);
/* Whether it can be built: each stage with an agent, apps with names. ERROR_DAMAGED. */
int definition_check(const struct definition *last, struct error **err);
/* Whether any section is one of an app's. */
bool definition_has_apps(const struct definition *d);
/* The stage that a %files section names ("from NAME"), or nothing: deffile.md 11. */
struct span definition_files_stage(const struct definition_section *s);
/*
 * Which stage such a name means for a stage: the first of that name in the file. Its number, or -1
 * when there is none up to the stage itself, whose tree would be there.
 */
int definition_find_stage(const struct definition *stage, struct span name);
/* Refuses %files from a stage that is not there, in any stage: ERROR_DAMAGED. */
int definition_check_files(const struct definition *last, struct error **err);
/*
 * What stands for a definition when an image is the source: deffile.md 1. Of `from` the first
 * bytes, so many as are to be shown, are the header's and the text's, which the image tells all.
 */
int definition_generate(const char *agent, const char *from, size_t shown, struct definition **ret,
			struct error **err);
/* Frees *d, if any, and sets it to NULL. */
void definition_free(struct definition **d);
#define CLEANUP_DEFINITION __attribute__((cleanup(definition_free)))

/* The value of a header by its key in lower case, borrowed; NULL when it is not there. */
const char *definition_header(const struct definition *d, const char *key);
/* The section of that name whose body is not empty, or NULL. Not for %files, which may be many. */
const struct definition_section *definition_section(const struct definition *d, const char *name);

/*
 * The words after a section's name that go to the shell, `-c` included: deffile.md 6. Appended:
 * what stands between "-ex" and the script, or what stands for both.
 */
int definition_script_options(const struct definition_section *s, const char *script,
			      struct strings *ret, struct error **err);
/* Refuses a -c of %pre, %setup or %post with nothing behind it, in any stage: ERROR_DAMAGED. */
int definition_check_scripts(const struct definition *last, struct error **err);
/* One line of %files, split: deffile.md 2. *ret_source stays NULL for a line that says nothing. */
int definition_files_line(struct span line, char **ret_source, char **ret_destination,
			  struct error **err);
/* A runscript, startscript or test as it is stored: deffile.md 6. */
int definition_script_text(const struct definition_section *s, struct buffer *ret,
			   struct error **err);

#endif
