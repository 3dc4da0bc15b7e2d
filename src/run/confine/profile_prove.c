/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that libseccomp has made of a profile, run here before the kernel gets it: the second
 * look of profile_check.c.
 *
 * It is a test, not a proof for each of 2^64 values; but libseccomp compares with nothing but the
 * numbers of the rules, and with halves of them, and all these are among the values tried, with
 * their neighbours.
 */
#include "run/confine/internal.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

/* Calls that are tried for one call of a profile. */
#define TRIED_MAX ((size_t)1 << 16)
/* Of an argument, for each condition on it. */
#define VALUES_OF_CONDITION 15
#define HALF ((uint64_t)1 << 32)

/*
 * What the kernel would return for a call. Returns -1 for a program that it would not take, or with
 * an instruction that libseccomp has not used so far.
 */
static int64_t run_program(const struct buffer *code, const struct seccomp_data *data)
{
	const struct sock_filter *at = (const struct sock_filter *)(const void *)code->data;
	const struct sock_filter *end = at + code->len / sizeof(*at);
	uint32_t a = 0;
	for (; at < end; at++) {
		bool yes = false;
		switch (at->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (at->k > sizeof(*data) - sizeof(a))
				return -1;
			memcpy(&a, (const char *)data + at->k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= at->k;
			continue;
		case BPF_RET | BPF_K:
			return at->k;
		case BPF_JMP | BPF_JA:
			if (at->k >= (size_t)(end - at))
				return -1;
			at += at->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == at->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = a > at->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= at->k;
			break;
		default:
			return -1;
		}
		size_t far = yes ? at->jt : at->jf;
		if (far >= (size_t)(end - at))
			return -1;
		at += far;
	}
	return -1;
}

static bool holds(const struct scmp_arg_cmp *c, uint64_t value, uint64_t word)
{
	uint64_t datum = c->datum_a & word;
	switch (c->op) {
	case SCMP_CMP_NE:
		return value != datum;
	case SCMP_CMP_LT:
		return value < datum;
	case SCMP_CMP_LE:
		return value <= datum;
	case SCMP_CMP_EQ:
		return value == datum;
	case SCMP_CMP_GE:
		return value >= datum;
	case SCMP_CMP_GT:
		return value > datum;
	default:
		return (value & datum) == (c->datum_b & word);
	}
}

/* The rules of one call on one processor, and the values that are tried. */
struct trial {
	const struct run_profile_rule *rules;
	size_t n;
	uint64_t word; /* the bits that an argument has there */
	uint64_t *values[RUN_PROFILE_ARGS];
	size_t count[RUN_PROFILE_ARGS];
};

static void trial_free(struct trial *t)
{
	for (unsigned i = 0; i < RUN_PROFILE_ARGS; i++)
		free(t->values[i]);
}

static uint32_t asked(const struct trial *t, const struct seccomp_data *data, uint32_t by_default)
{
	for (size_t i = 0; i < t->n; i++) {
		bool all = true;
		for (unsigned k = 0; k < t->rules[i].count; k++)
			all = all && holds(&t->rules[i].args[k],
					   data->args[t->rules[i].args[k].arg], t->word);
		if (all)
			return t->rules[i].action;
	}
	return by_default;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* A number of a rule, what lies beside it, and what has the one or the other half of it. */
static void add_values(uint64_t *list, size_t *n, uint64_t value)
{
	list[(*n)++] = value - 1;
	list[(*n)++] = value;
	list[(*n)++] = value + 1;
	list[(*n)++] = value - HALF;
	list[(*n)++] = value + HALF;
}

static int choose_values(struct trial *t, unsigned arg, struct error **err)
{
	uint64_t *list = calloc(t->n * VALUES_OF_CONDITION + 2, sizeof(*list));
	size_t n = 0, kept = 0;
	t->values[arg] = list;
	if (!list)
		return error_no_memory(err);
	list[n++] = 0;
	for (size_t i = 0; i < t->n; i++)
		for (unsigned k = 0; k < t->rules[i].count; k++) {
			const struct scmp_arg_cmp *c = &t->rules[i].args[k];
			if (c->arg != arg)
				continue;
			if (c->op == SCMP_CMP_MASKED_EQ) {
				add_values(list, &n, c->datum_b);
				add_values(list, &n, c->datum_b | ~c->datum_a);
				add_values(list, &n, c->datum_a);
			} else {
				add_values(list, &n, c->datum_a);
			}
		}
	/* Without a condition on it one value stands for all. */
	if (n > 1)
		list[n++] = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		list[i] &= t->word;
	qsort(list, n, sizeof(*list), by_value);
	for (size_t i = 0; i < n; i++)
		if (!kept || list[kept - 1] != list[i])
			list[kept++] = list[i];
	t->count[arg] = kept;
	return 0;
}

static int differs(const struct trial *t, const char *path, struct error **err)
{
	error_set(err, ERROR_UNSUPPORTED,
		  "%s: syscalls.%zu and others for %s: libseccomp makes a filter of them that does "
		  "not do what they say",
		  path, t->rules->place, t->rules->name);
	return error_hint(err, "say it in fewer rules, or with comparisons for equality alone");
}

/* Each value of each argument with each of the others. */
static int try_all(struct trial *t, const struct run_profile_program *p, struct seccomp_data *data,
		   const char *path, struct error **err)
{
	size_t tried = 1;
	for (unsigned i = 0; i < RUN_PROFILE_ARGS; i++) {
		if (choose_values(t, i, err) < 0)
			return -1;
		if (t->count[i] > TRIED_MAX / tried)
			return error_set(
				err, ERROR_LIMIT,
				"%s: syscalls.%zu and others for %s have more conditions than "
				"can be looked at",
				path, t->rules->place, t->rules->name);
		tried *= t->count[i];
	}
	for (size_t turn = 0; turn < tried; turn++) {
		size_t rest = turn;
		for (unsigned i = 0; i < RUN_PROFILE_ARGS; i++) {
			data->args[i] = t->values[i][rest % t->count[i]];
			rest /= t->count[i];
		}
		if (run_program(p->code, data) != asked(t, data, p->by_default))
			return differs(t, path, err);
	}
	return 0;
}

static int prove_call(const struct run_profile_rule *first, size_t n, uint32_t architecture,
		      const struct run_profile_program *p, const char *path, struct error **err)
{
	bool x32 = architecture == SCMP_ARCH_X32;
	bool narrow = x32 || !(architecture & __AUDIT_ARCH_64BIT);
	__attribute__((cleanup(trial_free))) struct trial t = {
		.rules = first,
		.n = n,
		.word = narrow ? UINT32_MAX : UINT64_MAX,
	};
	struct seccomp_data data = {
		.nr = seccomp_syscall_resolve_name_arch(architecture, first->name),
		.arch = x32 ? AUDIT_ARCH_X86_64 : architecture,
	};
	/* Below 0: no such call there, or one that goes by way of another, as socketcall. */
	return data.nr < 0 ? 0 : try_all(&t, p, &data, path, err);
}

int run_profile_prove(const struct run_profile_rules *rules, const struct run_profile_program *p,
		      const char *path, struct error **err)
{
	if (!rules->len)
		return 0;
	const struct run_profile_rule *end = rules->items + rules->len;
	size_t n;
	for (const struct run_profile_rule *first = rules->items; first < end; first += n) {
		bool conditions = false;
		n = run_profile_of_call(first, end);
		for (size_t i = 0; i < n; i++)
			conditions |= first[i].count > 0;
		for (unsigned i = 0; conditions && i < p->count; i++)
			if (prove_call(first, n, p->architectures[i], p, path, err) < 0)
				return -1;
	}
	return 0;
}
