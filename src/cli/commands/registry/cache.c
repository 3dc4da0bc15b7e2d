/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands/run_options.h"

/* cache: what is kept of images of registries, in the words of Apptainer's command (tried). */

const struct command cli_cache = {
	.name = "cache",
	.summary = "List or clean what is kept of images of registries",
	.usage = "cache <subcommand>",
	.description = "Images that were run by a name of a registry are kept in a folder of the\n"
		       "user's: cache below APPTAINER_CACHEDIR, else ~/.cache/coffer.\n",
	.options = options_help_only,
	.max_arguments = -1,
	.group = true,
};

/* Which kinds the option asks for: bits, by their places in the table. */
static int wanted_kinds(const struct invocation *in, unsigned *ret, struct error **err)
{
	const struct strings *types = &invocation_option(in, "type")->list;
	*ret = types->len ? 0 : ~0U;
	for (size_t i = 0; i < types->len; i++) {
		const char *name = types->items[i];
		unsigned before = *ret;
		if (!strcmp(name, "all"))
			*ret = ~0U;
		for (size_t k = 0; fetch_cache_kinds[k].name; k++)
			if (!strcmp(name, fetch_cache_kinds[k].name) ||
			    (fetch_cache_kinds[k].blobs && !strcmp(name, "blobs")))
				*ret |= 1U << k;
		if (*ret != before || before == ~0U)
			continue;
		error_set(err, ERROR_USAGE, "not a valid type: %s", name);
		return error_hint(err, "the kinds are library, oci, shub, blob, net, oras and all");
	}
	return 0;
}

/* The cache, or -1; without *err: there is none yet. */
static int open_cache(char **ret_path, struct error **err)
{
	CLEANUP_TEXT char *path = registry_cache_path(err);
	struct stat st;
	if (!path)
		return -1;
	int fd = stat(path, &st) < 0 && errno == ENOENT ? -1 : fetch_cache_open(path, false, err);
	*ret_path = take_pointer(&path);
	return fd;
}

/* A size as Apptainer shows it. */
static int put_size(struct buffer *text, uint64_t size, struct error **err)
{
	static const char *const units[] = { "KiB", "MiB", "GiB" };
	double n = (double)size / 1024;
	size_t unit = 0;
	for (; n >= 1024 && unit < 2; unit++)
		n /= 1024;
	return buffer_printf(text, err, "%.2f %s", n, units[unit]);
}

/* ------------------------------------------------------------------ list */

struct listing {
	const struct fetch_cache_kind *kind;
	bool verbose;
	struct buffer text;
	uint64_t count[2], size[2]; /* images, blobs */
};

