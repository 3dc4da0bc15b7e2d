/* SPDX-License-Identifier: Apache-2.0 */
/* The site's coffer.conf, and the same file as --config: none is looser than itself. */
#include "fuzz.h"

#include <string.h>

#include "config/config.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct config c = { 0 };
	struct buffer text CLEANUP_BUFFER = { 0 }, again CLEANUP_BUFFER = { 0 };
	int r = config_default(&c, err);
	if (r == 0)
		r = buffer_append(&text, data, len, err);
	if (r == 0)
		r = buffer_append(&again, data, len, err);
	if (r == 0)
		r = config_parse(&c, "coffer.conf", &text, err);
	for (size_t i = 0; r == 0 && i < c.bind_paths.len; i++)
		fuzz_saw(c.bind_paths.items[i], strlen(c.bind_paths.items[i]));
	fuzz_saw_number(c.sessiondir_max_mib);
	if (r == 0) {
		r = config_tighten(&c, "coffer.conf", &again, err);
		if (r < 0 && error_kind(*err) == ERROR_POLICY)
			fuzz_bug("looser than itself: %s", error_message(*err));
	}
	config_free(&c);
	return r;
}
