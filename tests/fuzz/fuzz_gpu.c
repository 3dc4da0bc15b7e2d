/* SPDX-License-Identifier: Apache-2.0 */
/* The list of --nv, to the first NUL, and behind it what ldconfig prints. */
#include "fuzz.h"

#include <string.h>

#include "run/internal.h"

static int read_both(const char *list, const char *cache, struct run_gpu_list *ret,
		     struct strings *found, struct error **err)
{
	return run_gpu_read_list(list, ret, err) < 0
		       ? -1
		       : run_gpu_read_cache(cache, &ret->libraries, found, err);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct run_gpu_list list = { 0 };
	struct strings found CLEANUP_STRINGS = { 0 };
	char *text CLEANUP_TEXT = text_dup_len((const char *)data, len, err);
	if (!text)
		return -1;
	size_t first = strlen(text);
	int r = read_both(text, first < len ? text + first + 1 : "", &list, &found, err);
	for (size_t i = 0; i < list.files.len; i++)
		if (list.files.items[i][0] != '/')
			fuzz_bug("a file with no path: %s", list.files.items[i]);
	for (size_t i = 0; i < list.programs.len; i++)
		if (strchr(list.programs.items[i], '/'))
			fuzz_bug("a program with a path: %s", list.programs.items[i]);
	for (size_t i = 0; i < found.len; i++) {
		if (found.items[i][0] != '/')
			fuzz_bug("a library with no path: %s", found.items[i]);
		fuzz_saw(found.items[i], strlen(found.items[i]));
	}
	fuzz_saw_number(list.libraries.len << 32 | list.programs.len << 16 | list.files.len);
	run_gpu_list_free(&list);
	return r;
}
