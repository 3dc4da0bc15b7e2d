/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/sign/internal.h"

#include <time.h>

#include "crypto/crypto.h"
#include "key/key.h"

/* sign: a signature by a PEM key for each group of an image, in Apptainer's words and format. */

static const struct option_value *either(const struct invocation *in, const char *name,
					 const char *old)
{
	const struct option_value *v = invocation_option(in, name);
	return v->set ? v : invocation_option(in, old);
}

void cli_sign_selection(const struct invocation *in, struct sif_selection *ret)
{
	const struct option_value *group = either(in, "group-id", "groupid"),
				  *object = either(in, "sif-id", "id");
	*ret = (struct sif_selection){ .by_group = group->set,
				       .by_object = object->set,
				       .group = (uint32_t)group->number,
				       .object = (uint32_t)object->number };
}

static int sign(const char *path, struct crypto_signer *key, const struct sif_selection *which,
		struct error **err)
{
	CLEANUP_FD int fd = -1;
	if (sif_open_locked(path, &fd, err) < 0 || sif_sign(fd, key, which, time(NULL), err) < 0)
		return error_wrap(err, "Failed to sign container");
	return 0;
}

static int run_sign(const struct invocation *in, struct error **err)
{
	CLEANUP_SIGNER struct crypto_signer *key = NULL;
	const char *path = in->arguments[0], *file = invocation_text(in, "key");
	struct sif_selection which;
	cli_sign_selection(in, &which);
	if (!file) {
		error_set(err, ERROR_UNSUPPORTED, "signing with a PGP key is not supported");
		return error_hint(err, "sign with a key in a PEM file: --key FILE");
	}
	log_info("Signing image with key material from '%s'", file);
	if (keys_begin(err) < 0)
		return -1;
	int r = key_signer_read(file, true, &key, err);
	if (r < 0)
		error_wrap(err, "Failed to load key material");
	else
		r = sign(path, key, &which, err);
	keys_end();
	if (r < 0)
		return -1;
	log_info("Signature created and applied to image '%s'", path);
	return 0;
}

static const struct option sign_options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .kind = OPTION_SWITCH,
	  .support = OPTION_NO_EFFECT,
	  .hidden = true,
	  .deprecated = "now the default behavior",
	  .help = "sign all groups" },
	OPTIONS_SELECTION("sign"),
	{ .name = "key",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "SIGN_KEY",
	  .help = "the private key that signs, without a password: RSA, EC (P-256, P-384, "
		  "P-521) or Ed25519, in a PEM file" },
	{ .name = "keyidx",
	  .letter = 'k',
	  .kind = OPTION_INT,
	  .argument = "n",
	  .support = OPTION_UNSUPPORTED,
	  .instead = "--key FILE, a key in a PEM file",
	  .help = "the PGP key to sign with" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_sign = {
	.name = "sign",
	.summary = "Sign an image",
	.usage = "sign [sign options...] <image path>",
	.description = "Adds a signature for each group of objects in a SIF file, that of an\n"
		       "encrypted image as it is: the key that opens it is not needed.\n",
	.examples = "$ openssl genpkey -algorithm ed25519 -out sign.pem\n"
		    "$ %s sign --key sign.pem image.sif\n",
	.options = sign_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_sign,
};
