/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger's tree says about itself: its passwd and group files, and its labels, as JSON and
 * as lines. The first byte says which.
 */
#include "fuzz.h"

#include <string.h>

#include "tree/tree.h"
#include "run/internal.h"

static int labels(const char *text, size_t len, struct error **err)
{
	struct labels l = { 0 }, again = { 0 };
	struct buffer json CLEANUP_BUFFER = { 0 }, complaint CLEANUP_BUFFER = { 0 };
	int r = labels_read_shown(&again, text, len, &complaint, err);
	labels_free(&again);
	if (r < 0 && error_kind(*err) != ERROR_MEMORY && error_kind(*err) != ERROR_LIMIT)
		fuzz_bug("who only looks is refused");
	if (r == 0)
		r = labels_read_json(&l, text, len, err);
	if (r == 0 && complaint.len)
		fuzz_bug("what is read in earnest is complained of");
	if (r == 0)
		r = labels_put_json(&l, true, &json, err);
	if (r == 0)
		r = labels_read_json(&again, json.data, json.len, err);
	if (r == 0 && again.count != l.count)
		fuzz_bug("what was written is read as something else");
	if (r == 0)
		fuzz_saw(json.data, json.len);
	labels_free(&l);
	labels_free(&again);
	return r;
}

static int lines(const char *text, size_t len, struct error **err)
{
	struct labels l = { 0 };
	int r = labels_read_lines(&l, span_of(text, len), err);
	for (size_t i = 0; r == 0 && i < l.count; i++)
		if (labels_get(&l, l.items[i].key) != l.items[i].value)
			fuzz_bug("a label is not found by its key");
	labels_free(&l);
	return r;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct bytes b = bytes_of(data, len);
	uint8_t which = bytes_u8(&b);
	size_t left = bytes_left(&b);
	char *text CLEANUP_TEXT = text_dup_len(left ? (const char *)data + 1 : "", left, err);
	struct buffer out CLEANUP_BUFFER = { 0 };
	struct run_plan plan = { .inside_uid = 1000, .inside_gid = 1000 };
	char user[] = "user", gecos[] = "", home[] = "/home/user", shell[] = "/bin/sh";
	plan.user = user;
	plan.gecos = gecos;
	plan.passwd_home = home;
	plan.shell = shell;
	plan.home = home;
	if (!text)
		return -1;
	int r = which == 'l'	 ? lines(text, left, err)
		: which % 3 == 0 ? run_passwd_text(text, &plan, &out, err)
		: which % 3 == 1 ? run_group_text(text, &plan, &out, err)
				 : labels(text, left, err);
	if (r == 0)
		fuzz_saw(out.data, out.len);
	return r;
}
