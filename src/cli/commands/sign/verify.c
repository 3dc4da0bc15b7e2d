/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/sif/internal.h"
#include "cli/commands/sign/internal.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "key/key.h"

/* verify: all signatures of an image looked at, by a key or a certificate; as text and as JSON. */

/* Where Debian's package ca-certificates has the trusted ones. */
#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

/* ------------------------------------------------------------------ what is told */

/* A name of the image's does not come here: types are ours, numbers are numbers. */
static int tell_text(void *context, const struct sif_verdict *v, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	(void)context;
	if (v->verified_count && buffer_puts(&text,
					     "Objects verified:\n"
					     "ID  |GROUP   |LINK    |TYPE\n"
					     "------------------------------------------------\n",
					     err) < 0)
		return -1;
	for (size_t i = 0; i < v->verified_count; i++) {
		const struct sif_descriptor *d = v->verified[i];
		char group[16] = "NONE", link[24] = "NONE";
		if (d->group)
			snprintf(group, sizeof(group), "%u", d->group);
		if (d->link)
			snprintf(link, sizeof(link), d->link_is_group ? "%u (G)" : "%u", d->link);
		if (buffer_printf(&text, err, "%-4u|%-8s|%-8s|%s\n", d->id, group, link,
				  sif_type_name(d->type)) < 0)
			return -1;
	}
	if (v->error &&
	    buffer_printf(&text, err, "\nError encountered during signature verification: %s\n",
			  v->error) < 0)
		return -1;
	return report_print(&text, err);
}

struct list {
	size_t signatures;
	struct buffer items;
};

static int tell_json(void *context, const struct sif_verdict *v, struct error **err)
{
	struct list *l = context;
	l->signatures++;
	for (size_t i = 0; i < v->verified_count; i++)
		if (buffer_printf(&l->items, err,
				  "%s    {\n"
				  "      \"Signer\": {\n"
				  "        \"Partition\": \"%s\",\n"
				  "        \"Name\": \"unknown\",\n"
				  "        \"Fingerprint\": \"\",\n"
				  "        \"KeyLocal\": false,\n"
				  "        \"KeyCheck\": false,\n"
				  "        \"DataCheck\": true\n"
				  "      }\n"
				  "    }",
				  l->items.len ? ",\n" : "",
				  sif_type_name(v->verified[i]->type)) < 0)
			return -1;
	return 0;
}

static int print_json(const struct list *l, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_printf(&text, err,
			  "{\n  \"Signatures\": %zu,\n  \"SignerKeys\": ", l->signatures) < 0)
		return -1;
	if ((l->items.len ? buffer_printf(&text, err, "[\n%s\n  ]\n}\n", l->items.data)
			  : buffer_puts(&text, "null\n}\n", err)) < 0)
		return -1;
	return report_print(&text, err);
}

/* ------------------------------------------------------------------ the key */

static int read_pool(const struct invocation *in, const char *option, const char *what,
		     struct crypto_certificates **ret, struct error **err)
{
	const char *path = invocation_text(in, option);
	if (path && key_certificates_read(path, true, ret, err) < 0)
		return error_wrap(err, "Failed to load %s certificates", what);
	return 0;
}

static int find_certificate(const struct invocation *in, const char *path,
			    struct crypto_signer **ret, struct error **err)
{
	CLEANUP_CERTIFICATES struct crypto_certificates *one = NULL, *between = NULL, *roots = NULL;
	log_info("Verifying image with key material from certificate '%s'", path);
	if (key_certificates_read(path, false, &one, err) < 0)
		return error_wrap(err, "Failed to load certificate");
	if (read_pool(in, "certificate-intermediates", "intermediate", &between, err) < 0 ||
	    read_pool(in, "certificate-roots", "root", &roots, err) < 0)
		return -1;
	if (crypto_signer_from_certificate(one, between, roots, SYSTEM_ROOTS, ret, err) < 0)
		return error_wrap(err, "Failed to verify container");
	return 0;
}

