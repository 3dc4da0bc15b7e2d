/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_DOCTOR_INTERNAL_H
#define COFFER_CLI_COMMANDS_DOCTOR_INTERNAL_H

#include "base/base.h"

/*
 * What this machine allows, for `coffer doctor`. Everything is tried as a run would do it, in a
 * child where it would change this process; what a knob of the kernel says is only the reason that
 * is given. Nothing here changes the machine, and no key is asked for.
 */
enum doctor_state {
	DOCTOR_OK,
	DOCTOR_LESS, /* coffer runs, without something */
	DOCTOR_BAD,  /* it does not run, or not this image */
};

/* What of something that is missing. All of it is static text. */
struct doctor_cost {
	const char *cost;	   /* what cannot be had without it */
	const char *user;	   /* the command that mends it, or NULL */
	const char *administrator; /* what the machine's root does about it, or NULL */
};

struct doctor_finding {
	const char *name; /* static: "user namespaces" */
	enum doctor_state state;
	char *found; /* owned */
	struct doctor_cost cost;
};

struct doctor {
	struct doctor_finding *findings;
	size_t count;
};
void doctor_free(struct doctor *d);
#define CLEANUP_DOCTOR __attribute__((cleanup(doctor_free)))

/* Adds a finding. cost: NULL where nothing is lost (DOCTOR_OK). The format is what was found. */
int doctor_add(struct doctor *d, const char *name, enum doctor_state state,
	       const struct doctor_cost *cost, struct error **err, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* The worst of all findings. */
enum doctor_state doctor_worst(const struct doctor *d);
/* The text of a small file of the kernel's without its last newline; NULL where it has none. */
char *doctor_read(const char *path);

/* Each adds what it looks at; they fail for want of memory only. */
int doctor_namespaces(struct doctor *d, struct error **err); /* kernel.c */
int doctor_calls(struct doctor *d, struct error **err);
int doctor_fuse(struct doctor *d, struct error **err);
int doctor_ids(struct doctor *d, struct error **err); /* machine.c */
int doctor_memory(struct doctor *d, struct error **err);
int doctor_folders(struct doctor *d, struct error **err);
int doctor_surroundings(struct doctor *d, struct error **err);
int doctor_programs(struct doctor *d, struct error **err);
/* An image, as far as it can be judged without its key: image.c. */
int doctor_image(struct doctor *d, const char *path, struct error **err);

#endif
