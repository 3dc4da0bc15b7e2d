/* SPDX-License-Identifier: Apache-2.0 */
/* An --env-file: assignments, quoting and substitutions; and the words of a script (words.c). */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "run/internal.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct strings known CLEANUP_STRINGS = { 0 }, set CLEANUP_STRINGS = { 0 };
	struct strings words CLEANUP_STRINGS = { 0 };
	struct buffer quoted CLEANUP_BUFFER = { 0 };
	char *text CLEANUP_TEXT = text_dup_len((const char *)data, len, err);
	if (!text || strings_add(&known, "PATH=/bin:/usr/bin", err) < 0 ||
	    strings_add(&known, "HOST=a b", err) < 0 ||
	    run_words_split(&known, text, &words, err) < 0 ||
	    run_word_quoted(&known, text, &quoted, err) < 0 ||
	    run_envfile_parse(text, "the file", &known, &set, err) < 0)
		return -1;
	for (size_t i = 0; i < set.len; i++) {
		const char *equals = strchr(set.items[i], '=');
		if (!equals || !run_env_name_ok(set.items[i], (size_t)(equals - set.items[i])))
			fuzz_bug("what was set is no variable: %s", set.items[i]);
		fuzz_saw(set.items[i], strlen(set.items[i]));
	}
	return 0;
}
