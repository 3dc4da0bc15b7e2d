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
 * What a rule's `includes` and `excludes` ask for (capabilities, processor, kernel) is answered by
 * what the payload has: as root, of whatever namespace, every capability, and else none.
 */
#include "run/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json/json.h"

#define PROFILE_ARGS 6	    /* a call has no more */
#define PROFILE_ERRNO 4095  /* the kernel's largest */
#define PROFILE_RULES 65536 /* names in all lists */

struct maker {
	scmp_filter_ctx ctx;
	bool root; /* the payload has capabilities */
	unsigned kernel[2];
	uint32_t by_default;
	unsigned rules;
	struct strings *skipped;
};

static void maker_free(struct maker *m)
{
	if (m->ctx)
		seccomp_release(m->ctx);
}

/* ------------------------------------------------------------------ words */

struct word {
	const char *word;
	uint32_t value;
};

/* The value of a word; what is not in the table is refused, and shown where it is harmless. */
static int get_word(const struct json_at *at, const char *member, const struct word *words,
		    uint32_t *ret, struct error **err)
{
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	for (; words->word; words++) {
		if (!strcmp(words->word, text)) {
			*ret = words->value;
			return 0;
		}
	}
	return json_unsupported(at, member, text, err);
}

/* The text of an item of a list, without NUL; NULL with *err set where it is none. */
static const char *item_text(const struct json_at *list, size_t i, struct error **err)
{
	const struct json_at one = json_item(list, i);
	size_t len = 0;
	const char *text = json_text(&one, &len);
	if (text && strlen(text) == len)
		return text;
	json_damaged(&one, "", "is not a text", err);
	return NULL;
}

/* SCMP_ACT_NOTIFY and SCMP_ACT_TRACE want a process that answers: there is none. */
static const struct word actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ 0 },
};

/* An action with its errno: EPERM where none is said. */
static int get_action(const struct json_at *at, const char *member, const char *number,
		      const char *name, uint32_t *ret, struct error **err)
{
	uint64_t value = EPERM;
	const char *text;
	bool numbered = json_find(at, number, NULL), named = json_find(at, name, NULL);
	if (get_word(at, member, actions, ret, err) < 0)
		return -1;
	if ((numbered || named) && *ret != SCMP_ACT_ERRNO(0))
		return json_damaged(at, numbered ? number : name, "is of no use with this action",
				    err);
	if (numbered && json_get_number(at, number, 0, PROFILE_ERRNO, &value, err) < 0)
		return -1;
	if (named) {
		int n = 1;
		if (json_get_text(at, name, &text, err) < 0)
			return -1;
		while (n < 256 && (!strerrorname_np(n) || strcmp(strerrorname_np(n), text) != 0))
			n++;
		if (n == 256)
			return json_unsupported(at, name, text, err);
		if (numbered && value != (uint64_t)n)
			return json_damaged(at, name, "is another than its number", err);
		value = (uint64_t)n;
	}
	if (*ret == SCMP_ACT_ERRNO(0))
		*ret = SCMP_ACT_ERRNO((uint32_t)value);
	return 0;
}

/* ------------------------------------------------------------------ processors */

