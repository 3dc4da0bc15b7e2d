/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The environment scripts of most images say little, and always the same: to start the image's
 * shell for them takes longer than to make the namespaces. So what is read here, and nothing else,
 * needs no shell: comments, `export NAME=value` with values of words and variables (words.c), and
 * the scripts that Apptainer and coffer put into every image, known by a number made of their
 * lines. At the first line that is anything else the shell gets all of it, as action.c writes it
 * down; the outcome is the same. (An image that imitated such a number would deceive itself only.)
 *
 * Where the image has no shell, a script with such a line is left out, as the peer leaves out one
 * that its interpreter cannot read (runtime.md 4.1), and it is said which and why.
 */

#define SCRIPT_LIMIT ((size_t)65536)
#define SCRIPTS_MAX 64

enum effect { UNKNOWN, APPLICATIONS, BASE };

static const struct {
	uint64_t number;
	enum effect effect;
} known[] = {
	{ UINT64_C(0x924a8bc0e5f261b5), APPLICATIONS }, /* 95-apps.sh of Apptainer 1.4 */
	{ UINT64_C(0x05f88fbbec61dc4d), APPLICATIONS }, /* 95-apps.sh of coffer */
	{ UINT64_C(0x03f78cb1f828c2c3), BASE },		/* 99-base.sh of Apptainer 1.4 */
	{ UINT64_C(0x4a20af28ea970863), BASE },		/* 99-base.sh of coffer */
};

struct evaluation {
	const struct run_plan *plan;
	struct strings *env;
	int directory;
	bool bare; /* there is no shell */
	bool injected, late;
};

/* ---------------------------------------------------------------- lines */

struct lines {
	char *rest;
	size_t number; /* of the last one, from 1 */
};

/* The next line that is neither empty nor a comment, without the blanks around it; NULL at the end.
 */
static char *next_line(struct lines *lines)
{
	for (char *line; lines->rest && (line = strsep(&lines->rest, "\n"));) {
		lines->number++;
		line += strspn(line, " \t");
		size_t len = strlen(line);
		while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
			len--;
		line[len] = '\0';
		if (*line && *line != '#')
			return line;
	}
	return NULL;
}

/* FNV-1a of the lines that count. */
static uint64_t number_of(char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	struct lines lines = { .rest = text };
	for (char *line; (line = next_line(&lines));) {
		for (const char *p = line; *p; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
		h = (h ^ '\n') * UINT64_C(0x100000001b3);
	}
	return h;
}

/* `export NAME=value...`. Returns 1 when it was that, 0 when not, -1 with *err. */
static int export_line(struct strings *env, const char *line, struct error **err)
{
	if (strncmp(line, "export", 6) != 0 || (line[6] != ' ' && line[6] != '\t'))
		return 0;
	for (line += 6 + strspn(line + 6, " \t"); *line;) {
		size_t len = strcspn(line, "=");
		CLEANUP_BUFFER struct buffer value = { 0 };
		if (!line[len] || !run_env_name_ok(line, len) || run_word_special(line, len))
			return 0;
		CLEANUP_TEXT char *name = text_dup_len(line, len, err);
		line += len + 1;
		int r = name ? run_word_take(env, &line, &value, err) : -1;
		if (r <= 0)
			return r;
		if (run_env_set(env, name, value.data, err) < 0)
			return -1;
	}
	return 1;
}

/* ---------------------------------------------------------------- the scripts */

static int inject(struct evaluation *e, struct error **err)
{
	e->injected = true;
	return run_inject(e->plan, e->env, err);
}

static int set_paths(struct evaluation *e, struct error **err)
{
	e->late = false;
	return run_inject_paths(e->plan, e->env, err);
}

/* Why a script needs the shell: for who has none. */
struct reason {
	const char *what; /* static */
	size_t line;	  /* or 0 */
};

static int run_lines(struct evaluation *e, char *text, struct reason *why, struct error **err)
{
	struct lines lines = { .rest = text };
	for (char *line; (line = next_line(&lines));) {
		int r = export_line(e->env, line, err);
		if (r == 0)
			*why = (struct reason){ "more than the export of words and variables",
						lines.number };
		if (r <= 0)
			return r;
	}
	return 1;
}

static int run_text(struct evaluation *e, struct buffer *text, struct reason *why,
		    struct error **err)
{
	CLEANUP_TEXT char *copy = text_dup_len(text->data, text->len, err);
	if (!copy)
		return -1;
	uint64_t number = number_of(copy);
	enum effect effect = UNKNOWN;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		effect = known[i].number == number ? known[i].effect : effect;
	const char *app = run_env_get(e->env, "SINGULARITY_APPNAME");
	switch (effect) {
	case APPLICATIONS:
		why->what = "the environment of an app";
		return !app || !*app;
	case BASE:
		return run_base_script(e->env, err) < 0 ? -1 : 1;
	case UNKNOWN:
		break;
	}
	return run_lines(e, text->data, why, err);
}

/* Returns 1 when it is done, 0 when it is a matter for the shell, -1 with *err. */
static int read_script(struct evaluation *e, const char *name, struct reason *why,
		       struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	struct stat st;
	/* A pipe would be waited for. */
	CLEANUP_FD int fd =
		openat(e->directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	why->what = "what cannot be read";
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode))
		return 1;
	if (!strcmp(name, "99-runtimevars.sh"))
		return set_paths(e, err) < 0 ? -1 : 1;
	/* Whoever puts a folder before $PATH counts on there being one: as in action.c. */
	if (!strcmp(name, "90-environment.sh") && run_path_default(e->env, err) < 0)
		return -1;
	if (fd_read_all(fd, SCRIPT_LIMIT, name, &text, &failed) < 0 ||
	    (text.len && memchr(text.data, 0, text.len)))
		return 0;
	return text.len ? run_text(e, &text, why, err) : 1;
}

