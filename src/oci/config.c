/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"

/*
 * OCI image configuration: the object `config`. Go leaves out what is empty, and writes null for
 * lists and objects that are not there: both are the same here.
 */

void oci_config_free(struct oci_config *c)
{
	strings_free(&c->entrypoint);
	strings_free(&c->cmd);
	strings_free(&c->env);
	for (size_t i = 0; i < c->label_count; i++) {
		free(c->labels[i].name);
		free(c->labels[i].value);
	}
	free(c->labels);
	buffer_free(&c->json);
	*c = (struct oci_config){ 0 };
}

/* 1 with *ret where it is there and not null. */
static int find(const struct json_at *at, const char *member, enum json_kind kind,
		struct json_at *ret, struct error **err)
{
	if (!json_find(at, member, ret) || json_kind(ret) == JSON_NULL)
		return 0;
	return json_get(at, member, kind, ret, err) < 0 ? -1 : 1;
}

static int too_many(const struct json_at *at, struct error **err)
{
	return json_count(at) > OCI_WORDS_MAX ? json_over_limit(at, "", OCI_WORDS_MAX, err) : 0;
}

static int read_words(const struct json_at *config, const char *member, struct strings *ret,
		      struct error **err)
{
	struct json_at list;
	int r = find(config, member, JSON_LIST, &list, err);
	if (r <= 0)
		return r;
	if (too_many(&list, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_at item = json_item(&list, i);
		const char *text;
		if (json_own_text(&item, &text, err) < 0 || strings_add(ret, text, err) < 0)
			return -1;
	}
	return 0;
}

static int add_label(struct oci_config *c, const char *name, const char *value, struct error **err)
{
	struct oci_pair *grown =
		array_grow(c->labels, c->label_count, &c->label_cap, sizeof(*grown), err);
	if (!grown)
		return -1;
	c->labels = grown;
	struct oci_pair pair = { .name = text_dup(name, err) };
	pair.value = pair.name ? text_dup(value, err) : NULL;
	if (!pair.value) {
		free(pair.name);
		return -1;
	}
	c->labels[c->label_count++] = pair;
	return 0;
}

static int read_labels(const struct json_at *config, struct oci_config *c, struct error **err)
{
	struct json_at labels, value;
	const void *cursor = NULL;
	const char *name, *text;
	int r = find(config, "Labels", JSON_OBJECT, &labels, err);
	if (r <= 0)
		return r;
	if (too_many(&labels, err) < 0)
		return -1;
	c->has_labels = true;
	while (json_next(&labels, &cursor, &name, &value))
		if (json_own_text(&value, &text, err) < 0 || add_label(c, name, text, err) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ as Apptainer stores it */

static int put_text(struct json_writer *w, const struct json_at *config, const char *member,
		    struct error **err)
{
	struct json_at value;
	size_t len;
	int r = find(config, member, JSON_TEXT, &value, err);
	if (r <= 0)
		return r;
	const char *text = json_text(&value, &len);
	return len ? json_put_text(w, member, text, len, err) : 0;
}

static int put_words(struct json_writer *w, const char *member, const struct strings *words,
		     struct error **err)
{
	if (!words->len)
		return 0;
	if (json_put_key(w, member, err) < 0)
		return -1;
	for (size_t i = 0; i < words->len; i++)
		if (buffer_puts(w->out, i ? "," : "[", err) < 0 ||
		    json_put_string(w->out, words->items[i], strlen(words->items[i]), err) < 0)
			return -1;
	return buffer_puts(w->out, "]", err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct oci_pair *)a)->name, ((const struct oci_pair *)b)->name);
}

/* The names of an object, each with an empty object: ExposedPorts, Volumes. */
static int put_set(struct json_writer *w, const struct json_at *config, const char *member,
		   struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	struct json_at object, value;
	const void *cursor = NULL;
	const char *name;
	int r = find(config, member, JSON_OBJECT, &object, err);
	if (r <= 0 || !json_count(&object))
		return r < 0 ? -1 : 0;
	if (too_many(&object, err) < 0)
		return -1;
	while (json_next(&object, &cursor, &name, &value))
		if (strings_add(&names, name, err) < 0)
			return -1;
	strings_sort(&names);
	if (json_begin(w, member, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (json_begin(w, names.items[i], err) < 0 || json_end(w, err) < 0)
			return -1;
	return json_end(w, err);
}

static int put_labels(struct json_writer *w, const struct oci_config *c, struct error **err)
{
	if (!c->label_count)
		return 0;
	qsort(c->labels, c->label_count, sizeof(*c->labels), compare_names);
	if (json_begin(w, "Labels", err) < 0)
		return -1;
	for (size_t i = 0; i < c->label_count; i++)
		if (json_put_text(w, c->labels[i].name, c->labels[i].value,
				  strlen(c->labels[i].value), err) < 0)
			return -1;
	return json_end(w, err);
}

static int put_switch(struct json_writer *w, const struct json_at *config, const char *member,
		      struct error **err)
{
	struct json_at value;
	int r = find(config, member, JSON_SWITCH, &value, err);
	if (r <= 0 || !json_is_true(&value))
		return r < 0 ? -1 : 0;
	return json_put_key(w, member, err) < 0 ? -1 : buffer_puts(w->out, "true", err);
}

static int put_number(struct json_writer *w, const struct json_at *at, const char *member,
		      struct error **err)
{
	struct json_at value;
	uint64_t n;
	int r = find(at, member, JSON_NUMBER, &value, err);
	if (r <= 0)
		return r;
	if (json_get_number(at, member, 0, INT64_MAX, &n, err) < 0)
		return -1;
	if (!n)
		return 0;
	return json_put_key(w, member, err) < 0
		       ? -1
		       : buffer_printf(w->out, err, "%llu", (unsigned long long)n);
}

static int put_health(struct json_writer *w, const struct json_at *config, const char *member,
		      struct error **err)
{
	static const char *const numbers[] = { "Interval", "Timeout", "StartPeriod", "Retries" };
	CLEANUP_STRINGS struct strings test = { 0 };
	struct json_at health;
	int r = find(config, member, JSON_OBJECT, &health, err);
	if (r <= 0)
		return r;
	if (json_begin(w, member, err) < 0 || read_words(&health, "Test", &test, err) < 0 ||
	    put_words(w, "Test", &test, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (put_number(w, &health, numbers[i], err) < 0)
			return -1;
	return json_end(w, err);
}

static int put_list(struct json_writer *w, const struct json_at *config, const char *member,
		    struct error **err)
{
	CLEANUP_STRINGS struct strings words = { 0 };
	return read_words(config, member, &words, err) < 0 ? -1 : put_words(w, member, &words, err);
}

/* In the order in which Apptainer 1.4.5 was seen to write them; what is not among them it drops. */
static int put_json(const struct json_at *config, struct oci_config *c, struct error **err)
{
	static const struct {
		const char *name;
		int (*put)(struct json_writer *w, const struct json_at *config, const char *member,
			   struct error **err);
	} members[] = {
		{ "AttachStderr", put_switch },
		{ "AttachStdin", put_switch },
		{ "AttachStdout", put_switch },
		{ "Cmd", put_list },
		{ "Healthcheck", put_health },
		{ "Domainname", put_text },
		{ "Entrypoint", put_list },
		{ "Env", put_list },
		{ "Hostname", put_text },
		{ "Image", put_text },
		{ "Labels", NULL },
		{ "OnBuild", put_list },
		{ "OpenStdin", put_switch },
		{ "StdinOnce", put_switch },
		{ "Tty", put_switch },
		{ "User", put_text },
		{ "Volumes", put_set },
		{ "WorkingDir", put_text },
		{ "ExposedPorts", put_set },
		{ "ArgsEscaped", put_switch },
		{ "NetworkDisabled", put_switch },
		{ "MacAddress", put_text },
		{ "StopSignal", put_text },
		{ "Shell", put_list },
	};
	struct json_writer w = { .out = &c->json };
	if (json_begin(&w, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].put ? members[i].put(&w, config, members[i].name, err) < 0
				   : put_labels(&w, c, err) < 0)
			return -1;
	return json_end(&w, err);
}

int oci_config_read(const struct json_at *root, struct oci_config *ret, struct error **err)
{
	struct json_at config;
	int r = find(root, "config", JSON_OBJECT, &config, err);
	if (r < 0)
		return -1;
	if (!r)
		return buffer_puts(&ret->json, "{}", err);
	if (read_words(&config, "Entrypoint", &ret->entrypoint, err) < 0 ||
	    read_words(&config, "Cmd", &ret->cmd, err) < 0 ||
	    read_words(&config, "Env", &ret->env, err) < 0 || read_labels(&config, ret, err) < 0)
		return -1;
	return put_json(&config, ret, err);
}
