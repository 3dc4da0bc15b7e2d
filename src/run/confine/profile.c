/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile of system calls, in the JSON that container engines share (the OCI runtime
 * specification's `seccomp`, with what Docker's and Podman's default profiles add): read, and made
 * a program for the kernel by libseccomp, all before any process is forked.
 *
 * Who writes a profile trusts it, so there is no passing over: a member, a word or a number that is
 * not understood is an error that names its path. One thing alone is skipped, as engines do: the
 * name of a call that this libseccomp does not know, since a profile lists those of newer kernels
 * and of other processors. It then has the default action, as every call that is not named.
 *
 * A rule with conditions beside another for the same call is where libseccomp cannot be left alone:
 * of two that contradict each other it drops one without a word, and of some that do not it makes
 * a filter that does what neither says. profile_check.c and profile_prove.c have both refused.
 *
 * What a rule's `includes` and `excludes` ask for (capabilities, processor, kernel) is answered by
 * what the payload has: as root, of whatever namespace, every capability, and else none.
 */
#include "run/confine/internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROFILE_RULES 65536 /* names in all lists */

struct maker {
	const char *path;
	scmp_filter_ctx ctx;
	struct run_profile_host host;
	struct run_profile_program program;
	struct run_profile_rules rules;
	unsigned names;
	struct strings *skipped;
};

static void maker_free(struct maker *m)
{
	free(m->rules.items);
	if (m->ctx)
		seccomp_release(m->ctx);
}

/* ------------------------------------------------------------------ processors */

static int add_architecture(struct maker *m, const struct json_at *at, const char *text,
			    struct error **err)
{
	uint32_t arch = run_profile_architecture(text);
	if (!arch)
		return json_unsupported(at, "", text, err);
	int r = seccomp_arch_add(m->ctx, arch);
	/* Twice is once; one of the other byte order cannot run here. */
	if (r < 0 && r != -EEXIST && r != -EDOM)
		return error_errno(err, -r, "make the filter of %s", at->path);
	struct run_profile_program *p = &m->program;
	if (r == 0 && p->count == sizeof(p->architectures) / sizeof(*p->architectures))
		return json_over_limit(at, "", p->count, err);
	if (r == 0)
		p->architectures[p->count++] = arch;
	return 0;
}

static int add_list(struct maker *m, const struct json_at *list, struct error **err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json_at one = json_item(list, i);
		const char *text = run_profile_text(list, i, err);
		if (!text || add_architecture(m, &one, text, err) < 0)
			return -1;
	}
	return 0;
}

/* Of a map that entry alone counts which is of this processor. */
static int add_map(struct maker *m, const struct json_at *map, struct error **err)
{
	for (size_t i = 0; i < json_count(map); i++) {
		const struct json_at one = json_item(map, i);
		struct json_at sub;
		const char *text;
		if (json_kind(&one) != JSON_OBJECT)
			return json_damaged(&one, "", "is not an object", err);
		if (JSON_ONLY(&one, err, "architecture", "subArchitectures") < 0 ||
		    json_get_text(&one, "architecture", &text, err) < 0)
			return -1;
		bool subs =
			json_find(&one, "subArchitectures", &sub) && json_kind(&sub) != JSON_NULL;
		if (subs && json_get(&one, "subArchitectures", JSON_LIST, &sub, err) < 0)
			return -1;
		uint32_t arch = run_profile_architecture(text);
		if (!arch)
			return json_unsupported(&one, "architecture", text, err);
		if (subs && arch == seccomp_arch_native() && add_list(m, &sub, err) < 0)
			return -1;
	}
	return 0;
}

static int read_architectures(struct maker *m, const struct json_at *root, struct error **err)
{
	struct json_at list;
	bool flat = json_find(root, "architectures", &list) && json_kind(&list) != JSON_NULL;
	bool map = json_find(root, "archMap", &list) && json_kind(&list) != JSON_NULL;
	if (flat && map)
		return json_damaged(root, "archMap", "stands beside architectures", err);
	if (flat)
		return json_get(root, "architectures", JSON_LIST, &list, err) < 0
			       ? -1
			       : add_list(m, &list, err);
	if (map)
		return json_get(root, "archMap", JSON_LIST, &list, err) < 0
			       ? -1
			       : add_map(m, &list, err);
	return 0;
}

/* ------------------------------------------------------------------ rules */

