/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/registry/internal.h"

#include <string.h>
#include <unistd.h>

#include "cli/commands/run_options.h"
#include "sif/sif.h"

/* push: a SIF to a registry, as it is. */

static int check_uri(const char *uri, struct error **err)
{
	size_t len = strcspn(uri, ":");
	if (uri[len] && len == strlen("oras") && !strncmp(uri, "oras", len))
		return 0;
	if (!uri[len] || !len) {
		error_set(err, ERROR_USAGE, "No transport type URI supplied");
		return error_hint(err, "say where it shall be: oras://HOST/NAME:TAG");
	}
	error_set(err, ERROR_UNSUPPORTED, "Unsupported transport type: %.*s", (int)len, uri);
	return error_hint(err, "coffer pushes to oras://");
}

static int push(const struct invocation *in, const char *image, const char *uri,
		struct fetch_options *options, struct error **err)
{
	const struct fetch_wish wish = { .transport = fetch_transport("oras"),
					 .from = strchr(uri, ':') + 1,
					 .arch = sif_arch_name(sif_arch_native()),
					 .options = options };
	int r = -1;
	char *folder = NULL;
	options->in_namespace = false;
	options->daemon_host = NULL;
	if (!options->password ||
	    fetch_login(wish.from, options->user, options->password, &options->login, err) == 0)
		folder = registry_make_temporary(invocation_text(in, "tmpdir"), err);
	if (folder)
		r = fetch_push(&wish, image, folder, err);
	registry_drop_temporary(&folder);
	fd_close(&options->login);
	return r;
}

static int run_push(const struct invocation *in, struct error **err)
{
	const char *image = in->arguments[0], *uri = in->arguments[1];
	struct registry_options registry = { 0 };
	struct fetch_options options;
	if (check_uri(uri, err) < 0)
		return -1;
	int r = options_registry(in, &registry, &options, err);
	if (r == 0 && push(in, image, uri, &options, err) < 0)
		r = error_wrap(err, "Unable to push image to oci registry");
	options_registry_free(&registry);
	if (r == 0)
		log_info("Upload complete");
	return r;
}

static const struct option push_options[] = {
	OPTIONS_REGISTRY,
	{ .name = "tmpdir",
	  .kind = OPTION_TEXT,
	  .argument = "dir",
	  .variables = "TMPDIR",
	  .help = "a folder for what skopeo is told: nothing of the image" },
	NOTHING_("allow-unsigned", OPTION_SWITCH, NULL),
	NOTHING_("description", OPTION_TEXT, "text"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_push = {
	.name = "push",
	.summary = "Put a SIF image into a registry, as it is",
	.usage = "push [push options...] <image> <URI>",
	.description = "The URI is oras://HOST/NAME:TAG. An encrypted image travels as it is: the\n"
		       "registry has nothing that opens it. `pull` and Apptainer get it back.\n",
	.examples = "$ %s push secret.sif oras://host/group/secret:1\n"
		    "$ %s run --pem-path=key.pem oras://host/group/secret:1\n",
	.options = push_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_push,
};
