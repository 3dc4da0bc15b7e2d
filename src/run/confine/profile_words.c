/* SPDX-License-Identifier: Apache-2.0 */
#include "run/confine/internal.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* What the words of a profile stand for here: see profile.c. */

#define PROFILE_ERRNO 4094 /* libseccomp's largest; the kernel's is one more */

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

const char *run_profile_text(const struct json_at *list, size_t i, struct error **err)
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

int run_profile_get_action(const struct json_at *at, const char *member, const char *number,
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

int run_profile_get_op(const struct json_at *at, const char *member, uint32_t *ret,
		       struct error **err)
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
	return get_word(at, member, ops, ret, err);
}

/* ------------------------------------------------------------------ processors */

uint32_t run_profile_architecture(const char *text)
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

int run_profile_look(struct run_profile_host *host, struct error **err)
{
	struct utsname system;
	const char *rest = NULL;
	if (uname(&system) == 0)
		read_version(system.release, host->kernel, &rest);
	return rest ? 0 : error_set(err, ERROR_SYSTEM, "the kernel does not say its version");
}

/* "4.8": whether the kernel is at least that. */
static int get_kernel(const struct run_profile_host *host, const struct json_at *at, bool *ret,
		      struct error **err)
{
	const char *text, *rest;
	unsigned least[2];
	if (json_get_text(at, "minKernel", &text, err) < 0)
		return -1;
	read_version(text, least, &rest);
	if (!rest || *rest)
		return json_damaged(at, "minKernel", "is no version of a kernel", err);
	*ret = host->kernel[0] > least[0] ||
	       (host->kernel[0] == least[0] && host->kernel[1] >= least[1]);
	return 0;
}

int run_profile_get_condition(const struct run_profile_host *host, const struct json_at *rule,
			      const char *member, bool include, bool *stands, struct error **err)
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
			const char *text = run_profile_text(&list, i, err);
			if (!text)
				return -1;
			if (!is_capability(text))
				return json_unsupported(&one, "", text, err);
		}
		if (json_count(&list))
			*stands &= host->root == include;
	}
	if (json_find(&at, "arches", NULL)) {
		if (json_get(&at, "arches", JSON_LIST, &list, err) < 0)
			return -1;
		for (size_t i = 0; i < json_count(&list); i++) {
			const char *text = run_profile_text(&list, i, err);
			if (!text)
				return -1;
			is |= is_this_processor(text);
		}
		if (json_count(&list))
			*stands &= is == include;
	}
	if (json_find(&at, "minKernel", NULL)) {
		if (get_kernel(host, &at, &is, err) < 0)
			return -1;
		*stands &= is == include;
	}
	return 0;
}
