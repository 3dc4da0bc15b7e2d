/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The environment scripts of most images say little, and always the same: to start the image's
 * shell for them takes longer than to make the namespaces. So what is read here, and nothing else,
 * needs no shell: comments, `export NAME=value` with values that are plain words, and the scripts
 * that Apptainer and coffer put into every image, known by a number made of their lines. At the
 * first line that is anything else the shell gets all of it, as action.c writes it down; the
 * outcome is the same. (An image that imitated such a number would deceive itself only.)
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
	bool injected, late;
};

/* ---------------------------------------------------------------- lines */

/* The next line that is neither empty nor a comment, without the blanks around it; NULL at the end.
 */
static char *next_line(char **rest)
{
	for (char *line; *rest && (line = strsep(rest, "\n"));) {
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
	for (char *line; (line = next_line(&text));) {
		for (const char *p = line; *p; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
		h = (h ^ '\n') * UINT64_C(0x100000001b3);
	}
	return h;
}

/* A variable that shells have their own ideas about. PATH is none of them. */
static bool is_special(const char *name, size_t len)
{
	static const char *const names[] = { "_",      "ENV",	 "EUID",   "IFS",     "OLDPWD",
					     "OPTARG", "OPTIND", "PPID",   "PS1",     "PS2",
					     "PS4",    "PWD",	 "RANDOM", "SECONDS", "SHLVL",
					     "UID",    "LINENO" };
	static const char *const prefixes[] = { "BASH",	     "COFFER_", "SHELLOPTS",
						"__coffer_", "MAIL",	"HIST" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (len >= n && !memcmp(prefixes[i], name, n))
			return true;
	}
	return false;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_./:,+@%-", c));
}

/*
 * The value at *at: one word, bare or in quotes, with nothing in it that a shell would work on.
 * Returns its length and the place, and moves *at to what follows; -1 when it is not so simple.
 */
static ssize_t take_value(const char **at, const char **ret)
{
	const char *p = *at;
	char quote = '\0';
	if (*p == '\'' || *p == '"')
		quote = *p++;
	*ret = p;
	if (quote)
		while (*p && *p != quote && (quote == '\'' || !strchr("$`\\!", *p)))
			p++;
	else
		while (is_plain(*p))
			p++;
	ssize_t len = p - *ret;
	if (quote && *p++ != quote)
		return -1;
	if (*p && *p != ' ' && *p != '\t')
		return -1;
	*at = p + strspn(p, " \t");
	return len;
}

/* `export NAME=value...`. Returns 1 when it was that, 0 when not, -1 with *err. */
static int export_line(struct strings *env, const char *line, struct error **err)
{
	if (strncmp(line, "export", 6) != 0 || (line[6] != ' ' && line[6] != '\t'))
		return 0;
	for (line += 6 + strspn(line + 6, " \t"); *line;) {
		size_t len = strcspn(line, "=");
		const char *value;
		if (!line[len] || !run_env_name_ok(line, len) || is_special(line, len))
			return 0;
		CLEANUP_TEXT char *name = text_dup_len(line, len, err);
		line += len + 1;
		ssize_t value_len = take_value(&line, &value);
		if (value_len < 0)
			return 0;
		CLEANUP_TEXT char *copy = text_dup_len(value, (size_t)value_len, err);
		if (!name || !copy || run_env_set(env, name, copy, err) < 0)
			return -1;
	}
	return 1;
}

/* ---------------------------------------------------------------- what action.c writes as script
 */

static const char *injected_path(const struct run_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->env.injections.len; i++) {
		if (!strcmp(plan->env.injections.items[i].name, name))
			return plan->env.injections.items[i].value;
	}
	return NULL;
}

static bool is_path(const char *name)
{
	return !strcmp(name, "PATH") || !strcmp(name, "PREPEND_PATH") ||
	       !strcmp(name, "APPEND_PATH");
}

/* What the user sets may ask the shell to work on it (runtime.md 5.2). */
static bool injections_are_plain(const struct run_plan *plan)
{
	for (size_t i = 0; i < plan->env.injections.len; i++) {
		const struct run_injection *in = &plan->env.injections.items[i];
		if (is_special(in->name, strlen(in->name)) ||
		    (!plan->wish->no_eval && strpbrk(in->value, "$`\\\"")))
			return false;
	}
	return true;
}

static int default_path(struct strings *env, struct error **err)
{
	const char *path = run_env_get(env, "PATH");
	return path && *path ? 0 : run_env_set(env, "PATH", RUN_DEFAULT_PATH, err);
}

static int join(struct strings *env, const char *name, const char *before, const char *after,
		struct error **err)
{
	CLEANUP_TEXT char *value = text_printf(err, "%s:%s", before, after);
	return value ? run_env_set(env, name, value, err) : -1;
}

static int inject(struct evaluation *e, struct error **err)
{
	static const char libraries[] = "/.singularity.d/libs";
	e->injected = true;
	if (default_path(e->env, err) < 0)
		return -1;
	for (size_t i = 0; i < e->plan->env.injections.len; i++) {
		const struct run_injection *in = &e->plan->env.injections.items[i];
		if (is_path(in->name))
			continue;
		if (!strcmp(in->name, "LD_LIBRARY_PATH") && *in->value) {
			if (join(e->env, in->name, in->value, libraries, err) < 0)
				return -1;
		} else if (run_env_set(e->env, in->name, in->value, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int set_paths(struct evaluation *e, struct error **err)
{
	const char *whole = injected_path(e->plan, "PATH");
	const char *before = injected_path(e->plan, "PREPEND_PATH");
	const char *after = injected_path(e->plan, "APPEND_PATH");
	const char *now = run_env_get(e->env, "PATH");
	e->late = false;
	if (whole)
		return run_env_set(e->env, "PATH", whole, err);
	if (before && join(e->env, "PATH", before, now ? now : "", err) < 0)
		return -1;
	now = run_env_get(e->env, "PATH");
	if (after && join(e->env, "PATH", now ? now : "", after, err) < 0)
		return -1;
	/* As the shell, which exports it whatever it is. */
	return now ? 0 : run_env_set(e->env, "PATH", "", err);
}

static int base_script(struct strings *env, struct error **err)
{
	static const char libraries[] = "/.singularity.d/libs";
	const char *now = run_env_get(env, "LD_LIBRARY_PATH");
	int r = now && *now ? join(env, "LD_LIBRARY_PATH", now, libraries, err)
			    : run_env_set(env, "LD_LIBRARY_PATH", libraries, err);
	if (r < 0)
		return -1;
	now = run_env_get(env, "PS1");
	return now && *now ? 0 : run_env_set(env, "PS1", "Apptainer> ", err);
}

/* ---------------------------------------------------------------- the scripts */

static int run_lines(struct evaluation *e, char *text, struct error **err)
{
	for (char *line; (line = next_line(&text));) {
		int r = export_line(e->env, line, err);
		if (r <= 0)
			return r;
	}
	return 1;
}

static int run_text(struct evaluation *e, struct buffer *text, struct error **err)
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
		return !app || !*app;
	case BASE:
		return base_script(e->env, err) < 0 ? -1 : 1;
	case UNKNOWN:
		break;
	}
	return run_lines(e, text->data, err);
}

/* Returns 1 when it is done, 0 when it is a matter for the shell, -1 with *err. */
static int run_script(struct evaluation *e, const char *name, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	struct stat st;
	if (!strcmp(name, "10-docker.sh") || !strcmp(name, "10-docker2singularity.sh"))
		return 0;
	/* A pipe would be waited for. */
	CLEANUP_FD int fd =
		openat(e->directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode))
		return 1;
	if (!strcmp(name, "99-runtimevars.sh"))
		return set_paths(e, err) < 0 ? -1 : 1;
	/* Whoever puts a folder before $PATH counts on there being one: as in action.c. */
	if (!strcmp(name, "90-environment.sh") && default_path(e->env, err) < 0)
		return -1;
	if (fd_read_all(fd, SCRIPT_LIMIT, name, &text, &failed) < 0)
		return 0;
	if (text.len) {
		if (memchr(text.data, 0, text.len))
			return 0;
		int r = run_text(e, &text, err);
		if (r <= 0)
			return r;
	}
	if (!strcmp(name, "99-base.sh") && inject(e, err) < 0)
		return -1;
	return 1;
}

/* The names of the scripts, in the order of the shell's `*.sh`. */
static int list_scripts(int directory, struct strings *ret, struct error **err)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;
	if (!dir) {
		fd_close(&fd);
		return 0;
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		size_t len = strlen(entry->d_name);
		if (*entry->d_name != '.' && len > 3 && !strcmp(entry->d_name + len - 3, ".sh"))
			r = strings_add(ret, entry->d_name, err);
	}
	(void)closedir(dir);
	if (r == 0 && ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), strings_compare);
	return r;
}

int run_scripts_evaluate(const struct run_plan *plan, int directory,
			 const struct strings *variables, struct strings *ret, struct error **err)
{
	CLEANUP_STRINGS struct strings env = { 0 };
	CLEANUP_STRINGS struct strings names = { 0 };
	struct evaluation e = { .plan = plan, .env = &env, .directory = directory, .late = true };
	if (!injections_are_plain(plan))
		return 0;
	for (size_t i = 0; i < variables->len; i++) {
		if (strncmp(variables->items[i], "PWD=", 4) != 0 &&
		    strings_add(&env, variables->items[i], err) < 0)
			return -1;
	}
	if (list_scripts(directory, &names, err) < 0)
		return -1;
	if (!names.len || names.len > SCRIPTS_MAX)
		return 0;
	for (size_t i = 0; i < names.len; i++) {
		int r = run_script(&e, names.items[i], err);
		if (r <= 0)
			return r;
	}
	if (default_path(&env, err) < 0 || (e.late && set_paths(&e, err) < 0) ||
	    /* A tree that is only being built has no 99-base.sh yet. */
	    (plan->wish->for_build && !e.injected && inject(&e, err) < 0))
		return -1;
	*ret = env;
	env = (struct strings){ 0 };
	return 1;
}
