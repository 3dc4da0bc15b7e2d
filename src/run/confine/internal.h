/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_CONFINE_INTERNAL_H
#define COFFER_RUN_CONFINE_INTERNAL_H

#include "json/json.h"
#include "run/internal.h"

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
