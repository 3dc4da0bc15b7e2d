/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: the words of a command, one a line, and what the texts of its options say
 * (binds, mounts, lists). The first line is the command's name.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cli/words/internal.h"
#include "run/internal.h"

#define WORDS_MAX 32

static void lists(const struct invocation *in, struct error **first)
{
	for (size_t i = 0; in->command->options[i].name; i++) {
		const char *name = in->command->options[i].name;
		const struct strings *list = &in->values[i].list;
		for (size_t k = 0; k < list->len; k++) {
			struct error *err CLEANUP_ERROR = NULL;
			struct run_binds binds = { 0 };
			fuzz_saw(list->items[k], strlen(list->items[k]));
			if (!strcmp(name, "bind"))
				(void)run_bind_parse(list->items[k], &binds, &err);
			if (!strcmp(name, "mount"))
				(void)run_mount_parse(list->items[k], &binds, &err);
			for (size_t n = 0; n < binds.len; n++) {
				if (*binds.items[n].source != '/' || *binds.items[n].target != '/')
					fuzz_bug("a bind that is not absolute");
				fuzz_saw(binds.items[n].target, strlen(binds.items[n].target));
			}
			run_binds_free(&binds);
			fuzz_note(first, &err);
		}
	}
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	const char *words[WORDS_MAX + 1] = { NULL };
	size_t count = 0, used = 0;
	char *text CLEANUP_TEXT = text_dup_len((const char *)data, len, err);
	if (!text)
		return -1;
	char *rest = text;
	for (char *word; count < WORDS_MAX && (word = strsep(&rest, "\n"));)
		words[count++] = word;
	const struct command *command = table_find(words, &used);
	if (!command || used > count || !command->options)
		return error_set(err, ERROR_USAGE, "no such command");
	struct invocation in CLEANUP_INVOCATION = { 0 };
	struct error *first = NULL;
	if (parse_words(command, words + used, &in, err) < 0)
		return -1;
	lists(&in, &first);
	if (parse_check_arguments(&in, err) < 0)
		fuzz_note(&first, err);
	for (size_t i = 0; i < in.argument_count; i++) {
		char *quoted CLEANUP_TEXT = parse_quote(in.arguments[i], err);
		if (quoted)
			fuzz_saw(quoted, strlen(quoted));
		fuzz_note(&first, err);
	}
	*err = first;
	return first ? -1 : 0;
}