static int get_args(const struct json_at *rule, struct scmp_arg_cmp ret[RUN_PROFILE_ARGS],
		    unsigned *count, struct error **err)
{
	struct json_at list;
	*count = 0;
	if (!json_find(rule, "args", &list) || json_kind(&list) == JSON_NULL)
		return 0;
	if (json_get(rule, "args", JSON_LIST, &list, err) < 0)
		return -1;
	if (json_count(&list) > RUN_PROFILE_ARGS)
		return json_over_limit(rule, "args", RUN_PROFILE_ARGS, err);
	for (size_t i = 0; i < json_count(&list); i++) {
		const struct json_at one = json_item(&list, i);
		uint64_t index, value, other = 0;
		uint32_t op = 0;
		if (json_kind(&one) != JSON_OBJECT)
			return json_damaged(&one, "", "is not an object", err);
		/* What json-c cut to 64 bits would be UINT64_MAX. */
		if (JSON_ONLY(&one, err, "index", "value", "valueTwo", "op") < 0 ||
		    json_get_number(&one, "index", 0, RUN_PROFILE_ARGS - 1, &index, err) < 0 ||
		    json_get_number(&one, "value", 0, UINT64_MAX - 1, &value, err) < 0 ||
		    run_profile_get_op(&one, "op", &op, err) < 0)
			return -1;
		if (json_find(&one, "valueTwo", NULL) &&
		    json_get_number(&one, "valueTwo", 0, UINT64_MAX - 1, &other, err) < 0)
			return -1;
		if (op != SCMP_CMP_MASKED_EQ && other)
			return json_damaged(&one, "valueTwo", "is of no use with this op", err);
		ret[(*count)++] = (struct scmp_arg_cmp){
			.arg = (unsigned)index,
			.op = (enum scmp_compare)op,
			.datum_a = value,
			.datum_b = other,
		};
	}
	return 0;
}

/* What a rule says of one call is kept; whether it can be done is asked when all are there. */
static int keep(struct maker *m, const struct run_profile_rule *one,
		const struct scmp_arg_cmp *args, unsigned count, struct error **err)
{
	struct run_profile_rules *rules = &m->rules;
	if (rules->len == PROFILE_RULES)
		return error_set(err, ERROR_LIMIT, "%s: more than %d rules", m->path,
				 PROFILE_RULES);
	void *items = array_grow(rules->items, rules->len, &rules->cap, sizeof(*rules->items), err);
	if (!items)
		return -1;
	rules->items = items;
	struct run_profile_rule *rule = &rules->items[rules->len++];
	*rule = *one;
	rule->count = count;
	for (unsigned i = 0; i < count; i++)
		rule->args[i] = args[i];
	return 0;
}

static int add_call(struct maker *m, const struct run_profile_rule *one,
		    const struct scmp_arg_cmp *args, unsigned count, struct error **err)
{
	bool seen[RUN_PROFILE_ARGS] = { false }, apart = false;
	for (unsigned i = 0; i < count; i++) {
		apart |= seen[args[i].arg];
		seen[args[i].arg] = true;
	}
	if (!apart)
		return keep(m, one, args, count, err);
	/* Two conditions on one argument are, to engines, a rule each. */
	for (unsigned i = 0; i < count; i++)
		if (keep(m, one, &args[i], 1, err) < 0)
			return -1;
	return 0;
}

/* What a rule says of all calls that it names, and those that have no meaning here. */
struct asked {
	size_t place;
	uint32_t action;
	struct scmp_arg_cmp args[RUN_PROFILE_ARGS];
	unsigned count;
	bool stands;
};

static int add_name(struct maker *m, const struct json_at *rule, const char *name,
		    const struct asked *asked, struct error **err)
{
	const struct run_profile_rule one = {
		.name = name,
		.call = seccomp_syscall_resolve_name(name),
		.place = asked->place,
		.action = asked->action,
	};
	if (++m->names > PROFILE_RULES)
		return json_over_limit(rule, "names", PROFILE_RULES, err);
	if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
		return json_damaged(rule, "names", "has what is no name of a call", err);
	if (one.call == __NR_SCMP_ERROR)
		return strings_add(m->skipped, name, err);
	return asked->stands ? add_call(m, &one, asked->args, asked->count, err) : 0;
}

static int read_rule(struct maker *m, const struct json_at *rule, size_t place, struct error **err)
{
	struct asked asked = { .place = place, .stands = true };
	struct json_at names;
	if (json_kind(rule) != JSON_OBJECT)
		return json_damaged(rule, "", "is not an object", err);
	if (JSON_ONLY(rule, err, "name", "names", "action", "errnoRet", "errno", "args", "comment",
		      "includes", "excludes") < 0 ||
	    run_profile_get_action(rule, "action", "errnoRet", "errno", &asked.action, err) < 0 ||
	    get_args(rule, asked.args, &asked.count, err) < 0 ||
	    run_profile_get_condition(&m->host, rule, "includes", true, &asked.stands, err) < 0 ||
	    run_profile_get_condition(&m->host, rule, "excludes", false, &asked.stands, err) < 0)
		return -1;
	const char *name;
	if (json_find(rule, "name", NULL)) {
		if (json_find(rule, "names", NULL))
			return json_damaged(rule, "name", "stands beside names", err);
		return json_get_text(rule, "name", &name, err) < 0
			       ? -1
			       : add_name(m, rule, name, &asked, err);
	}
	if (json_get(rule, "names", JSON_LIST, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&names); i++) {
		name = run_profile_text(&names, i, err);
		if (!name || add_name(m, rule, name, &asked, err) < 0)
			return -1;
	}
	return 0;
}

