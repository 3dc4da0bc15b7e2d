/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_REGISTRY_INTERNAL_H
#define COFFER_CLI_COMMANDS_REGISTRY_INTERNAL_H

#include "cli/commands/internal.h"
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
		{ .name = "library",                                                             \
		  .kind = OPTION_TEXT,                                                           \
		  .argument = "url",                                                             \
		  .variables = "LIBRARY",                                                        \
		  .help = "the library of library://, where that names no host" },               \
		{ .name = "no-https",                                                            \
		  .kind = OPTION_SWITCH,                                                         \
		  .variables = "NOHTTPS NO_HTTPS",                                               \
		  .help = "let the registry talk without encryption, or with any certificate" }, \
	{                                                                                        \
		.name = "nohttps", .kind = OPTION_SWITCH, .hidden = true, .help = "the same"     \
	}

/* What can be got, for messages. */
#define REGISTRY_URIS                                                                           \
	"docker://, docker-archive:, docker-daemon:, oci:, oci-archive:, containers-storage:, " \
	"oras://, library://, http:// and https://"

/* What they were given; what the options point to belongs to it. */
struct registry_options {
	char *user, *host;
	struct secret *password;
};
/* Takes the options, asks for a password where that is wanted, and cleans the environment of it. */
int options_registry(const struct invocation *in, struct registry_options *r,
		     struct fetch_options *ret, struct error **err);
void options_registry_free(struct registry_options *r);

/* An image file that was made of what a URI names. */
struct registry_image {
	char *path;	 /* NULL: the name is no URI */
	char *temporary; /* a folder with what is not kept, or NULL */
};
/*
 * Gets what the name says, for run, exec, shell and test, where it is a URI. The file may go when
 * it is open: *ret is to be freed, also on failure, and takes away what is not kept. For the main
 * thread, as of build_image().
 */
int registry_resolve(const struct invocation *in, const struct config *config, const char *name,
		     struct registry_image *ret, struct error **err);
/* Whether what the URI names is an image file already: oras:// and the like. */
bool registry_has_file(const char *uri);
/* Whether a child of this process gets it from a web server: http:// and the like. */
bool registry_by_web(const char *uri);
/* Gets that file, as it is, to its place. */
int registry_pull_file(const struct invocation *in, const char *uri, const char *target,
		       struct error **err);
void registry_image_free(struct registry_image *image);
#define CLEANUP_REGISTRY_IMAGE __attribute__((cleanup(registry_image_free)))

/* A folder of this run's own, for what is not kept. The text is the caller's. */
char *registry_make_temporary(const char *given, struct error **err);
/* Removes it with all that is in it. */
void registry_drop_temporary(char **folder);

/* The folder of the cache, which need not be there: the text is the caller's. */
char *registry_cache_path(struct error **err);

#endif
