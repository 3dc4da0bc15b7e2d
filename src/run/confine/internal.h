/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_CONFINE_INTERNAL_H
#define COFFER_RUN_CONFINE_INTERNAL_H

#include <seccomp.h>

#include "json/json.h"
#include "run/internal.h"

#define RUN_PROFILE_ARGS 6 /* a call has no more */

/* What a profile says of one call: its action where each of the conditions holds. */
struct run_profile_rule {
	const char *name; /* of the call; borrowed of the profile's text */
	int call;	  /* its number, as libseccomp has it */
	size_t place;	  /* of what says it in the list `syscalls` */
	uint32_t action;
	unsigned count;
	struct scmp_arg_cmp args[RUN_PROFILE_ARGS]; /* each of another argument */
};
struct run_profile_rules {
	struct run_profile_rule *items;
	size_t len, cap;
};

/*
 * profile_check.c, profile_prove.c: whether the filter that libseccomp makes of a profile is what
 * the profile says. Each returns 0, or -1 with *err, which names the file (path) and the rule.
 */

/*
 * Puts the rules of each call side by side and drops those that do not count; no two of the others
 * may ask for two things at once.
 */
int run_profile_agree(struct run_profile_rules *rules, uint32_t by_default, const char *path,
		      struct error **err);

/* How many of the rules from `first` on are for its call. */
size_t run_profile_of_call(const struct run_profile_rule *first,
			   const struct run_profile_rule *end);

/* A program, and what it is to do. */
struct run_profile_program {
	const struct buffer *code; /* struct sock_filter */
	uint32_t by_default;
	uint32_t architectures[32]; /* SCMP_ARCH_... */
	unsigned count;		    /* of those */
};
/* The rules are as run_profile_agree has left them. */
int run_profile_prove(const struct run_profile_rules *rules, const struct run_profile_program *p,
		      const char *path, struct error **err);

/*
 * profile_words.c: what the words of a profile stand for on this machine. Each returns 0, or -1
 * with *err, which names the path of what is not understood.
 */

/* What a rule's conditions are asked of. */
struct run_profile_host {
	bool root; /* the payload has capabilities */
	unsigned kernel[2];
};
/* The kernel's version; the other members are the caller's. */
int run_profile_look(struct run_profile_host *host, struct error **err);

/* The text of an item of a list, without NUL; NULL with *err set where it is none. */
const char *run_profile_text(const struct json_at *list, size_t i, struct error **err);
/* SCMP_ACT_..., with the errno that the members `number` and `name` say: EPERM where none does. */
int run_profile_get_action(const struct json_at *at, const char *member, const char *number,
			   const char *name, uint32_t *ret, struct error **err);
/* An enum scmp_compare. */
int run_profile_get_op(const struct json_at *at, const char *member, uint32_t *ret,
		       struct error **err);
/* "SCMP_ARCH_X86_64", which libseccomp calls "x86_64"; 0 where it has no such thing. */
uint32_t run_profile_architecture(const char *text);
/*
 * Leaves *stands true only where the rule's member `includes` (include), or `excludes`, lets it
 * stand: of the one every capability, one of the processors and the kernel; of the other none.
 */
int run_profile_get_condition(const struct run_profile_host *host, const struct json_at *rule,
			      const char *member, bool include, bool *stands, struct error **err);

#endif