static int read_rules(struct maker *m, const struct json_at *root, struct error **err)
{
	struct json_at list;
	if (!json_find(root, "syscalls", &list) || json_kind(&list) == JSON_NULL)
		return 0;
	if (json_get(root, "syscalls", JSON_LIST, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&list); i++) {
		const struct json_at rule = json_item(&list, i);
		if (read_rule(m, &rule, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Flags that change how a filter is loaded: it is loaded so, or by the only thread there is. */
static int read_flags(const struct json_at *root, struct error **err)
{
	struct json_at list;
	if (!json_find(root, "flags", &list) || json_kind(&list) == JSON_NULL)
		return 0;
	if (json_get(root, "flags", JSON_LIST, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&list); i++) {
		const struct json_at one = json_item(&list, i);
		const char *text = run_profile_text(&list, i, err);
		if (!text)
			return -1;
		if (strcmp(text, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") != 0 &&
		    strcmp(text, "SECCOMP_FILTER_FLAG_TSYNC") != 0)
			return json_unsupported(&one, "", text, err);
	}
	return 0;
}

/* ------------------------------------------------------------------ the program */

/* What all calls have that are not named needs no rule, nor does libseccomp take one. */
static int give_rules(struct maker *m, struct error **err)
{
	for (size_t i = 0; i < m->rules.len; i++) {
		const struct run_profile_rule *rule = &m->rules.items[i];
		int r = rule->action == m->program.by_default
				? 0
				: seccomp_rule_add_array(m->ctx, rule->action, rule->call,
							 rule->count, rule->args);
		/* The very same once more is -EEXIST to some versions. */
		if (r < 0 && r != -EEXIST)
			return error_errno(err, -r, "make the filter of %s: syscalls.%zu, %s",
					   m->path, rule->place, rule->name);
	}
	return 0;
}

static int export(scmp_filter_ctx ctx, struct buffer *ret, struct error **err)
{
	CLEANUP_FD int fd = memfd_create("profile", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make the filter of a profile");
	int r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return error_errno(err, -r, "make the filter of a profile");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "make the filter of a profile");
	size_t most = BPF_MAXINSNS * sizeof(struct sock_filter);
	if (fd_read_all(fd, most, "the filter of a profile", ret, err) < 0)
		return -1;
	return 0;
}

int run_profile_make(const char *text, size_t len, const char *path, bool root, struct buffer *ret,
		     struct strings *ret_skipped, struct error **err)
{
	const struct json_limits limits = {
		.what = path,
		.bytes = RUN_PROFILE_MAX,
		.depth = 8,
		.values = PROFILE_RULES,
	};
	CLEANUP_JSON struct json *j = NULL;
	__attribute__((cleanup(maker_free))) struct maker m = {
		.path = path,
		.host.root = root,
		.program = { .architectures = { seccomp_arch_native() }, .count = 1 },
		.skipped = ret_skipped,
	};
	if (json_read(text, len, &limits, &j, err) < 0)
		return -1;
	const struct json_at at = json_root(j);
	if (json_kind(&at) != JSON_OBJECT)
		return json_damaged(&at, "", "is not an object", err);
	if (run_profile_look(&m.host, err) < 0 ||
	    JSON_ONLY(&at, err, "defaultAction", "defaultErrnoRet", "defaultErrno", "architectures",
		      "archMap", "flags", "syscalls") < 0 ||
	    run_profile_get_action(&at, "defaultAction", "defaultErrnoRet", "defaultErrno",
				   &m.program.by_default, err) < 0)
		return -1;
	m.ctx = seccomp_init(m.program.by_default);
	if (!m.ctx)
		return error_set(err, ERROR_MEMORY, "out of memory");
	/* Calls by the numbers of a processor that the profile does not name: as engines do. */
	(void)seccomp_attr_set(m.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(m.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (read_flags(&at, err) < 0 || read_architectures(&m, &at, err) < 0 ||
	    read_rules(&m, &at, err) < 0 ||
	    run_profile_agree(&m.rules, m.program.by_default, path, err) < 0 ||
	    give_rules(&m, err) < 0 || export(m.ctx, ret, err) < 0)
		return -1;
	m.program.code = ret;
	return run_profile_prove(&m.rules, &m.program, path, err);
}