static int list_one(void *context, int folder, const char *name, const struct stat *st,
		    struct error **err)
{
	struct listing *l = context;
	char when[32] = "";
	struct tm tm;
	(void)folder;
	l->count[l->kind->blobs]++;
	l->size[l->kind->blobs] += (uint64_t)st->st_size;
	if (!l->verbose)
		return 0;
	if (localtime_r(&st->st_mtime, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	CLEANUP_BUFFER struct buffer size = { 0 };
	return put_size(&size, (uint64_t)st->st_size, err) < 0
		       ? -1
		       : buffer_printf(&l->text, err, "%-24.22s %-22s %-16s %s\n", name, when,
				       size.data, l->kind->name);
}

static int put_sums(struct listing *l, struct error **err)
{
	static const char *const what[] = { "container file(s)", "oci blob file(s)" };
	struct buffer *t = &l->text;
	for (int i = 0; i < 2; i++)
		if (buffer_printf(t, err, "%s%llu %s using ", i ? " and " : "There are ",
				  (unsigned long long)l->count[i], what[i]) < 0 ||
		    put_size(t, l->size[i], err) < 0)
			return -1;
	return buffer_puts(t, " of space\nTotal space used: ", err) < 0 ||
			       put_size(t, l->size[0] + l->size[1], err) < 0
		       ? -1
		       : buffer_puts(t, "\n", err);
}

static int list_kinds(int cache, unsigned kinds, struct listing *l, struct error **err)
{
	if (l->verbose && buffer_printf(&l->text, err, "%-24s %-22s %-16s %s\n", "NAME",
					"DATE CREATED", "SIZE", "TYPE") < 0)
		return -1;
	for (size_t k = 0; cache >= 0 && fetch_cache_kinds[k].name; k++) {
		l->kind = &fetch_cache_kinds[k];
		if (kinds & 1U << k && fetch_cache_each(cache, l->kind, list_one, l, err) < 0)
			return -1;
	}
	return put_sums(l, err) < 0 ? -1 : report_print(&l->text, err);
}

static int run_list(const struct invocation *in, struct error **err)
{
	CLEANUP_TEXT char *path = NULL;
	struct listing l = { .verbose = invocation_option(in, "verbose")->on };
	unsigned kinds;
	if (wanted_kinds(in, &kinds, err) < 0)
		return -1;
	CLEANUP_FD int cache = open_cache(&path, err);
	if (cache < 0 && *err)
		return -1;
	int r = list_kinds(cache, kinds, &l, err);
	buffer_free(&l.text);
	return r;
}

static const struct option list_options[] = {
	VALUE_("type", 'T', OPTION_LIST, "kind", NULL,
	       "only these kinds: library, oci, shub, blob, net, oras, all"),
	SWITCH_("verbose", 'v', NULL, "name each file"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_cache_list = {
	.name = "cache list",
	.summary = "List what is kept",
	.usage = "cache list [list options...]",
	.description = "Says how much is kept, and with --verbose of what.\n",
	.examples = "$ %s cache list --verbose\n",
	.options = list_options,
	.max_arguments = 0,
	.run = run_list,
};

/* ------------------------------------------------------------------ clean */

struct cleaning {
	const struct fetch_cache_kind *kind;
	bool dry;
	time_t before; /* what is younger stays; 0: nothing does */
	size_t count;
};

static int clean_one(void *context, int folder, const char *name, const struct stat *st,
		     struct error **err)
{
	struct cleaning *c = context;
	if (c->before && st->st_mtime >= c->before)
		return 0;
	c->count++;
	log_info("Removing %s cache entry: %s", c->kind->name, name);
	/* Another may have cleaned it. */
	return !c->dry && unlinkat(folder, name, 0) < 0 && errno != ENOENT
		       ? error_errno(err, errno, "remove %s from the cache", name)
		       : 0;
}

static int clean_kinds(const char *path, int cache, unsigned kinds, struct cleaning *c,
		       struct error **err)
{
	for (size_t k = 0; fetch_cache_kinds[k].name; k++) {
		c->kind = &fetch_cache_kinds[k];
		c->count = 0;
		if (!(kinds & 1U << k))
			continue;
		if (cache >= 0 && fetch_cache_each(cache, c->kind, clean_one, c, err) < 0)
			return -1;
		if (!c->count)
			log_info("No cached files to remove at %s/%.*s", path,
				 (int)strcspn(c->kind->folder, "/"), c->kind->folder);
	}
	return 0;
}

static bool agreed(void)
{
	return tty_present() &&
	       tty_confirm(NULL, "This will delete what is in your cache (images of registries).\n"
				 "--dry-run shows what that is.\n"
				 "Do you want to continue? [N/y] ");
}

static int run_clean(const struct invocation *in, struct error **err)
{
	CLEANUP_TEXT char *path = NULL;
	struct cleaning c = { .dry = invocation_option(in, "dry-run")->on };
	const struct option_value *days = invocation_option(in, "days");
	unsigned kinds;
	if (wanted_kinds(in, &kinds, err) < 0)
		return -1;
	if (days->set && (days->number < 0 || days->number > 36500))
		return error_set(err, ERROR_USAGE, "--days needs a number of days");
	if (days->set)
		c.before = time(NULL) - days->number * 24 * 60 * 60;
	if (c.dry)
		log_say(LOG_INFO, "Nothing is removed, as --dry-run is given");
	else if (!invocation_option(in, "force")->on && !agreed()) {
		error_set(err, ERROR_USAGE, "the cache was not cleaned");
		return error_hint(err, "--force cleans it without a question");
	}
	CLEANUP_FD int cache = open_cache(&path, err);
	return cache < 0 && *err ? -1 : clean_kinds(path, cache, kinds, &c, err);
}

static const struct option clean_options[] = {
	VALUE_("days", 'D', OPTION_INT, "n", NULL, "only what is older than so many days"),
	SWITCH_("dry-run", 'n', NULL, "say what would go, and remove nothing"),
	SWITCH_("force", 'f', NULL, "ask nothing"),
	VALUE_("type", 'T', OPTION_LIST, "kind", NULL,
	       "only these kinds: library, oci, shub, blob, net, oras, all"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_cache_clean = {
	.name = "cache clean",
	.summary = "Remove what is kept",
	.usage = "cache clean [clean options...]",
	.description = "Removes all that is kept, or with --days and --type a part of it.\n",
	.examples = "$ %s cache clean --days 30\n",
	.options = clean_options,
	.max_arguments = 0,
	.run = run_clean,
};
