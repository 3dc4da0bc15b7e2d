/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/registry/internal.h"

#include <string.h>
#include <sys/stat.h>

#include "builder/builder.h"
#include "cli/commands/run_options.h"

/* pull: a build whose source is a registry or an archive, and whose name follows from it. */

/* A file of a web server is called as it is there. */
static char *url_name(const char *name, struct error **err)
{
	size_t len = strcspn(name, "?#");
	if (len && (len > 2 || strncmp(name, "..", len) != 0))
		return text_dup_len(name, len, err);
	error_set(err, ERROR_USAGE, "the URL ends in no name of a file");
	error_hint(err, "name one before it: pull image.sif https://...");
	return NULL;
}

/* As Apptainer calls it: the last component, "_", the tag. The text is the caller's. */
static char *default_name(const char *uri, struct error **err)
{
	const char *ref = strchr(uri, ':') + 1;
	ref += strspn(ref, "/");
	const char *slash = strrchr(ref, '/');
	const char *name = slash ? slash + 1 : ref;
	if (!strncmp(uri, "http", 4))
		return url_name(name, err);
	size_t len = strcspn(name, ":");
	const char *tag = name[len] ? name + len + 1 : "latest";
	return text_printf(err, "%.*s_%.*s.sif", (int)len, name, (int)strcspn(tag, ":,"), tag);
}

static int check_uri(const char *uri, struct error **err)
{
	size_t len = strcspn(uri, ":");
	CLEANUP_TEXT char *name = text_dup_len(uri, len, err);
	if (!name)
		return -1;
	if (uri[len] && fetch_transport(name))
		return 0;
	if (!uri[len] || !*name) {
		error_set(err, ERROR_USAGE, "No transport type URI supplied");
		return error_hint(err, "say where it is: docker://%s", uri);
	}
	error_set(err, ERROR_UNSUPPORTED, "Unsupported transport type: %s", name);
	return error_hint(err, "coffer pulls " REGISTRY_URIS);
}

/* Where it is put: --dir, and the name that was given or that follows. */
static char *target_of(const struct invocation *in, const char *uri, struct error **err)
{
	const char *dir = invocation_text(in, "dir");
	CLEANUP_TEXT char *name =
		in->argument_count > 1 ? text_dup(in->arguments[0], err) : default_name(uri, err);
	return name && dir && *dir ? path_join(dir, name, err) : take_pointer(&name);
}

/* Without a question, as Apptainer does it. */
static int check_target(const char *target, bool force, struct error **err)
{
	struct stat st;
	if (force || lstat(target, &st) < 0)
		return 0;
	error_set(err, ERROR_EXISTS, "Image file already exists: \"%s\" - will not overwrite",
		  target);
	return error_hint(err, "--force overwrites it");
}

static int pull(const struct invocation *in, const char *uri, const char *target,
		struct error **err)
{
	struct config config = { 0 };
	struct registry_options registry = { 0 };
	struct build_wish wish = {
		.target = target,
		.spec = uri,
		.pull = true,
		.config = &config,
	};
	invocation_fill(in, &wish);
	int r = settings_read_config(in, &config, err);
	if (r == 0)
		r = options_registry(in, &registry, &wish.fetch, err);
	if (r == 0)
		r = options_build(in, &wish, NULL, err);
	if (r == 0) {
		log_info("Converting OCI blobs to SIF format");
		r = build_image(&wish, err);
	}
	key_free(&wish.key);
	options_registry_free(&registry);
	config_free(&config);
	return r;
}

static int refuse_variant(const struct invocation *in, const char *uri, struct error **err)
{
	const char *variant = invocation_text(in, "arch-variant");
	if (!variant || !*variant)
		return 0;
	CLEANUP_TEXT char *kind = text_dup_len(uri, strcspn(uri, ":"), err);
	return kind ? fetch_refuse_variant(kind, err) : -1;
}

/* An image file is got as it is: to seal it would take it through a disk in the clear. */
static int refuse_changes(const struct invocation *in, const char *uri, const char *target,
			  struct error **err)
{
	static const char *const names[] = { "compression", "encryption", "mksquashfs-args" };
	bool changes = invocation_on(in, "encrypt") || keys_given(in);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		changes |= invocation_text(in, names[i]) != NULL;
	if (!changes)
		return 0;
	CLEANUP_TEXT char *from = text_dup(uri, err);
	CLEANUP_TEXT char *kind = from ? text_dup(from, err) : NULL;
	if (!kind)
		return -1;
	kind[strcspn(kind, ":")] = '\0';
	from[strcspn(from, "?")] = '\0';
	error_set(err, ERROR_UNSUPPORTED, "an image of %s:// is pulled as it is", kind);
	return error_hint(err, "build from it with these options: coffer build %s %s", target,
			  from);
}

static int run_pull(const struct invocation *in, struct error **err)
{
	const char *uri = in->arguments[in->argument_count - 1];
	if (check_uri(uri, err) < 0)
		return -1;
	CLEANUP_TEXT char *target = target_of(in, uri, err);
	if (!target || check_target(target, invocation_on(in, "force"), err) < 0)
		return -1;
	if (registry_has_file(uri))
		return refuse_variant(in, uri, err) < 0 || refuse_changes(in, uri, target, err) < 0
			       ? -1
			       : registry_pull_file(in, uri, target, err);
	return pull(in, uri, target, err);
}

static const struct option pull_options[] = {
	TEXT_TO_("arch", 0, "name", "PULL_ARCH", struct build_wish, arch,
		 "the machine that the image is for"),
	TEXT_TO_("arch-variant", 0, "name", "PULL_ARCH_VARIANT", struct build_wish, arch_variant,
		 "which of these machines: 7, of arm"),
	VALUE_("dir", 0, OPTION_TEXT, "dir", "PULLDIR PULLFOLDER", "the folder to put it into"),
	SWITCH_TO_("force", 'F', "FORCE", struct build_wish, force,
		   "overwrite an image of that name"),
	OPTIONS_SEALING,
	OPTIONS_REGISTRY,
	{ .name = "mksquashfs-args",
	  .kind = OPTION_TEXT,
	  .argument = "args",
	  .hidden = true,
	  .help = "as of build" },
	NOTHING_("allow-unauthenticated", OPTION_SWITCH, NULL),
	NOTHING_("allow-unsigned", OPTION_SWITCH, NULL),
	NOTHING_("disable-cache", OPTION_SWITCH, NULL),
	NOTHING_("no-cleanup", OPTION_SWITCH, NULL),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_pull = {
	.name = "pull",
	.summary = "Get an image from a registry or an archive, plain or encrypted",
	.usage = "pull [pull options...] [output file] <URI>",
	.description =
		"The URI is docker://, docker-archive:, docker-daemon:, oci:, oci-archive: or\n"
		"containers-storage:. What it names becomes a SIF image, NAME_TAG.sif unless\n"
		"another file is given. With a key it is encrypted as it is written, and what\n"
		"is got lies in memory until then: nothing of it is on a disk in the clear.\n"
		"oras://, library://, http:// and https:// name a file, which is got\n"
		"as it is.\n",
	.examples = "$ %s pull docker://debian:12\n"
		    "$ %s pull --pem-path=rsa_pub.pem secret.sif docker://host/secret\n",
	.options = pull_options,
	.min_arguments = 1,
	.max_arguments = 2,
	.run = run_pull,
};
