/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <string.h>

/* The key of what is built upon. */

/* What was secret is about to be written in the clear, by a command that says nothing of it. */
static void warn_of_clear_target(const struct build *b)
{
	const char *from = definition_header(b->definition, "from");
	/* What follows "?" may let others in. */
	int len = (int)(bootstrap_is_file(b, b->definition) ? strcspn(from, "?") : strlen(from));
	if (b->wish->encrypt)
		return;
	if (b->wish->sandbox)
		log_warning("%.*s is encrypted, %s will not be: a sandbox lies in the clear.", len,
			    from, b->wish->target);
	else
		log_warning("%.*s is encrypted, but --encrypt was not specified. NOT encrypting "
			    "%s.",
			    len, from, b->wish->target);
}

static int choose_key(struct build *b, struct error **err)
{
	warn_of_clear_target(b);
	interrupt_pause(true);
	int r = key_choose(&b->wish->base_key, &b->base_key, err);
	interrupt_pause(false);
	if (r < 0)
		return error_wrap(err, "the key of the base image");
	if (b->base_key)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "the base image is encrypted and there is no key for it");
	return error_hint(err, "give it with --base-pem-path FILE or --base-passphrase");
}

bool bootstrap_is_file(const struct build *b, const struct definition *d)
{
	const struct fetch_transport *t = fetch_transport(definition_header(d, "bootstrap"));
	return !bootstrap_is_update(b, d) && t && fetch_has_file(t);
}

bool bootstrap_is_upon_image(const struct build *b, const struct definition *d)
{
	return bootstrap_is_file(b, d) ||
	       (!bootstrap_is_update(b, d) &&
		!strcmp(definition_header(d, "bootstrap"), "localimage"));
}

bool bootstrap_later_base(const struct build *b)
{
	for (size_t i = b->definition->stages; i < b->last->stages; i++)
		if (bootstrap_is_upon_image(b, definition_stage(b->last, i)))
			return true;
	return false;
}

/* 1 when the image that the stage is built upon is encrypted, 0 when not; -1 with *err. */
static int look_at_base(struct build *b, char **ret_plain, struct error **err)
{
	CLEANUP_ERROR struct error *not_yet = NULL;
	CLEANUP_IMAGE struct image *image = NULL;
	if (!bootstrap_is_upon_image(b, b->definition) || bootstrap_is_file(b, b->definition))
		return 0;
	/* %pre may make the image: then it is looked at, and the key asked for, when it is there.
	 */
	if (bootstrap_open_base(b, &image, &not_yet) < 0) {
		if (error_kind(not_yet) != ERROR_POLICY)
			return 0;
		*err = take_pointer(&not_yet);
		return -1;
	}
	if (image_is_encrypted(image))
		return 1;
	text_free(ret_plain);
	*ret_plain = text_dup(image->path, err);
	return *ret_plain ? 0 : -1;
}

static bool any_file(const struct build *b)
{
	for (size_t i = 0; i < b->last->stages; i++)
		if (bootstrap_is_file(b, definition_stage(b->last, i)))
			return true;
	return false;
}

static int hint_of_plain(struct error **err)
{
	return error_hint(err, "it may not be the image that is meant; to build upon it as it is "
			       "leave out --base-pem-path and --base-passphrase");
}

static int refuse_key(const char *plain, struct error **err)
{
	error_set(err, ERROR_USAGE, "%s is not encrypted, but a key is given for it", plain);
	return hint_of_plain(err);
}

int bootstrap_find_key(struct build *b, struct error **err)
{
	CLEANUP_TEXT char *plain = NULL;
	int encrypted = 0;
	for (size_t i = 0; i < b->last->stages && encrypted == 0; i++) {
		build_enter_stage(b, i);
		encrypted = look_at_base(b, &plain, err);
	}
	int result = encrypted > 0 ? choose_key(b, err) : encrypted;
	build_enter_stage(b, 0);
	b->any_encrypted = encrypted > 0;
	if (encrypted || !b->wish->base_key_given || !plain)
		return result;
	/* What is got from elsewhere, nobody has seen yet. */
	return any_file(b) ? result : refuse_key(plain, err);
}

int bootstrap_check_key_used(const struct build *b, struct error **err)
{
	bool any = false;
	for (size_t i = 0; i < b->last->stages; i++)
		any = any || bootstrap_is_upon_image(b, definition_stage(b->last, i));
	if (!b->wish->base_key_given || b->any_encrypted || !any)
		return 0;
	error_set(err, ERROR_USAGE,
		  "no image that is built upon is encrypted, but a key is given for one");
	return hint_of_plain(err);
}

int bootstrap_is_encrypted(struct build *b, struct error **err)
{
	b->any_encrypted = true;
	return b->base_key ? 0 : choose_key(b, err);
}

int bootstrap_is_plain(const struct build *b, const char *name, struct error **err)
{
	bool meant = b->any_encrypted || bootstrap_later_base(b);
	return b->wish->base_key_given && !meant ? refuse_key(name, err) : 0;
}
