/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tree/format.h"
#include "config.h"

#define ENVIRONMENT TREE_META "/env/90-environment.sh"

const char *const metadata_folders[] = {
	"/",
	"/etc",
	"/var",
	TREE_META,
	TREE_META "/actions",
	TREE_META "/bootstrap_history",
	TREE_META "/env",
	TREE_META "/libs",
	NULL,
};

/* ------------------------------------------------------------------ base environment */

static int put_link(int root, const char *path, const char *target, struct error **err)
{
	struct stat st;
	CLEANUP_FD int top = path_open_in_root(root, "/", O_PATH | O_DIRECTORY, 0);
	if (top < 0)
		return error_errno(err, -top, "open the container's root");
	bool there = fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (there && !S_ISLNK(st.st_mode))
		return 0;
	if (there && unlinkat(top, path, 0) < 0)
		return error_errno(err, errno, "replace /%s of the container", path);
	if (symlinkat(target, top, path) < 0)
		return error_errno(err, errno, "make the link /%s of the container", path);
	return 0;
}

/* An existing regular file gets the mode even where its text stays. */
static int put_file(int root, const char *path, mode_t mode, const char *text, bool overwrite,
		    struct error **err)
{
	struct stat st;
	CLEANUP_FD int fd = path_open_in_root(root, path, O_PATH, 0);
	bool regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (fd >= 0 && !regular && !overwrite)
		return 0;
	if (!regular || overwrite)
		return tree_write(root, path, mode, text, strlen(text), err);
	CLEANUP_TEXT char *link = text_printf(err, "/proc/self/fd/%d", fd);
	if (!link)
		return -1;
	if ((st.st_mode & 07777) != mode && chmod(link, mode) < 0)
		return error_errno(err, errno, "change the mode of %s of the container", path);
	return 0;
}

