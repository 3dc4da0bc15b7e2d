/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <string.h>

/* Commands found by the words that name them. */

const char *command_word(const struct command *command)
{
	const char *blank = strchr(command->name, ' ');
	return blank ? blank + 1 : command->name;
}

bool table_is_in(const char *name, const struct command *group)
{
	size_t len = group ? strlen(group->name) : 0;
	return group ? !strncmp(name, group->name, len) && name[len] == ' ' : !strchr(name, ' ');
}

static const struct command *find(const struct command *group, const char *word)
{
	for (const struct command *const *c = command_table; *c; c++) {
		if (!table_is_in((*c)->name, group))
			continue;
		if (!strcmp(command_word(*c), word) || ((*c)->alias && !strcmp((*c)->alias, word)))
			return *c;
	}
	return NULL;
}

const struct command *table_find(const char *const *words, size_t *ret_words)
{
	const struct command *c = words[0] ? find(NULL, words[0]) : NULL;
	*ret_words = c != NULL;
	if (!c || !c->group || !words[1])
		return c;
	const struct command *sub = find(c, words[1]);
	*ret_words += sub != NULL;
	return sub ? sub : c;
}

const struct command_missing *table_missing(const struct command *group, const char *word)
{
	size_t before = group ? strlen(group->name) + 1 : 0;
	for (const struct command_missing *m = command_missing; m->name; m++)
		if (table_is_in(m->name, group) && !strcmp(m->name + before, word))
			return m;
	return NULL;
}

bool table_is_near(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b), before = 0, behind = 0;
	size_t shorter = a_len < b_len ? a_len : b_len, longer = a_len + b_len - shorter;
	while (before < shorter && a[before] == b[before])
		before++;
	while (behind < shorter - before && a[a_len - 1 - behind] == b[b_len - 1 - behind])
		behind++;
	return longer - before - behind <= 2 && before + behind > 0;
}

bool table_offers(const struct option *o)
{
	return !o->hidden && o->support == OPTION_WORKS;
}

bool table_next(const struct command *group, const struct command *const **at)
{
	*at = *at ? *at + 1 : command_table;
	while (**at && ((**at)->hidden || !table_is_in((**at)->name, group)))
		(*at)++;
	return **at != NULL;
}

const struct command *table_near(const struct command *group, const char *word)
{
	const struct command *const *c = NULL;
	while (table_next(group, &c))
		if (table_is_near(command_word(*c), word))
			return *c;
	return NULL;
}

const struct option *option_near(const struct command *command, const char *name, size_t len)
{
	char word[64];
	if (len >= sizeof(word))
		return NULL;
	memcpy(word, name, len);
	word[len] = '\0';
	for (const struct option *o = command->options; o->name; o++)
		if (table_offers(o) && table_is_near(o->name, word))
			return o;
	return NULL;
}