/* "SCMP_ARCH_X86_64", which libseccomp calls "x86_64"; 0 where it has no such thing. */
static uint32_t architecture_of(const char *text)
{
	static const char prefix[] = "SCMP_ARCH_";
	char name[32] = "";
	if (strncmp(text, prefix, strlen(prefix)) != 0 ||
	    strlen(text) - strlen(prefix) >= sizeof(name))
		return 0;
	text += strlen(prefix);
	for (size_t i = 0; text[i]; i++)
		name[i] =
			(char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
	return seccomp_arch_resolve_name(name);
}

static int add_architecture(struct maker *m, const struct json_at *at, const char *text,
			    struct error **err)
{
	uint32_t arch = architecture_of(text);
	if (!arch)
		return json_unsupported(at, "", text, err);
	int r = seccomp_arch_add(m->ctx, arch);
	/* Twice is once; one of the other byte order cannot run here. */
	if (r < 0 && r != -EEXIST && r != -EDOM)
		return error_errno(err, -r, "make the filter of %s", at->path);
	return 0;
}

static int add_list(struct maker *m, const struct json_at *list, struct error **err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json_at one = json_item(list, i);
		const char *text = item_text(list, i, err);
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
		uint32_t arch = architecture_of(text);
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

/* ------------------------------------------------------------------ conditions */

static bool is_capability(const char *text)
{
	static const char names[] =
		" CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
		"LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK "
		"IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT "
		"SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE "
		"AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND "
		"AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE ";
	char word[40];
	if (strncmp(text, "CAP_", 4) != 0 || strpbrk(text, " ") || strlen(text) > 34)
		return false;
	(void)snprintf(word, sizeof(word), " %s ", text + 4);
	return strstr(names, word);
}

/* As Docker calls processors. */
static bool is_this_processor(const char *text)
{
	static const struct word names[] = {
		{ "amd64", SCMP_ARCH_X86_64 },
		{ "x86", SCMP_ARCH_X86 },
		{ "x32", SCMP_ARCH_X32 },
		{ "arm", SCMP_ARCH_ARM },
		{ "arm64", SCMP_ARCH_AARCH64 },
		{ "ppc64", SCMP_ARCH_PPC64 },
		{ "ppc64le", SCMP_ARCH_PPC64LE },
		{ "s390", SCMP_ARCH_S390 },
		{ "s390x", SCMP_ARCH_S390X },
		{ "riscv64", SCMP_ARCH_RISCV64 },
		{ 0 },
	};
	for (const struct word *w = names; w->word; w++)
		if (!strcmp(w->word, text))
			return w->value == seccomp_arch_native();
	return false;
}

/* "4.8"; *ret_rest is what stands behind it, NULL where it is no version. */
static void read_version(const char *text, unsigned ret[2], const char **ret_rest)
{
	*ret_rest = NULL;
	for (int i = 0; i < 2; i++) {
		size_t digits = strspn(text, "0123456789");
		if (!digits || digits > 4)
			return;
		for (ret[i] = 0; digits--; text++)
			ret[i] = 10 * ret[i] + (unsigned)(*text - '0');
		if (i == 0 && *text++ != '.')
			return;
	}
	*ret_rest = text;
}

/* "4.8": whether the kernel is at least that. */
static int get_kernel(const struct maker *m, const struct json_at *at, bool *ret,
		      struct error **err)
{
	const char *text, *rest;
	unsigned least[2];
	if (json_get_text(at, "minKernel", &text, err) < 0)
		return -1;
	read_version(text, least, &rest);
	if (!rest || *rest)
		return json_damaged(at, "minKernel", "is no version of a kernel", err);
	*ret = m->kernel[0] > least[0] || (m->kernel[0] == least[0] && m->kernel[1] >= least[1]);
	return 0;
}

/*
 * Whether a rule's conditions let it stand: of `includes` every capability, one of the processors
 * and the kernel; of `excludes` none of each.
 */
static int get_condition(const struct maker *m, const struct json_at *rule, const char *member,
			 bool include, bool *ret, struct error **err)
{
	struct json_at at, list;
	bool is = false;
	if (!json_find(rule, member, &at) || json_kind(&at) == JSON_NULL)
		return 0;
	if (json_get(rule, member, JSON_OBJECT, &at, err) < 0 ||
	    JSON_ONLY(&at, err, "caps", "arches", "minKernel") < 0)
		return -1;
	if (json_find(&at, "caps", NULL)) {
		if (json_get(&at, "caps", JSON_LIST, &list, err) < 0)
			return -1;
		for (size_t i = 0; i < json_count(&list); i++) {
			const struct json_at one = json_item(&list, i);
			const char *text = item_text(&list, i, err);
			if (!text)
				return -1;
			if (!is_capability(text))
				return json_unsupported(&one, "", text, err);
		}
		if (json_count(&list))
			*ret &= m->root == include;
	}
	if (json_find(&at, "arches", NULL)) {
		if (json_get(&at, "arches", JSON_LIST, &list, err) < 0)
			return -1;
		for (size_t i = 0; i < json_count(&list); i++) {
			const char *text = item_text(&list, i, err);
			if (!text)
				return -1;
			is |= is_this_processor(text);
		}
		if (json_count(&list))
			*ret &= is == include;
	}
	if (json_find(&at, "minKernel", NULL)) {
		if (get_kernel(m, &at, &is, err) < 0)
			return -1;
		*ret &= is == include;
	}
	return 0;
}

/* ------------------------------------------------------------------ rules */

static int get_args(const struct json_at *rule, struct scmp_arg_cmp ret[PROFILE_ARGS],
		    unsigned *count, struct error **err)
{
	static const struct word ops[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
		{ 0 },
	};
	struct json_at list;
	*count = 0;
	if (!json_find(rule, "args", &list) || json_kind(&list) == JSON_NULL)
		return 0;
	if (json_get(rule, "args", JSON_LIST, &list, err) < 0)
		return -1;
	if (json_count(&list) > PROFILE_ARGS)
		return json_over_limit(rule, "args", PROFILE_ARGS, err);
	for (size_t i = 0; i < json_count(&list); i++) {
		const struct json_at one = json_item(&list, i);
		uint64_t index, value, other = 0;
		uint32_t op = 0;
		if (json_kind(&one) != JSON_OBJECT)
			return json_damaged(&one, "", "is not an object", err);
		/* What json-c cut to 64 bits would be UINT64_MAX. */
		if (JSON_ONLY(&one, err, "index", "value", "valueTwo", "op") < 0 ||
		    json_get_number(&one, "index", 0, PROFILE_ARGS - 1, &index, err) < 0 ||
		    json_get_number(&one, "value", 0, UINT64_MAX - 1, &value, err) < 0 ||
		    get_word(&one, "op", ops, &op, err) < 0)
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

static int add_call(struct maker *m, const struct json_at *rule, int call, uint32_t action,
		    const struct scmp_arg_cmp *args, unsigned count, struct error **err)
{
	bool seen[PROFILE_ARGS] = { false }, apart = false;
	int r = 0;
	for (unsigned i = 0; i < count; i++) {
		apart |= seen[args[i].arg];
		seen[args[i].arg] = true;
	}
	/* Two conditions on one argument are, to engines, a rule each. */
	for (unsigned i = 0; apart && r >= 0 && i < count; i++)
		r = seccomp_rule_add_array(m->ctx, action, call, 1, &args[i]);
	if (!apart)
		r = seccomp_rule_add_array(m->ctx, action, call, count, args);
	if (r == -EEXIST)
		return json_damaged(rule, "", "contradicts another rule", err);
	if (r < 0)
		return error_errno(err, -r, "make the filter of %s", rule->path);
	return 0;
}

static int add_name(struct maker *m, const struct json_at *rule, const char *name, uint32_t action,
		    const struct scmp_arg_cmp *args, unsigned count, bool stands,
		    struct error **err)
{
	int call = seccomp_syscall_resolve_name(name);
	if (++m->rules > PROFILE_RULES)
		return json_over_limit(rule, "names", PROFILE_RULES, err);
	if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
		return json_damaged(rule, "names", "has what is no name of a call", err);
	if (call == __NR_SCMP_ERROR)
		return strings_add(m->skipped, name, err);
	/* What all calls have that are not named needs no rule, nor does libseccomp take one. */
	if (!stands || action == m->by_default)
		return 0;
	return add_call(m, rule, call, action, args, count, err);
}

static int read_rule(struct maker *m, const struct json_at *rule, struct error **err)
{
	struct scmp_arg_cmp args[PROFILE_ARGS];
	struct json_at names;
	unsigned count;
	uint32_t action = 0;
	bool stands = true;
	if (json_kind(rule) != JSON_OBJECT)
		return json_damaged(rule, "", "is not an object", err);
	if (JSON_ONLY(rule, err, "name", "names", "action", "errnoRet", "errno", "args", "comment",
		      "includes", "excludes") < 0 ||
	    get_action(rule, "action", "errnoRet", "errno", &action, err) < 0 ||
	    get_args(rule, args, &count, err) < 0 ||
	    get_condition(m, rule, "includes", true, &stands, err) < 0 ||
	    get_condition(m, rule, "excludes", false, &stands, err) < 0)
		return -1;
	const char *name;
	if (json_find(rule, "name", NULL)) {
		if (json_find(rule, "names", NULL))
			return json_damaged(rule, "name", "stands beside names", err);
		return json_get_text(rule, "name", &name, err) < 0
			       ? -1
			       : add_name(m, rule, name, action, args, count, stands, err);
	}
	if (json_get(rule, "names", JSON_LIST, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&names); i++) {
		name = item_text(&names, i, err);
		if (!name || add_name(m, rule, name, action, args, count, stands, err) < 0)
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
		if (read_rule(m, &rule, err) < 0)
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
		const char *text = item_text(&list, i, err);
		if (!text)
			return -1;
		if (strcmp(text, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") != 0 &&
		    strcmp(text, "SECCOMP_FILTER_FLAG_TSYNC") != 0)
			return json_unsupported(&one, "", text, err);
	}
	return 0;
}

/* ------------------------------------------------------------------ the program */

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
	struct utsname system;
	__attribute__((cleanup(maker_free))) struct maker m = {
		.root = root,
		.skipped = ret_skipped,
	};
	if (json_read(text, len, &limits, &j, err) < 0)
		return -1;
	const struct json_at at = json_root(j);
	if (json_kind(&at) != JSON_OBJECT)
		return json_damaged(&at, "", "is not an object", err);
	const char *rest = NULL;
	if (uname(&system) == 0)
		read_version(system.release, m.kernel, &rest);
	if (!rest)
		return error_set(err, ERROR_SYSTEM, "the kernel does not say its version");
	if (JSON_ONLY(&at, err, "defaultAction", "defaultErrnoRet", "defaultErrno", "architectures",
		      "archMap", "flags", "syscalls") < 0 ||
	    get_action(&at, "defaultAction", "defaultErrnoRet", "defaultErrno", &m.by_default,
		       err) < 0)
		return -1;
	m.ctx = seccomp_init(m.by_default);
	if (!m.ctx)
		return error_set(err, ERROR_MEMORY, "out of memory");
	/* Calls by the numbers of a processor that the profile does not name: as engines do. */
	(void)seccomp_attr_set(m.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(m.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (read_flags(&at, err) < 0 || read_architectures(&m, &at, err) < 0 ||
	    read_rules(&m, &at, err) < 0)
		return -1;
	return export(m.ctx, ret, err);
}
