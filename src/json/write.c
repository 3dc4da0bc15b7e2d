/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include <string.h>

static int put_line(const struct json_writer *w, struct error **err)
{
	if (!w->lines)
		return 0;
	if (buffer_puts(w->out, "\n", err) < 0)
		return -1;
	for (unsigned i = 0; i < w->depth; i++)
		if (buffer_puts(w->out, "\t", err) < 0)
			return -1;
	return 0;
}

int json_put_key(struct json_writer *w, const char *key, struct error **err)
{
	if (w->more && buffer_puts(w->out, ",", err) < 0)
		return -1;
	w->more = true;
	if (put_line(w, err) < 0 || json_put_string(w->out, key, strlen(key), err) < 0)
		return -1;
	return buffer_puts(w->out, w->lines ? ": " : ":", err);
}

int json_begin(struct json_writer *w, const char *key, struct error **err)
{
	if ((key && json_put_key(w, key, err) < 0) || buffer_puts(w->out, "{", err) < 0)
		return -1;
	w->depth++;
	w->more = false;
	return 0;
}

int json_end(struct json_writer *w, struct error **err)
{
	w->depth--;
	if (w->more && put_line(w, err) < 0)
		return -1;
	w->more = true;
	return buffer_puts(w->out, "}", err);
}

int json_put_text(struct json_writer *w, const char *key, const char *text, size_t len,
		  struct error **err)
{
	if (json_put_key(w, key, err) < 0)
		return -1;
	return json_put_string(w->out, text, len, err);
}
