/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload's environment as far as the host decides it (runtime.md 5).
 *
 * Two lists come out of it. `base` is what the payload has unless the image says otherwise:
 * variables of the host, and those that describe the container. `injections` is what the user has
 * said for this container (APPTAINERENV_..., --env-file, --env) and is set after the image's own
 * scripts, so that the user has the last word. The image's scripts run in between (action.c,
 * scripts.c), in the container.
 *
 * A variable of the host is text that others chose, and it goes into a container that is not
 * trusted. What names keys or belongs to the run time never goes in: all of APPTAINER_... and
 * SINGULARITY_..., with them the key of the image. What would mislead programs inside is left out
 * by name (never). Names that no shell could set, such as those of exported functions, are left
 * out, too.
 */
#include "run/internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ENV_FILE_LIMIT ((size_t)1 << 20)

void run_env_free(struct run_env *e)
{
	strings_free(&e->base);
	for (size_t i = 0; i < e->injections.len; i++) {
		free(e->injections.items[i].name);
		free(e->injections.items[i].value);
	}
	free(e->injections.items);
	e->injections = (struct run_injections){ 0 };
}

static const char *const path_names[] = { "PATH", "PREPEND_PATH", "APPEND_PATH" };

int run_env_path_index(const char *name)
{
	for (int i = 0; i < 3; i++) {
		if (!strcmp(name, path_names[i]))
			return i;
	}
	return -1;
}

bool run_env_is_script(const char *name)
{
	size_t len = strlen(name);
	return len > 3 && !strcmp(name + len - 3, ".sh");
}

bool run_env_name_ok(const char *name, size_t len)
{
	if (!len || isdigit((unsigned char)*name))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	}
	return true;
}

static size_t find(const struct strings *list, const char *name)
{
	size_t len = strlen(name);
	size_t i = 0;
	while (i < list->len &&
	       (strncmp(list->items[i], name, len) != 0 || list->items[i][len] != '='))
		i++;
	return i;
}

const char *run_env_get(const struct strings *list, const char *name)
{
	size_t i = find(list, name);
	return i < list->len ? list->items[i] + strlen(name) + 1 : NULL;
}

int run_env_set(struct strings *list, const char *name, const char *value, struct error **err)
{
	size_t i = find(list, name);
	if (i == list->len)
		return strings_addf(list, err, "%s=%s", name, value);
	char *text = text_printf(err, "%s=%s", name, value);
	if (!text)
		return -1;
	free(list->items[i]);
	list->items[i] = text;
	return 0;
}

void run_env_unset(struct strings *list, const char *name)
{
	size_t i = find(list, name);
	if (i == list->len)
		return;
	free(list->items[i]);
	memmove(&list->items[i], &list->items[i + 1],
		(list->len - i) * sizeof(*list->items)); /* the NULL too */
	list->len--;
}

static bool named(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (!strcmp(name, *names))
			return true;
	}
	return false;
}

/* runtime.md 5.2, 2.: what may not be set from outside; the second list says nothing about it. */
static const char *const refused[] = {
	"HOME", "APPTAINER_SHELL", "APPTAINER_APPNAME", "SINGULARITY_SHELL", "SINGULARITY_APPNAME",
	NULL
};
static const char *const skipped[] = { "UID", "GID", NULL };
static const char *const always[] = { "TERM",	     "http_proxy", "HTTP_PROXY", "https_proxy",
				      "HTTPS_PROXY", "no_proxy",   "NO_PROXY",	 "all_proxy",
				      "ALL_PROXY",   "ftp_proxy",  "FTP_PROXY",	 NULL };
static const char *const never[] = { "HOME",
				     "PATH",
				     "LD_LIBRARY_PATH",
				     "APPTAINER_SHELL",
				     "APPTAINER_APPNAME",
				     "SINGULARITY_SHELL",
				     "SINGULARITY_APPNAME",
				     "PWD",
				     NULL };

static struct run_injection *injection(const struct run_injections *list, const char *name)
{
	for (size_t i = 0; i < list->len; i++) {
		if (!strcmp(list->items[i].name, name))
			return &list->items[i];
	}
	return NULL;
}

