/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_REQUEST_H
#define COFFER_CLI_COMMANDS_REQUEST_H

#include "run/run.h"

struct invocation;

/* What a command line asks for that starts a container: its image, open, and the key for it. */
struct run_request {
	struct config config;
	struct strings mounts; /* what the wish borrows */
	struct run_wish wish;
	struct image *image;
	struct key *key; /* or NULL */
	bool passphrase; /* which that is */
};
/*
 * Takes the options of run, exec, shell, test, instance start and instance run, asks for the key,
 * opens the image, and asks what can be asked of both before anything is started. The arguments of
 * the wish are what follows the first `skip` ones.
 */
int options_run(const struct invocation *in, enum run_action action, size_t skip,
		struct run_request *ret, struct error **err);
void options_run_free(struct run_request *r);
#define CLEANUP_RUN_REQUEST __attribute__((cleanup(options_run_free)))
/* The wish alone, for a container that runs already. */
int options_join(const struct invocation *in, enum run_action action, struct run_request *ret,
		 struct error **err);
/* What a start has failed with, in Apptainer's words where the key is wrong. Returns -1. */
int options_explain_key(const struct run_request *r, struct error **err);

#endif
