/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands/internal.h"
#include "cli/commands/registry/internal.h"

/* From the words of a command line to the wish for a container, its image and its key. */

/* The word "kernel" among the mounts is no bind mount. */
static int split_mounts(const struct invocation *in, struct run_wish *wish,
			struct strings *ret_mounts, struct error **err)
{
	const struct strings *given = &invocation_option(in, "mount")->list;
	for (size_t i = 0; i < given->len; i++) {
		if (!strcmp(given->items[i], "kernel"))
			wish->kernel_mount = true;
		else if (strings_add(ret_mounts, given->items[i], err) < 0)
			return -1;
	}
	wish->mount = *ret_mounts;
	return 0;
}

static int make_wish(const struct invocation *in, enum run_action action, size_t skip,
		     struct run_wish *wish, struct strings *ret_mounts, struct error **err)
{
	*wish = (struct run_wish){ .action = action, .arguments = in->arguments + skip };
	invocation_fill(in, wish);
	if (!wish->cwd)
		wish->cwd = invocation_text(in, "pwd");
	/* As in Apptainer, an empty word for one of these asks for nothing. */
	if (wish->dns && !*wish->dns)
		wish->dns = NULL;
	if (wish->hostname && !*wish->hostname)
		wish->hostname = NULL;
	if (invocation_on(in, "compat"))
		wish->containall = wish->writable_tmpfs = wish->no_init = wish->no_umask =
			wish->no_eval = true;
	return split_mounts(in, wish, ret_mounts, err);
}

static int choose_key(const struct invocation *in, struct key **ret, struct error **err)
{
	struct key_request request = {
		.use = KEY_FOR_RUN,
		.use_environment = true,
		.ask = tty_ask,
	};
	if (keys_request(in, &request, err) < 0 || keys_limit(in, err) < 0 || keys_begin(err) < 0)
		return -1;
	if (!request.pem_path && request.ask_passphrase)
		log_verbose("Using interactive passphrase entry for encrypted container");
	int r = key_choose(&request, ret, err);
	keys_end();
	return r;
}

/* The identities of the user's own, for an image that has a use for them: who has given no key and
 * runs a plain image is not asked for the passphrase of one. */
static int default_key(const struct image *img, struct key **key, struct error **err)
{
	struct key_request request = { .use = KEY_FOR_RUN, .ask = tty_ask };
	if (*key || !image_has_key_object(img))
		return 0;
	if (keys_begin(err) < 0)
		return -1;
	int r = keys_default(&request, key, err);
	keys_end();
	return r;
}

/* What can be said of the key before anything is started: cli-messages 5.3, step 3. */
static int check_key(const struct invocation *in, const struct image *img, struct key **key,
		     struct error **err)
{
	if (image_is_encrypted(img)) {
		if (default_key(img, key, err) < 0)
			return -1;
		if (*key) {
			log_verbose("The key is that of %s", key_origin(*key));
			return 0;
		}
		error_set(err, ERROR_KEY_MISSING,
			  "While checking container encryption: required option --passphrase or "
			  "--pem-path missing");
		if (image_has_key_object(img))
			return error_hint(err,
					  "%s is encrypted for recipients: give one's private key "
					  "with --identity=FILE",
					  img->path);
		return error_hint(
			err,
			"%s is encrypted: give its key with --passphrase, --pem-path=FILE, "
			"or an APPTAINER_ENCRYPTION_ variable",
			img->path);
	}
	/* Who gives a key means an encrypted image: this one may stand in its place. A variable may
	 * be for another. */
	if (*key && keys_given(in)) {
		error_set(err, ERROR_USAGE, "%s is not encrypted, but a key is given for it (%s)",
			  img->path, key_origin(*key));
		return error_hint(err, "it may not be the image that is meant; to run it as it is "
				       "leave the key out");
	}
	if (*key)
		log_warning("%s is not encrypted: the key (%s) is not used", img->path,
			    key_origin(*key));
	key_free(key);
	return 0;
}

