/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_REGISTRY_H
#define COFFER_CLI_REGISTRY_H

#include "cli/commands.h"
#include "fetch/fetch.h"

/* Options of all commands that get images from elsewhere: runtime.md 11, deffile.md 14. */
#define OPTIONS_REGISTRY                                                                         \
	{ .name = "authfile",                                                                    \
	  .kind = OPTION_TEXT,                                                                   \
	  .argument = "file",                                                                    \
	  .variables = "AUTH_FILE",                                                              \
	  .help = "a file with logins of registries, as skopeo login writes it" },               \
		{ .name = "docker-host",                                                         \
		  .kind = OPTION_TEXT,                                                           \
		  .argument = "host",                                                            \
		  .variables = "DOCKER_HOST",                                                    \
		  .help = "where Docker's daemon listens, for docker-daemon:" },                 \
		{ .name = "docker-login",                                                        \
		  .kind = OPTION_SWITCH,                                                         \
		  .variables = "DOCKER_LOGIN",                                                   \
		  .help = "ask for a user and a password for the registry" },                    \
		{ .name = "docker-password",                                                     \
		  .kind = OPTION_TEXT,                                                           \
		  .argument = "word",                                                            \
		  .hidden = true,                                                                \
		  .help = "refused: it would be seen" },                                         \
		{ .name = "docker-username",                                                     \
		  .kind = OPTION_TEXT,                                                           \
		  .argument = "name",                                                            \
		  .help = "the user of the registry, whose password is asked for or in "         \
			  "APPTAINER_DOCKER_PASSWORD" },                                         \
		{ .name = "no-https",                                                            \
		  .kind = OPTION_SWITCH,                                                         \
		  .variables = "NOHTTPS NO_HTTPS",                                               \
		  .help = "let the registry talk without encryption, or with any certificate" }, \
	{                                                                                        \
		.name = "nohttps", .kind = OPTION_SWITCH, .hidden = true, .help = "the same"     \
	}

/* What they were given; what the options point to belongs to it. */
struct registry_options {
	char *user, *host;
	struct secret *password;
};
/* Takes the options, asks for a password where that is wanted, and cleans the environment of it. */
int options_registry(const struct invocation *in, struct registry_options *r,
		     struct fetch_options *ret, struct error **err);
void options_registry_free(struct registry_options *r);

#endif
