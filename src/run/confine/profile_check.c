/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the filter that libseccomp makes of a profile what the profile says?
 *
 * libseccomp keeps a tree of comparisons for each call and merges each new rule into it. A rule
 * without conditions replaces all others of its call, or keeps them out, whichever came first, and
 * nothing tells that the other was dropped: who allows a call and refuses one argument of it has it
 * allowed. Rules with conditions that overlap end up as whatever the tree made of their order. And
 * 2.5 merges some rules wrongly that do not contradict each other at all: of `arg <= 2` beside
 * `arg < 2^32 + 1`, both refused, 3 is allowed.
 *
 * So a profile is looked at twice. Before libseccomp sees it (agree), each call gets the rules that
 * engines go by: of those without conditions the first counts, and one that asks for no more than
 * all calls have is none (Podman's own profile has such). Of all others no two may ask for
 * different actions at once: an engine leaves it to libseccomp which of them holds, and a person
 * who reads the profile cannot know, so it is refused, with both rules named. Afterwards
 * (profile_prove.c) the program is run, here, for each call that has conditions, with the values of
 * arguments at which one of them begins or ends to hold, and their neighbours. Where it does not
 * answer what the rules say it is not loaded.
 *
 * What is taken for an overlap is one, but for a mask beside a range: there the least and the
 * greatest value that the mask lets through stand for all between them.
 */
#include "run/confine/internal.h"

#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

/* Rules of one call: each is compared with each. */
#define OF_CALL_MAX 512

/* ------------------------------------------------------------------ conditions */

struct range {
	uint64_t from, to; /* both belong to it */
};

/* The values with which a condition can hold; of a mask the least and the greatest alone. */
static unsigned ranges_of(const struct scmp_arg_cmp *c, struct range ret[2])
{
	uint64_t value = c->datum_a;
	unsigned n = 0;
	switch (c->op) {
	case SCMP_CMP_NE:
		if (value > 0)
			ret[n++] = (struct range){ 0, value - 1 };
		if (value < UINT64_MAX)
			ret[n++] = (struct range){ value + 1, UINT64_MAX };
		break;
	case SCMP_CMP_LT:
		if (value > 0)
			ret[n++] = (struct range){ 0, value - 1 };
		break;
	case SCMP_CMP_LE:
		ret[n++] = (struct range){ 0, value };
		break;
	case SCMP_CMP_EQ:
		ret[n++] = (struct range){ value, value };
		break;
	case SCMP_CMP_GE:
		ret[n++] = (struct range){ value, UINT64_MAX };
		break;
	case SCMP_CMP_GT:
		if (value < UINT64_MAX)
			ret[n++] = (struct range){ value + 1, UINT64_MAX };
		break;
	default: /* SCMP_CMP_MASKED_EQ: datum_a is the mask */
		if (!(c->datum_b & ~value))
			ret[n++] = (struct range){ c->datum_b, c->datum_b | ~value };
	}
	return n;
}

/* Whether a condition asks for bits, and for which. */
static bool bits_of(const struct scmp_arg_cmp *c, uint64_t *mask, uint64_t *bits)
{
	*mask = c->op == SCMP_CMP_EQ ? UINT64_MAX : c->datum_a;
	*bits = c->op == SCMP_CMP_EQ ? c->datum_a : c->datum_b;
	return c->op == SCMP_CMP_EQ || c->op == SCMP_CMP_MASKED_EQ;
}

/* Whether one value may fulfil both. */
static bool share_value(const struct scmp_arg_cmp *a, const struct scmp_arg_cmp *b)
{
	struct range of_a[2], of_b[2];
	uint64_t mask_a, mask_b, bits_a, bits_b;
	unsigned n_a = ranges_of(a, of_a), n_b = ranges_of(b, of_b);
	bool share = false;
	for (unsigned i = 0; i < n_a; i++)
		for (unsigned k = 0; k < n_b; k++)
			share |= of_a[i].from <= of_b[k].to && of_b[k].from <= of_a[i].to;
	if (bits_of(a, &mask_a, &bits_a) && bits_of(b, &mask_b, &bits_b))
		share = share && !((bits_a ^ bits_b) & mask_a & mask_b);
	return share;
}

static bool can_hold(const struct run_profile_rule *rule)
{
	struct range ranges[2];
	for (unsigned i = 0; i < rule->count; i++)
		if (!ranges_of(&rule->args[i], ranges))
			return false;
	return true;
}

/* Whether one call may be meant by both. */
static bool share_call(const struct run_profile_rule *a, const struct run_profile_rule *b)
{
	if (!can_hold(a) || !can_hold(b))
		return false;
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned k = 0; k < b->count; k++)
			if (a->args[i].arg == b->args[k].arg &&
			    !share_value(&a->args[i], &b->args[k]))
				return false;
	return true;
}