static int inject(struct run_injections *list, const char *prefix, const char *name,
		  const char *value, struct error **err)
{
	if (!*name) {
		log_warning("Ignore environment variable =%s: variable name missing", value);
		return 0;
	}
	if (!run_env_name_ok(name, strlen(name))) {
		log_warning("Ignoring environment variable with the unusable name '%s'", name);
		return 0;
	}
	if (named(name, refused)) {
		log_warning("Overriding %s environment variable with %s%s is not permitted", name,
			    prefix, name);
		return 0;
	}
	if (named(name, skipped))
		return 0;
	CLEANUP_TEXT char *copy = text_dup(value, err);
	if (!copy)
		return -1;
	struct run_injection *there = injection(list, name);
	if (there) {
		free(there->value);
		there->value = take_pointer(&copy);
		return 0;
	}
	struct run_injection *grown =
		array_grow(list->items, list->len, &list->cap, sizeof(*list->items), err);
	if (!grown)
		return -1;
	list->items = grown;
	char *own = text_dup(name, err);
	if (!own)
		return -1;
	list->items[list->len++] = (struct run_injection){ .name = own, .value = copy };
	copy = NULL;
	return 0;
}

#define NEW_PREFIX "APPTAINERENV_"
#define OLD_PREFIX "SINGULARITYENV_"

static int inject_host(const char *const *host, struct run_injections *ret, struct error **err)
{
	/* The old prefix first, so that the new one wins. */
	for (int pass = 0; pass < 2; pass++) {
		const char *prefix = pass ? NEW_PREFIX : OLD_PREFIX;
		size_t len = strlen(prefix);
		for (size_t i = 0; host[i]; i++) {
			const char *equals = strchr(host[i], '=');
			if (strncmp(host[i], prefix, len) != 0 || !equals)
				continue;
			CLEANUP_TEXT char *name =
				text_dup_len(host[i] + len, (size_t)(equals - host[i]) - len, err);
			if (!name)
				return -1;
			const struct run_injection *old = pass ? injection(ret, name) : NULL;
			if (old && strcmp(old->value, equals + 1) != 0)
				log_warning("%s%s and %s%s have different values, using the latter",
					    OLD_PREFIX, name, NEW_PREFIX, name);
			if (inject(ret, prefix, name, equals + 1, err) < 0)
				return -1;
		}
	}
	for (size_t i = 0; host[i]; i++) {
		if (strncmp(host[i], OLD_PREFIX, strlen(OLD_PREFIX)) != 0)
			continue;
		int len = (int)strcspn(host[i] + strlen(OLD_PREFIX), "=");
		const char *name = host[i] + strlen(OLD_PREFIX);
		bool both = false;
		for (size_t k = 0; host[k] && !both; k++)
			both = !strncmp(host[k], NEW_PREFIX, strlen(NEW_PREFIX)) &&
			       !strncmp(host[k] + strlen(NEW_PREFIX), name, (size_t)len + 1);
		if (!both)
			log_info("Environment variable %s%.*s is set, but %s%.*s is preferred",
				 OLD_PREFIX, len, name, NEW_PREFIX, len, name);
	}
	return 0;
}

static int split(const char *item, char **ret_name, const char **ret_value, struct error **err)
{
	const char *equals = strchr(item, '=');
	if (!equals)
		return error_set(err, ERROR_USAGE, "%s must be formatted as key=value", item);
	*ret_name = text_dup_len(item, (size_t)(equals - item), err);
	*ret_value = equals + 1;
	return *ret_name ? 0 : -1;
}