static int copy_strings(const struct strings *from, struct strings *ret, struct error **err)
{
	for (size_t i = 0; i < from->len; i++)
		if (strings_add(ret, from->items[i], err) < 0)
			return -1;
	return 0;
}

/* A script that takes a shell, where there is none: nothing of it counts. */
static void leave_out(struct evaluation *e, const char *name, const struct reason *why,
		      struct strings *before)
{
	strings_free(e->env);
	*e->env = *before;
	*before = (struct strings){ 0 };
	if (why->line)
		log_warning("%s/%s is left out: it takes a shell, and the image has neither "
			    "/bin/bash nor /bin/sh (line %zu is %s)",
			    RUN_ENV_DIRECTORY, name, why->line, why->what);
	else
		log_warning("%s/%s is left out: it takes a shell, and the image has neither "
			    "/bin/bash nor /bin/sh (it is %s)",
			    RUN_ENV_DIRECTORY, name, why->what);
}

static int run_script(struct evaluation *e, const char *name, struct error **err)
{
	CLEANUP_STRINGS struct strings before = { 0 };
	struct reason why = { 0 };
	if (e->bare && copy_strings(e->env, &before, err) < 0)
		return -1;
	int r = read_script(e, name, &why, err);
	if (r < 0 || (r == 0 && !e->bare))
		return r;
	if (r == 0)
		leave_out(e, name, &why, &before);
	if ((!strcmp(name, "10-docker.sh") || !strcmp(name, "10-docker2singularity.sh")) &&
	    run_path_folders(e->env, err) < 0)
		return -1;
	return !strcmp(name, "99-base.sh") && inject(e, err) < 0 ? -1 : 1;
}

/* The names of the scripts, in the order of the shell's `*.sh`; none where they cannot be read. */
static int list_scripts(int directory, struct strings *ret, struct error **err)
{
	CLEANUP_DIRECTORY struct directory d = { 0 };
	if (directory_open(directory, ".", &d) < 0)
		return 0;
	for (const struct dirent *entry; (entry = directory_next(&d));)
		if (*entry->d_name != '.' && run_env_is_script(entry->d_name) &&
		    strings_add(ret, entry->d_name, err) < 0)
			return -1;
	if (d.errnum)
		strings_free(ret);
	strings_sort(ret);
	return 0;
}

/* The scripts of these names, and what follows on them. As run_scripts_evaluate. */
static int evaluate(struct evaluation e, const struct strings *variables,
		    const struct strings *names, struct strings *ret, struct error **err)
{
	CLEANUP_STRINGS struct strings env = { 0 };
	e.env = &env;
	e.late = true;
	for (size_t i = 0; i < variables->len; i++) {
		if (strncmp(variables->items[i], "PWD=", 4) != 0 &&
		    strings_add(&env, variables->items[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < names->len; i++) {
		int r = run_script(&e, names->items[i], err);
		if (r <= 0)
			return r;
	}
	if (run_path_default(&env, err) < 0 || (e.directory < 0 && inject(&e, err) < 0) ||
	    (e.late && set_paths(&e, err) < 0) ||
	    /* A tree that is only being built has no 99-base.sh yet. */
	    (e.plan->wish->for_build && !e.injected && inject(&e, err) < 0))
		return -1;
	*ret = env;
	env = (struct strings){ 0 };
	return 1;
}

int run_scripts_evaluate(const struct run_plan *plan, int directory,
			 const struct strings *variables, struct strings *ret, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	struct evaluation e = { .plan = plan, .directory = directory };
	if (!run_injections_are_plain(plan))
		return 0;
	if (list_scripts(directory, &names, err) < 0)
		return -1;
	if (!names.len || names.len > SCRIPTS_MAX)
		return 0;
	return evaluate(e, variables, &names, ret, err);
}

int run_scripts_bare(const struct run_plan *plan, const struct strings *variables,
		     struct strings *ret, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_FD int directory = open(RUN_ENV_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct evaluation e = { .plan = plan, .directory = directory, .bare = true };
	if (directory >= 0 && list_scripts(directory, &names, err) < 0)
		return -1;
	return evaluate(e, variables, &names, ret, err) < 0 ? -1 : 0;
}
