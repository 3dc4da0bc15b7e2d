/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tree says of itself, as the one object of JSON that `inspect` shows and a SIF repeats
 * (sif.md 8.3): the texts and labels of the image, then those of each of its apps.
 */
#include "tree/metadata.h"

#include <fnmatch.h>
#include <string.h>

#include "json/json.h"
#include "tree/format.h"

/* The tree, and for what it is read. */
struct reading {
	const struct metadata_view *view;
	const struct metadata_asked *asked; /* it is shown now; NULL: it goes into a SIF */
};

static size_t without_newlines(const struct buffer *b)
{
	size_t len = b->len;
	while (len && b->data[len - 1] == '\n')
		len--;
	return len;
}

/* The peer reads these texts by a shell, which drops them. */
static void drop_nul(struct buffer *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i])
			b->data[kept++] = b->data[i];
	b->len = kept;
}

/* As much as the command takes of it. */
static int check_length(const struct json_writer *w, struct error **err)
{
	return w->out->len > METADATA_TEXTS_MAX
		       ? error_set(err, ERROR_LIMIT,
				   "the texts in the container are longer than "
				   "%zu bytes together",
				   METADATA_TEXTS_MAX)
		       : 0;
}

/* A file's text as an attribute, if there is one; always: also when it is empty. */
static int put_text(const struct reading *r, const char *path, const char *key, bool always,
		    struct json_writer *w, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	int found = r->view->read(r->view->context, path, METADATA_FILE_MAX, &text, err);
	drop_nul(&text);
	size_t len = without_newlines(&text);
	if (found <= 0 || (!len && !always))
		return found < 0 ? -1 : 0;
	return json_put_text(w, key, text.data, len, err) < 0 ? -1 : check_length(w, err);
}

/* An app has no OCI configuration of its own. */
static bool is_environment(const char *name, bool app)
{
	return fnmatch("9*-environment.sh", name, 0) == 0 ||
	       (!app && fnmatch("10-docker*.sh", name, 0) == 0);
}