int metadata_write_base(int root, bool overwrite, struct error **err)
{
	static const char *const directories[] = { TREE_META "/libs",
						   TREE_META "/actions",
						   TREE_META "/env",
						   "/dev",
						   "/proc",
						   "/root",
						   "/var/tmp",
						   "/tmp",
						   "/etc",
						   "/sys",
						   "/home" };
	static const char *const links[][2] = {
		{ "singularity", ".singularity.d/runscript" },
		{ ".run", ".singularity.d/actions/run" },
		{ ".exec", ".singularity.d/actions/exec" },
		{ ".test", ".singularity.d/actions/test" },
		{ ".shell", ".singularity.d/actions/shell" },
		{ "environment", ".singularity.d/env/90-environment.sh" },
	};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		/* What has such a name already stays, a link to nowhere included. */
		if (!tree_exists(root, directories[i]) &&
		    tree_make_directory(root, directories[i], 0755, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (put_link(root, links[i][0], links[i][1], err) < 0)
			return -1;
	if (put_file(root, "/etc/hosts", 0644, "", overwrite, err) < 0 ||
	    put_file(root, "/etc/resolv.conf", 0644, "", overwrite, err) < 0)
		return -1;
	for (const struct standard_script *s = standard_scripts; s->path; s++)
		if (put_file(root, s->path, 0755, s->text, overwrite, err) < 0)
			return -1;
	return 0;
}

int metadata_reset_runscript(int root, struct error **err)
{
	return tree_write(root, TREE_META "/runscript", 0755, "#!/bin/sh\n", 10, err);
}

bool metadata_wants(const struct metadata_options *o, const char *section)
{
	if (!o->sections || !o->sections->len)
		return true;
	for (size_t i = 0; i < o->sections->len; i++)
		if (!strcmp(o->sections->items[i], "all") ||
		    !strcmp(o->sections->items[i], section))
			return true;
	return false;
}

/* ------------------------------------------------------------------ labels */

static int put_build_date(struct labels *l, int64_t when, struct error **err)
{
	static const char *const days[] = { "Sunday",	"Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday" };
	static const char *const months[] = { "January",   "February", "March",	   "April",
					      "May",	   "June",     "July",	   "August",
					      "September", "October",  "November", "December" };
	time_t t = (time_t)when;
	struct tm tm;
	/* Names in English whatever the locale is. */
	if (!localtime_r(&t, &tm))
		return error_set(err, ERROR_USAGE, "the time %lld is out of range",
				 (long long)when);
	CLEANUP_TEXT char *text =
		text_printf(err, "%s_%d_%s_%d_%d:%d:%d_%s", days[tm.tm_wday], tm.tm_mday,
			    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
			    tm.tm_zone ? tm.tm_zone : "UTC");
	return text ? labels_set(l, "org.label-schema.build-date", text, err) : -1;
}

static int put_build_labels(struct labels *l, const struct definition *d, bool help,
			    const struct metadata_options *o, struct error **err)
{
	static const char help_path[] = "/.singularity.d/runscript.help";
	if (labels_set(l, "org.label-schema.schema-version", "1.0", err) < 0 ||
	    put_build_date(l, o->time, err) < 0 ||
	    labels_set(l, "org.label-schema.usage.apptainer.version", APPTAINER_VERSION, err) < 0 ||
	    labels_set(l, "org.label-schema.build-arch", o->arch, err) < 0)
		return -1;
	if (help &&
	    (labels_set(l, "org.label-schema.usage", help_path, err) < 0 ||
	     labels_set(l, "org.label-schema.usage.apptainer.runscript.help", help_path, err) < 0))
		return -1;
	for (size_t i = 0; !o->update && i < d->header_count; i++) {
		const struct definition_pair *h = &d->header[i];
		bool cut = o->url && !strcmp(h->key, "from");
		CLEANUP_TEXT char *key =
			text_printf(err, "org.label-schema.usage.singularity.deffile.%s", h->key);
		CLEANUP_TEXT char *value = text_dup_len(
			h->value, cut ? strcspn(h->value, "?") : strlen(h->value), err);
		if (!key || !value || labels_set(l, key, value, err) < 0)
			return -1;
	}
	return 0;
}

/* In the order of deffile.md 8: base, what %post left, the build's own, %labels. */
static int write_labels(int root, const struct definition *d, bool help,
			const struct metadata_options *o, struct labels *l, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 }, lines = { 0 }, out = { 0 };
	int found = tree_read(root, TREE_META "/labels.json", METADATA_FILE_MAX, &text, err);
	if (found < 0 ||
	    (found && labels_read_json(l, text.data ? text.data : "", text.len, err) < 0))
		return -1;
	found = tree_read(root, "/.build.labels", METADATA_FILE_MAX, &lines, err);
	if (found < 0 || labels_read_lines(l, span_of(lines.data, lines.len), err) < 0)
		return -1;
	if (found && unlinkat(root, ".build.labels", 0) < 0)
		return error_errno(err, errno, "remove /.build.labels of the container");
	if (put_build_labels(l, d, help, o, err) < 0)
		return -1;
	const struct definition_section *s = definition_section(d, "labels");
	if (s && metadata_wants(o, "labels")) {
		log_info("Adding labels");
		struct labels own = { 0 };
		int result = labels_read_lines(&own, span_of(s->body.data, s->body.len), err);
		for (size_t i = 0; result == 0 && i < own.count; i++) {
			if (!o->force && labels_get(l, own.items[i].key))
				log_warning("Label: %s already exists and force option is false, "
					    "not overwriting",
					    own.items[i].key);
			else
				result = labels_set(l, own.items[i].key, own.items[i].value, err);
		}
		labels_free(&own);
		if (result < 0)
			return -1;
	}
	if (labels_put_json(l, true, &out, err) < 0)
		return -1;
	return tree_write(root, TREE_META "/labels.json", 0644, out.data, out.len, err);
}

/* ------------------------------------------------------------------ sections */

static int write_help(int root, const struct definition *d, const struct metadata_options *o,
		      bool *ret_written, struct error **err)
{
	const struct definition_section *s = definition_section(d, "help");
	*ret_written = false;
	if (!s || !metadata_wants(o, "help"))
		return 0;
	if (tree_exists(root, TREE_META "/runscript.help") && !o->force) {
		log_warning("Help message already exists and force option is false, not "
			    "overwriting");
		return 0;
	}
	log_info("Adding help info");
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_append(&text, s->body.data, s->body.len, err) < 0 ||
	    buffer_puts(&text, "\n", err) < 0)
		return -1;
	*ret_written = true;
	return tree_write(root, TREE_META "/runscript.help", 0644, text.data, text.len, err);
}