/* ------------------------------------------------------------------ rules of one call */

static int by_call(const void *a, const void *b)
{
	const struct run_profile_rule *x = a, *y = b;
	if (x->call != y->call)
		return x->call < y->call ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

size_t run_profile_of_call(const struct run_profile_rule *first, const struct run_profile_rule *end)
{
	size_t n = 1;
	while (first + n < end && first[n].call == first->call)
		n++;
	return n;
}

static int contradict(const struct run_profile_rule *a, const struct run_profile_rule *b,
		      const char *path, struct error **err)
{
	if (a->place > b->place)
		return contradict(b, a, path, err);
	error_set(err, ERROR_DAMAGED,
		  "%s: syscalls.%zu contradicts syscalls.%zu: %s has another action by each%s",
		  path, b->place, a->place, a->name,
		  a->count && b->count ? " where the conditions of both hold" : "");
	return error_hint(err,
			  "libseccomp would drop one of them and say nothing: let the rules for "
			  "a call have one action, or conditions that exclude each other");
}

/* The rule without conditions that counts: the first that asks for more than what all calls have.
 */
static const struct run_profile_rule *whole_of(const struct run_profile_rule *first, size_t n,
					       uint32_t by_default)
{
	for (size_t i = 0; i < n; i++)
		if (!first[i].count && first[i].action != by_default)
			return &first[i];
	return NULL;
}

/* The rules of one call. Leaves those that count at the beginning: *ret_kept. */
static int settle(struct run_profile_rule *first, size_t n, uint32_t by_default, size_t *ret_kept,
		  const char *path, struct error **err)
{
	const struct run_profile_rule *whole = whole_of(first, n, by_default);
	if (n > OF_CALL_MAX)
		return error_set(err, ERROR_LIMIT, "%s: more than %d rules for %s", path,
				 OF_CALL_MAX, first->name);
	for (size_t i = 0; whole && i < n; i++) {
		if (first[i].action == whole->action)
			continue;
		if (first[i].count && can_hold(&first[i]))
			return contradict(whole, &first[i], path, err);
		log_verbose("%s: syscalls.%zu is passed over for %s: syscalls.%zu counts", path,
			    first[i].place, first->name, whole->place);
	}
	*ret_kept = 1;
	if (whole) {
		*first = *whole;
		return 0;
	}
	*ret_kept = 0;
	for (size_t i = 0; i < n; i++)
		if (first[i].count)
			first[(*ret_kept)++] = first[i];
	for (size_t i = 0; i < *ret_kept; i++)
		for (size_t k = i + 1; k < *ret_kept; k++)
			if (first[i].action != first[k].action && share_call(&first[i], &first[k]))
				return contradict(&first[i], &first[k], path, err);
	return 0;
}

int run_profile_agree(struct run_profile_rules *rules, uint32_t by_default, const char *path,
		      struct error **err)
{
	size_t kept = 0, n, left = 0;
	if (rules->len)
		qsort(rules->items, rules->len, sizeof(*rules->items), by_call);
	for (size_t at = 0; at < rules->len; at += n) {
		struct run_profile_rule *first = rules->items + at;
		n = run_profile_of_call(first, rules->items + rules->len);
		if (settle(first, n, by_default, &left, path, err) < 0)
			return -1;
		memmove(rules->items + kept, first, left * sizeof(*first));
		kept += left;
	}
	rules->len = kept;
	return 0;
}