static int put_environment(const struct reading *r, const char *base, bool app,
			   struct json_writer *w, struct error **err)
{
	CLEANUP_TEXT char *folder = path_join(base, "env", err);
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_BUFFER struct buffer object = { 0 };
	struct json_writer inside = { .out = &object };
	if (!folder || r->view->list(r->view->context, folder, &names, err) < 0 ||
	    json_begin(&inside, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		if (!is_environment(names.items[i], app))
			continue;
		CLEANUP_TEXT char *path = path_join(folder, names.items[i], err);
		if (!path || put_text(r, path, path, true, &inside, err) < 0)
			return -1;
	}
	if (!inside.more)
		return 0;
	if (json_end(&inside, err) < 0 || json_put_key(w, "environment", err) < 0)
		return -1;
	return buffer_append(w->out, object.data, object.len, err);
}

static int read_labels(const struct reading *r, const struct buffer *text, struct labels *ret,
		       struct error **err)
{
	const char *data = text->data ? text->data : "";
	CLEANUP_BUFFER struct buffer complaint = { 0 };
	if (!r->asked)
		return labels_read_json(ret, data, text->len, err);
	if (labels_read_shown(ret, data, text->len, &complaint, err) < 0)
		return -1;
	if (complaint.len)
		log_warning("Unable to parse labels: %s", complaint.data);
	return 0;
}

/* app: NULL for the image itself. */
static bool wants_labels(const struct metadata_asked *asked, const char *app)
{
	if (!asked || asked->all)
		return true;
	return asked->labels && (app && asked->app ? !strcmp(app, asked->app) : app == asked->app);
}

static int put_labels(const struct reading *r, const char *base, const char *app,
		      struct json_writer *w, struct error **err)
{
	if (!wants_labels(r->asked, app))
		return 0;
	CLEANUP_TEXT char *path = path_join(base, "labels.json", err);
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct labels labels = { 0 };
	int found =
		path ? r->view->read(r->view->context, path, METADATA_FILE_MAX, &text, err) : -1;
	int result = found > 0 ? read_labels(r, &text, &labels, err) : found;
	if (result == 0 && labels.count)
		result = json_put_key(w, "labels", err) < 0 ||
					 labels_put_json(&labels, false, w->out, err) < 0
				 ? -1
				 : 0;
	labels_free(&labels);
	return result;
}

/* app: its name, or NULL for the image itself. */
static int put_attributes(const struct reading *r, const char *base, const char *app,
			  struct json_writer *w, struct error **err)
{
	struct text {
		const char *key, *file;
	};
	/* Go writes an object's members in the order in which they are declared. */
	static const struct text of_image[] = {
		{ "runscript", "runscript" },	  { "test", "test" },
		{ "helpfile", "runscript.help" }, { "deffile", "Singularity" },
		{ "startscript", "startscript" },
	};
	static const struct text of_app[] = {
		{ "runscript", "runscript" }, { "startscript", "startscript" },
		{ "test", "test" },	      { "helpfile", "runscript.help" },
		{ "deffile", "Singularity" }, /* only where it is shown */
	};
	const struct text *texts = app ? of_app : of_image;
	size_t count = app ? sizeof(of_app) / sizeof(*of_app) - !r->asked
			   : sizeof(of_image) / sizeof(*of_image);
	if (put_environment(r, base, app != NULL, w, err) < 0 ||
	    put_labels(r, base, app, w, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		CLEANUP_TEXT char *path = path_join(base, texts[i].file, err);
		if (!path || put_text(r, path, texts[i].key, false, w, err) < 0)
			return -1;
	}
	return 0;
}

/* An app is a folder that has a folder scif; as a shell's `*` no name begins with a dot. */
static int is_app(const struct reading *r, const char *name, const char *base, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	return *name == '.' ? 0 : r->view->list(r->view->context, base, &names, err);
}

static int put_app(const struct reading *r, const char *name, struct json_writer *w, bool *begun,
		   struct error **err)
{
	CLEANUP_TEXT char *base = text_printf(err, "/scif/apps/%s/scif", name);
	int found = base ? is_app(r, name, base, err) : -1;
	if (found <= 0)
		return found;
	if (!*begun && json_begin(w, "apps", err) < 0)
		return -1;
	*begun = true;
	if (json_begin(w, name, err) < 0 || put_attributes(r, base, name, w, err) < 0 ||
	    json_end(w, err) < 0)
		return -1;
	return check_length(w, err);
}

static int put_apps(const struct reading *r, struct json_writer *w, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	bool begun = false;
	if (r->view->list(r->view->context, "/scif/apps", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (put_app(r, names.items[i], w, &begun, err) < 0)
			return -1;
	return begun ? json_end(w, err) : 0;
}

static int put_all(const struct reading *r, struct buffer *ret, struct error **err)
{
	struct json_writer w = { .out = ret };
	if (json_begin(&w, NULL, err) < 0 || json_begin(&w, "data", err) < 0 ||
	    json_begin(&w, "attributes", err) < 0 || put_apps(r, &w, err) < 0 ||
	    put_attributes(r, TREE_META, NULL, &w, err) < 0 || json_end(&w, err) < 0 ||
	    json_end(&w, err) < 0 ||
	    json_put_text(&w, "type", "container", strlen("container"), err) < 0)
		return -1;
	return json_end(&w, err);
}

/* ------------------------------------------------------------------ of a folder */

static int folder_read(void *context, const char *path, size_t limit, struct buffer *ret,
		       struct error **err)
{
	return tree_read(*(int *)context, path, limit, ret, err);
}

static int folder_list(void *context, const char *path, struct strings *ret, struct error **err)
{
	return tree_list(*(int *)context, path, ret, err);
}

int metadata_inspect(int root, struct buffer *ret, struct error **err)
{
	const struct metadata_view view = { &root, folder_read, folder_list };
	return put_all(&(struct reading){ .view = &view }, ret, err);
}

int metadata_show_folder(int root, const struct metadata_asked *asked, struct buffer *ret,
			 struct error **err)
{
	return metadata_show(&(struct metadata_view){ &root, folder_read, folder_list }, asked, ret,
			     err);
}

int metadata_show(const struct metadata_view *view, const struct metadata_asked *asked,
		  struct buffer *ret, struct error **err)
{
	return put_all(&(struct reading){ .view = view, .asked = asked }, ret, err);
}