/* A wrong RSA key is said in Apptainer's words: cli-messages 5.2. */
int options_explain_key(const struct run_request *r, struct error **err)
{
	if (!r->passphrase && dialect_is_of_key(*err))
		log_say(LOG_ERROR, "Please check you are providing the correct key for decryption");
	return dialect_frame(DIALECT_DECRYPT, r->image->path, err);
}

/* A name that is mistyped needs no words round it, but Apptainer's where its name was called. */
static int explain_open(const struct invocation *in, struct error **err)
{
	const char *path = in->arguments[0];
	struct stat st;
	/* A link to nothing is there, and may say where it is to be had. */
	if (!dialect_is_own(in->program) || lstat(path, &st) == 0 || errno != ENOENT)
		return dialect_frame(DIALECT_OPEN, path, err);
	error_free(err);
	return error_set(err, ERROR_NOT_FOUND, "No such image: %s", path);
}

/* The file that is named, or what is made of a URI, and the key. */
static int open_image(const struct invocation *in, const struct config *config, struct image **ret,
		      struct key **ret_key, struct error **err)
{
	CLEANUP_REGISTRY_IMAGE struct registry_image made = { 0 };
	const char *name = in->arguments[0];
	/* What reads a web server's bytes is a child of this process: there is no key yet. skopeo
	 * and a build come after it, as it is out of the environment then, which they get. */
	bool early = registry_by_web(name);
	if ((!early && choose_key(in, ret_key, err) < 0) ||
	    registry_resolve(in, config, name, &made, err) < 0 ||
	    (early && choose_key(in, ret_key, err) < 0))
		return -1;
	if (made.path)
		return image_open(made.path, ret, err) < 0 ? dialect_frame(DIALECT_OPEN, name, err)
							   : 0;
	return image_open(name, ret, err) < 0 ? explain_open(in, err) : 0;
}

void options_run_free(struct run_request *r)
{
	config_free(&r->config);
	strings_free(&r->mounts);
	image_free(&r->image);
	key_free(&r->key);
}

int options_run(const struct invocation *in, enum run_action action, size_t skip,
		struct run_request *ret, struct error **err)
{
	if (settings_read_config(in, &ret->config, err) < 0 ||
	    make_wish(in, action, skip, &ret->wish, &ret->mounts, err) < 0)
		return -1;
	ret->wish.config = &ret->config;
	if (open_image(in, &ret->config, &ret->image, &ret->key, err) < 0)
		return -1;
	/* These say no as the site does. */
	ret->config.require_encrypted |= invocation_on(in, "require-encrypted");
	ret->config.allow_container_luks2 &= !invocation_on(in, "no-luks2");
	if (run_policy_encrypted(&ret->config, ret->image, err) < 0 ||
	    check_key(in, ret->image, &ret->key, err) < 0)
		return -1;
	ret->passphrase = ret->key && key_is_passphrase(ret->key);
	return 0;
}

/* What counts for a program that joins, and not for the container as a whole. */
static bool joins(const char *name)
{
	static const char *const names[] = { "app",	 "cleanenv", "cwd",	"pwd",
					     "env",	 "env-file", "keep-fd", "no-eval",
					     "no-umask", "shell",    "help" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int options_join(const struct invocation *in, enum run_action action, struct run_request *ret,
		 struct error **err)
{
	if (settings_read_config(in, &ret->config, err) < 0 ||
	    make_wish(in, action, 1, &ret->wish, &ret->mounts, err) < 0)
		return -1;
	ret->wish.config = &ret->config;
	for (const struct option *o = in->command->options; o->name; o++)
		if (o->support == OPTION_WORKS && invocation_option(in, o->name)->set &&
		    !joins(o->name))
			log_info("--%s ignored when joining instance", o->name);
	return 0;
}