/* The base's definition goes to the history, numbered. */
static int write_definition(int root, const struct definition *d, struct error **err)
{
	if (tree_exists(root, TREE_META "/Singularity")) {
		CLEANUP_STRINGS struct strings old = { 0 };
		if (tree_make_directory(root, TREE_META "/bootstrap_history", 0755, err) < 0 ||
		    tree_list(root, TREE_META "/bootstrap_history", &old, err) < 0)
			return -1;
		CLEANUP_FD int meta = path_open_in_root(root, TREE_META, O_PATH | O_DIRECTORY, 0);
		CLEANUP_FD int history = path_open_in_root(root, TREE_META "/bootstrap_history",
							   O_PATH | O_DIRECTORY, 0);
		CLEANUP_TEXT char *name = text_printf(err, "Apptainer%zu", old.len);
		if (!name)
			return -1;
		if (meta < 0 || history < 0 || renameat(meta, "Singularity", history, name) < 0)
			return error_errno(err,
					   meta < 0	 ? -meta
					   : history < 0 ? -history
							 : errno,
					   "keep the definition of the base image");
	}
	return tree_write(root, TREE_META "/Singularity", 0644, d->whole->data, d->whole->len, err);
}

static int write_environment(int root, const struct definition *d, const struct metadata_options *o,
			     struct error **err)
{
	const struct definition_section *s = definition_section(d, "environment");
	if (!s || !metadata_wants(o, "environment"))
		return 0;
	log_info("Adding environment to container");
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *begin = tree_exists(root, ENVIRONMENT) ? "\n" : "#!/bin/sh\n\n";
	if (buffer_puts(&text, begin, err) < 0 ||
	    buffer_append(&text, s->body.data, s->body.len, err) < 0 ||
	    buffer_puts(&text, "\n", err) < 0)
		return -1;
	return tree_append(root, ENVIRONMENT, 0755, text.data, text.len, err);
}

static int write_script(int root, const struct definition *d, const struct metadata_options *o,
			const char *section, const char *message, struct error **err)
{
	const struct definition_section *s = definition_section(d, section);
	if (!s || !metadata_wants(o, section))
		return 0;
	log_info("%s", message);
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_TEXT char *path = text_printf(err, TREE_META "/%s", section);
	if (!path || definition_script_text(s, &text, err) < 0)
		return -1;
	return tree_write(root, path, 0755, text.data, text.len, err);
}

int metadata_write(int root, const struct definition *d, const struct metadata_options *options,
		   struct error **err)
{
	bool help;
	struct labels labels = { 0 };
	if (write_help(root, d, options, &help, err) < 0)
		return -1;
	int result = write_labels(root, d, help, options, &labels, err);
	labels_free(&labels);
	if (result < 0 || write_definition(root, d, err) < 0 ||
	    write_environment(root, d, options, err) < 0 ||
	    write_script(root, d, options, "startscript", "Adding startscript", err) < 0 ||
	    write_script(root, d, options, "runscript", "Adding runscript", err) < 0 ||
	    write_script(root, d, options, "test", "Adding testscript", err) < 0)
		return -1;
	return 0;
}