/* A certificate goes before a key, as with Apptainer. */
static int find_key(const struct invocation *in, struct crypto_signer **ret, struct error **err)
{
	const char *certificate = invocation_text(in, "certificate"),
		   *file = invocation_text(in, "key");
	if (certificate)
		return find_certificate(in, certificate, ret, err);
	if (!file) {
		error_set(err, ERROR_UNSUPPORTED, "verifying with PGP keys is not supported");
		return error_hint(err, "give the signer's public key, --key FILE, or certificate, "
				       "--certificate FILE");
	}
	log_info("Verifying image with key material from '%s'", file);
	if (key_signer_read(file, false, ret, err) < 0)
		return error_wrap(err, "Failed to load key material");
	return 0;
}

/* ------------------------------------------------------------------ the command */

static int verify(const struct invocation *in, struct crypto_signer *key, sif_told *told,
		  void *context, struct error **err)
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	struct sif_selection which;
	cli_sign_selection(in, &which);
	if (cli_open_sif(in->arguments[0], &file, &s, err) < 0 ||
	    sif_verify(file, s, key, &which, told, context, err) < 0)
		return error_wrap(err, "Failed to verify container");
	return 0;
}

static int verify_as_json(const struct invocation *in, struct crypto_signer *key,
			  struct error **err)
{
	struct list l = { 0 };
	CLEANUP_ERROR struct error *late = NULL;
	int r = verify(in, key, tell_json, &l, err);
	/* Also where it has failed: the list tells how far it came. */
	if (print_json(&l, r < 0 ? &late : err) < 0)
		r = -1;
	buffer_free(&l.items);
	return r;
}

static int run_verify(const struct invocation *in, struct error **err)
{
	CLEANUP_SIGNER struct crypto_signer *key = NULL;
	if (find_key(in, &key, err) < 0)
		return -1;
	if (invocation_on(in, "json"))
		return verify_as_json(in, key, err);
	if (verify(in, key, tell_text, NULL, err) < 0)
		return -1;
	log_info("Verified signature(s) from image '%s'", in->arguments[0]);
	return 0;
}

static const struct option verify_options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .kind = OPTION_SWITCH,
	  .support = OPTION_NO_EFFECT,
	  .help = "verify all objects, which is what is done" },
	{ .name = "certificate",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "VERIFY_CERTIFICATE",
	  .help = "the signer's certificate, in a PEM file" },
	{ .name = "certificate-intermediates",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "VERIFY_INTERMEDIATES",
	  .help = "certificates between it and a trusted one" },
	{ .name = "certificate-roots",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "VERIFY_ROOTS",
	  .help = "the trusted certificates; the system's without this" },
	OPTIONS_SELECTION("verify"),
	{ .name = "json", .letter = 'j', .kind = OPTION_SWITCH, .help = "print JSON" },
	{ .name = "key",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "VERIFY_KEY",
	  .help = "the signer's public key, in a PEM file" },
	{ .name = "legacy-insecure",
	  .kind = OPTION_SWITCH,
	  .support = OPTION_UNSUPPORTED,
	  .instead = "have the image signed anew; what such a signature is of can be changed "
		     "in its table",
	  .help = "take signatures of before 2020" },
	{ .name = "local",
	  .letter = 'l',
	  .kind = OPTION_SWITCH,
	  .support = OPTION_NO_EFFECT,
	  .variables = "LOCAL_VERIFY",
	  .help = "ask no server for keys, as none is asked" },
	{ .name = "ocsp-verify",
	  .kind = OPTION_SWITCH,
	  .support = OPTION_UNSUPPORTED,
	  .variables = "VERIFY_OCSP",
	  .instead = "openssl ocsp, before",
	  .help = "ask online whether the certificates were revoked" },
	{ .name = "url",
	  .letter = 'u',
	  .kind = OPTION_TEXT,
	  .argument = "url",
	  .support = OPTION_UNSUPPORTED,
	  .variables = "URL",
	  .instead = "--key FILE with the signer's public key",
	  .help = "the server to ask for PGP keys" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_verify = {
	.name = "verify",
	.summary = "Verify the signatures of an image",
	.usage = "verify [verify options...] <image path>",
	.description =
		"Looks whether all signatures in a SIF file were made with the key, and whether\n"
		"all objects are as they were then; an encrypted image's as they are, without\n"
		"the key that opens it. The exit status is 0 only if all of that is so.\n",
	.examples = "$ %s verify --key sign.pub image.sif\n"
		    "$ %s verify --certificate me.crt --certificate-roots ca.crt image.sif\n",
	.options = verify_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_verify,
};