static int inject_files(const struct run_env_source *source, struct run_injections *ret,
			struct error **err)
{
	const struct run_wish *wish = source->wish;
	CLEANUP_STRINGS struct strings known = { 0 };
	for (size_t i = 0; wish->env_file.len && source->host[i]; i++) {
		if (strings_add(&known, source->host[i], err) < 0)
			return -1;
	}
	if (wish->env_file.len && run_env_set(&known, "APPTAINER_IMAGE", source->image, err) < 0)
		return -1;
	for (size_t i = 0; i < wish->env_file.len; i++) {
		const char *path = wish->env_file.items[i];
		CLEANUP_BUFFER struct buffer text = { 0 };
		CLEANUP_STRINGS struct strings got = { 0 };
		if (fd_read_file(AT_FDCWD, path, ENV_FILE_LIMIT, &text, err) < 0)
			return error_wrap(err,
					  "while setting environment: while processing %s: could "
					  "not read environment file \"%s\"",
					  path, path);
		if (text.len && memchr(text.data, 0, text.len))
			return error_set(err, ERROR_USAGE, "environment file %s holds a NUL byte",
					 path);
		if (run_envfile_parse(text.data ? text.data : "", path, &known, &got, err) < 0)
			return -1;
		for (size_t k = 0; k < got.len; k++) {
			CLEANUP_TEXT char *name = NULL;
			const char *value;
			if (split(got.items[k], &name, &value, err) < 0)
				return -1;
			if (run_env_get(&wish->env, name)) {
				log_warning("Ignored environment file variable %s: override from "
					    "--env",
					    name);
				continue;
			}
			if (inject(ret, NEW_PREFIX, name, value, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* The later wins: the host's prefixed variables, then files, then --env. */
static int inject_all(const struct run_env_source *source, struct run_injections *ret,
		      struct error **err)
{
	if (inject_host(source->host, ret, err) < 0 || inject_files(source, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < source->wish->env.len; i++) {
		CLEANUP_TEXT char *name = NULL;
		const char *value;
		if (split(source->wish->env.items[i], &name, &value, err) < 0 ||
		    inject(ret, NEW_PREFIX, name, value, err) < 0)
			return -1;
	}
	return 0;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static int forward_host(const struct run_env_source *source, struct run_env *ret,
			struct error **err)
{
	bool clean = source->wish->cleanenv || source->wish->containall;
	for (size_t i = 0; source->host[i]; i++) {
		const char *item = source->host[i];
		size_t len = strcspn(item, "=");
		if (!item[len] || begins(item, "APPTAINER_") || begins(item, "SINGULARITY_") ||
		    begins(item, NEW_PREFIX) || begins(item, OLD_PREFIX))
			continue;
		CLEANUP_TEXT char *name = text_dup_len(item, len, err);
		if (!name)
			return -1;
		if (!named(name, always) &&
		    (named(name, never) || clean || injection(&ret->injections, name)))
			continue;
		if (run_env_set(&ret->base, name, item + len + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int set_twins(struct strings *list, const char *name, const char *value, struct error **err)
{
	static const char *const prefixes[] = { "APPTAINER_", "SINGULARITY_" };
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_TEXT char *whole = text_printf(err, "%s%s", prefixes[i], name);
		if (!whole || run_env_set(list, whole, value, err) < 0)
			return -1;
	}
	return 0;
}

static int set_binds(struct strings *list, const struct run_binds *binds, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_puts(&text, "", err) < 0)
		return -1;
	for (size_t i = 0; i < binds->len; i++) {
		if (binds->items[i].nested && buffer_printf(&text, err, "%s%s", text.len ? "," : "",
							    binds->items[i].target) < 0)
			return -1;
	}
	return set_twins(list, "BIND", text.data ? text.data : "", err);
}

static int set_own(const struct run_env_source *source, struct run_env *ret, struct error **err)
{
	static const char *const commands[] = { [RUN_RUN] = "run",
						[RUN_EXEC] = "exec",
						[RUN_SHELL] = "shell",
						[RUN_TEST] = "test",
						[RUN_START] = "start" };
	const struct run_wish *wish = source->wish;
	struct strings *list = &ret->base;
	const char *app = wish->app ? wish->app : "";
	if (set_twins(list, "CONTAINER", source->image, err) < 0 ||
	    set_twins(list, "NAME", path_base_name(source->image), err) < 0 ||
	    set_binds(list, source->binds, err) < 0 ||
	    (source->instance && set_twins(list, "INSTANCE", source->instance, err) < 0) ||
	    run_env_set(list, "APPTAINER_COMMAND", commands[wish->action], err) < 0 ||
	    run_env_set(list, "APPTAINER_APPNAME", app, err) < 0 ||
	    (*app && run_env_set(list, "SINGULARITY_APPNAME", app, err) < 0) ||
	    (wish->shell && set_twins(list, "SHELL", wish->shell, err) < 0) ||
	    (wish->no_eval && set_twins(list, "NO_EVAL", "1", err) < 0) ||
	    run_env_set(list, "HOME", source->home, err) < 0)
		return -1;
	if (wish->cleanenv || wish->containall)
		return injection(&ret->injections, "LANG") ? 0
							   : run_env_set(list, "LANG", "C", err);
	const char *path = NULL;
	for (size_t i = 0; source->host[i]; i++) {
		if (begins(source->host[i], "PATH="))
			path = source->host[i] + 5;
	}
	CLEANUP_TEXT char *whole =
		text_printf(err, "%s%s/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/usr/local/sbin",
			    path ? path : "", path ? ":" : "");
	return whole ? run_env_set(list, "USER_PATH", whole, err) : -1;
}

int run_env_prepare(const struct run_env_source *source, struct run_env *ret, struct error **err)
{
	if (inject_all(source, &ret->injections, err) < 0 || forward_host(source, ret, err) < 0)
		return -1;
	return set_own(source, ret, err);
}
