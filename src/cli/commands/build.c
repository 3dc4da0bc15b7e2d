/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cli/commands/registry/internal.h"
#include "cli/commands/run_options.h"

/* build: deffile.md 13 and 14, encryption.md 2.2, cli-messages 3. */

/* ------------------------------------------------------------------ compression */

static int set_codec(struct build_wish *wish, const char *name, size_t len, struct error **err)
{
	CLEANUP_TEXT char *copy = text_dup_len(name, len, err);
	if (!copy)
		return -1;
	int codec = squash_codec_by_name(copy);
	if (codec < 0) {
		error_set(err, ERROR_USAGE, "unknown compression %s", copy);
		return error_hint(err, "there are gzip, zstd, xz, lz4 and lzo");
	}
	wish->codec = codec;
	return 0;
}

/* A whole number of at least 1, with K or M behind it where `sizes`. */
static int parse_count(const char *what, const char *word, bool sizes, unsigned *ret,
		       struct error **err)
{
	char *end = NULL;
	errno = 0;
	unsigned long n = word ? strtoul(word, &end, 10) : 0;
	unsigned long factor = 1;
	if (word && sizes && (*end == 'K' || *end == 'M') && !end[1])
		factor = *end++ == 'K' ? 1024 : 1024 * 1024;
	if (!word || errno || end == word || *end || *word == '-' || n == 0 ||
	    !checked_mul(n, factor, &n) || n > INT_MAX)
		return error_set(err, ERROR_USAGE, "%s needs a number, not %s", what,
				 word ? word : "nothing");
	*ret = (unsigned)n;
	return 0;
}

/* --compression=NAME[:LEVEL] */
static int parse_compression(const char *word, struct build_wish *wish, struct error **err)
{
	size_t len = strcspn(word, ":");
	unsigned level;
	if (set_codec(wish, word, len, err) < 0)
		return -1;
	if (!word[len])
		return 0;
	if (parse_count("the level of --compression", word + len + 1, false, &level, err) < 0)
		return -1;
	wish->level = (int)level;
	return 0;
}

/* One of mksquashfs's words with its value, as far as it means something to our own writer. */
static int apply_squash_word(const char *word, const char *value, struct build_wish *wish,
			     struct error **err)
{
	unsigned n;
	if (!strcmp(word, "-comp")) {
		if (!value)
			return error_set(err, ERROR_USAGE, "-comp needs a name");
		return set_codec(wish, value, strlen(value), err);
	}
	if (!strcmp(word, "-Xcompression-level")) {
		if (parse_count(word, value, false, &n, err) < 0)
			return -1;
		wish->level = (int)n;
		return 0;
	}
	if (!strcmp(word, "-b")) {
		if (parse_count(word, value, true, &n, err) < 0)
			return -1;
		/* squashfs 4.0: a power of two, 4 KiB to 1 MiB. */
		if (n < 4096 || n > 1024 * 1024 || (n & (n - 1)))
			return error_set(err, ERROR_USAGE,
					 "-b %s: the block size is a power of two from 4096 to 1M",
					 value);
		wish->block_size = n;
		return 0;
	}
	if (!strcmp(word, "-processors"))
		return parse_count(word, value, false, &wish->threads, err);
	error_set(err, ERROR_UNSUPPORTED, "--mksquashfs-args: %s is not supported by coffer", word);
	return error_hint(err, "coffer packs by itself; of mksquashfs's options it knows -comp, "
			       "-Xcompression-level, -b and -processors");
}

static int parse_squash_args(const char *words, struct build_wish *wish, struct error **err)
{
	CLEANUP_STRINGS struct strings list = { 0 };
	while (*(words += strspn(words, " \t\n"))) {
		size_t len = strcspn(words, " \t\n");
		char *word = text_dup_len(words, len, err);
		if (!word || strings_take(&list, word, err) < 0)
			return -1;
		words += len;
	}
	for (size_t i = 0; i < list.len; i += 2)
		if (apply_squash_word(list.items[i], i + 1 < list.len ? list.items[i + 1] : NULL,
				      wish, err) < 0)
			return -1;
	return 0;
}

static int wish_compression(const struct invocation *in, struct build_wish *wish,
			    struct error **err)
{
	wish->codec = SQUASH_GZIP;
	if (invocation_text(in, "mksquashfs-args") &&
	    parse_squash_args(invocation_text(in, "mksquashfs-args"), wish, err) < 0)
		return -1;
	if (invocation_text(in, "compression") &&
	    parse_compression(invocation_text(in, "compression"), wish, err) < 0)
		return -1;
	if (squash_check_level(wish->codec, wish->level, err) < 0)
		return error_hint(err, "leave the level out to have the usual one");
	if (wish->codec != SQUASH_GZIP)
		log_info("Non-gzip squashfs compression might not work with some installations");
	return 0;
}

/* ------------------------------------------------------------------ keys */

static int wish_encryption(const struct invocation *in, struct build_wish *wish, struct error **err)
{
	const char *kind = invocation_text(in, "encryption");
	wish->encrypt = invocation_on(in, "encrypt") || keys_given(in) || kind != NULL;
	wish->seal = kind ? seal_by_name(kind) : seal_usual(geteuid() == 0);
	if (!wish->seal)
		return error_set(err, ERROR_USAGE, "--encryption takes luks2 or gocryptfs, not %s",
				 kind);
	if (wish->encrypt && wish->sandbox) {
		error_set(err, ERROR_USAGE, "a sandbox cannot be encrypted");
		return error_hint(err, "leave out --sandbox, or the options of encryption");
	}
	return 0;
}

static int choose_key(const struct invocation *in, struct build_wish *wish, struct error **err)
{
	struct key_request request = {
		.use = KEY_FOR_BUILD,
		.use_environment = true,
		.confirm = tty_present() && dialect_asks_twice(in->program),
		.ask = tty_ask,
	};
	if (keys_request(in, &request, err) < 0)
		return -1;
	if (!wish->encrypt && key_environment_set())
		log_warning("Encryption related env vars found, but --encrypt was not "
			    "specified. NOT encrypting container.");
	if (!wish->encrypt)
		return 0;
	if (!request.pem_path && request.ask_passphrase)
		log_verbose("Using interactive passphrase entry for encrypted container");
	if (key_choose(&request, &wish->key, err) < 0 ||
	    (!wish->key && keys_default(&request, &wish->key, err) < 0))
		return -1;
	if (wish->key)
		return key_check(wish->key, &wish->seal->secret, err);
	error_set(err, ERROR_KEY_MISSING,
		  "Missing encryption info, please add `--passphrase` or `--pem-path` or "
		  "corresponding environment variable");
	return error_hint(err,
			  "nothing was built; the variables are APPTAINER_ENCRYPTION_PASSPHRASE, "
			  "_PEM_PATH and _PEM_DATA");
}

/*
 * The key of an encrypted base image, which is known to be one only in the middle of the build,
 * when the variables are gone: so they are kept here as far as they can open something.
 */
struct base_key {
	struct secret *passphrase; /* of the variable */
	char *pem_path;
};

static int base_ask(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	struct base_key *base = context;
	if (base->passphrase) {
		*ret = take_pointer(&base->passphrase);
		return 0;
	}
	log_info("The base image is encrypted");
	return tty_ask(NULL, prompt, ret, err);
}

static int wish_base_key(const struct invocation *in, struct build_wish *wish,
			 struct base_key *base, struct error **err)
{
	const char *passphrase = key_variable(KEY_VARIABLE_PASSPHRASE, NULL);
	const char *path = key_variable(KEY_VARIABLE_PEM_PATH, NULL);
	bool from_flags = keys_given(in);
	if (invocation_text(in, "base-pem-path")) {
		base->pem_path = text_dup(invocation_text(in, "base-pem-path"), err);
		if (!base->pem_path)
			return -1;
	} else if (invocation_on(in, "base-passphrase")) {
		wish->base_key.ask_passphrase = true;
	} else if (path && *path && (!wish->encrypt || from_flags)) {
		/* With --encrypt it names the public key of the new image. */
		base->pem_path = text_dup(path, err);
		if (!base->pem_path)
			return -1;
	} else if (passphrase && *passphrase) {
		wish->base_key.ask_passphrase = true;
		if (secret_copy(passphrase, strlen(passphrase), &base->passphrase, err) < 0)
			return -1;
	} else {
		wish->base_key.ask_passphrase = tty_present();
	}
	wish->base_key_given =
		invocation_text(in, "base-pem-path") || invocation_on(in, "base-passphrase");
	wish->base_key.use = KEY_FOR_RUN;
	wish->base_key.pem_path = base->pem_path;
	wish->base_key.ask = base_ask;
	wish->base_key.ask_context = base;
	return 0;
}

/* ------------------------------------------------------------------ the command */

static int find_keys(const struct invocation *in, struct build_wish *wish, struct base_key *base,
		     struct error **err)
{
	if ((base && keys_limit(in, err) < 0) || keys_begin(err) < 0)
		return -1;
	int r = base ? wish_base_key(in, wish, base, err) : 0;
	if (r == 0)
		r = choose_key(in, wish, err);
	keys_end();
	return r;
}

int options_build(const struct invocation *in, struct build_wish *wish, struct base_key *base,
		  struct error **err)
{
	if (wish_compression(in, wish, err) < 0)
		return -1;
	if (wish->config->squash_threads &&
	    (!wish->threads || wish->threads > wish->config->squash_threads))
		wish->threads = (unsigned)wish->config->squash_threads;
	if (wish_encryption(in, wish, err) < 0 ||
	    build_check_target(wish, tty_present() ? tty_confirm : NULL, NULL, err) < 0)
		return -1;
	return find_keys(in, wish, base, err);
}

static int run_build(const struct invocation *in, struct error **err)
{
	struct config config = { 0 };
	struct base_key base = { 0 };
	struct registry_options registry = { 0 };
	struct build_wish wish = {
		.target = in->arguments[0],
		.spec = in->arguments[1],
		.config = &config,
	};
	invocation_fill(in, &wish);
	int r = settings_read_config(in, &config, err);
	if (r == 0)
		r = options_registry(in, &registry, &wish.fetch, err);
	if (r == 0)
		r = options_build(in, &wish, &base, err);
	if (r == 0)
		r = build_image(&wish, err);
	key_free(&wish.key);
	secret_free(&base.passphrase);
	text_free(&base.pem_path);
	options_registry_free(&registry);
	config_free(&config);
	return r;
}

static const struct option build_options[] = {
	TEXT_TO_("arch", 0, "name", "BUILD_ARCH", struct build_wish, arch,
		 "the machine to build for"),
	TEXT_TO_("arch-variant", 0, "name", "BUILD_ARCH_VARIANT", struct build_wish, arch_variant,
		 "which of these machines: 7, of arm"),
	VALUE_("base-pem-path", 0, OPTION_TEXT, "file", NULL,
	       "the RSA private key of an encrypted image that is built upon"),
	{ .name = "base-passphrase",
	  .kind = OPTION_SWITCH,
	  .no_value_ever = true,
	  .help = "ask for the passphrase of an encrypted image that is built upon" },
	LIST_TO_("bind", 'B', OPTION_ARRAY, "spec", NULL, struct build_wish, bind,
		 "show a file or folder to %post and %test: src[:dest[:opts]]"),
	LIST_TO_("build-arg", 0, OPTION_LIST, "name=value", NULL, struct build_wish, build_args,
		 "a value for {{ name }} in the definition"),
	TEXT_TO_("build-arg-file", 0, "file", NULL, struct build_wish, build_arg_file,
		 "a file with such values"),
	SWITCH_TO_("fakeroot", 'f', "FAKEROOT", struct build_wish, fakeroot,
		   "be root while building; users always are"),
	SWITCH_TO_("fix-perms", 0, "FIXPERMS", struct build_wish, fix_perms,
		   "let the owner read and write everything"),
	SWITCH_TO_("force", 'F', "FORCE", struct build_wish, force,
		   "overwrite the target, and labels and help of the base"),
	OPTION_MAX_KDF_MEMORY,
	VALUE_("mksquashfs-args", 0, OPTION_TEXT, "args", "MKSQUASHFS_ARGS",
	       "of these: -comp, -Xcompression-level, -b, -processors"),
	SWITCH_TO_("no-cleanup", 0, "NO_CLEANUP", struct build_wish, no_cleanup,
		   "with --tmpdir: leave the tree there"),
	SWITCH_TO_("notest", 'T', "NOTEST", struct build_wish, notest,
		   "do not run the %test section"),
	SWITCH_TO_("sandbox", 's', "SANDBOX", struct build_wish, sandbox, "build a folder"),
	{ .name = "section",
	  .kind = OPTION_LIST,
	  .argument = "name",
	  .variables = "SECTION",
	  .into = OPTION_INTO(struct build_wish, sections, struct strings),
	  .choices = "all none pre setup files help labels environment startscript runscript test",
	  .help = "do only these sections: all, none, pre, setup, files, help, labels, "
		  "environment, "
		  "startscript, runscript, test; %post is always run" },
	OPTIONS_SEALING,
	OPTIONS_REGISTRY,
	SWITCH_TO_("update", 'u', "UPDATE", struct build_wish, update,
		   "with --sandbox: go on with the folder that is there"),
	SWITCH_TO_("warn-unused-build-args", 0, NULL, struct build_wish, warn_unused_build_args,
		   "a --build-arg that is not used is no error"),
	NOTHING_("disable-cache", OPTION_SWITCH, NULL),
	NOTHING_("ignore-fakeroot-command", OPTION_SWITCH, NULL),
	NOTHING_("ignore-proot", OPTION_SWITCH, NULL),
	NOTHING_("ignore-userns", OPTION_SWITCH, NULL),
	NOTHING_("json", OPTION_SWITCH, NULL),
	NOTHING_("userns", OPTION_SWITCH, NULL),
	MISSING_("buildkit-host", 0, OPTION_TEXT, "host", NULL),
	MISSING_("compat32", 0, OPTION_SWITCH, NULL, NULL),
	MISSING_("data", 0, OPTION_SWITCH, NULL, "DATA"),
	MISSING_("mount", 0, OPTION_ARRAY, "spec", NULL),
	MISSING_("nv", 0, OPTION_SWITCH, NULL, NULL),
	MISSING_("nvccli", 0, OPTION_SWITCH, NULL, "NVCCLI"),
	MISSING_("reproducible", 0, OPTION_SWITCH, NULL, "REPRODUCIBLE"),
	MISSING_("rocm", 0, OPTION_SWITCH, NULL, NULL),
	MISSING_("writable-tmpfs", 0, OPTION_SWITCH, NULL, NULL),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_build = {
	.name = "build",
	.summary = "Build an image, plain or encrypted",
	.usage = "build [build options...] <image path> <build spec>",
	.description =
		"The build spec is a definition file, a sandbox (a folder), a SIF image, or\n"
		"where an image of another kind lies: docker://, docker-archive:,\n"
		"docker-daemon:, oci:, oci-archive:, containers-storage:, oras://, library://,\n"
		"http:// or https://. The new image is encrypted with a passphrase or for the\n"
		"owner of an RSA key; the first of these counts: --pem-path, --passphrase, and\n"
		"with --encrypt the variables APPTAINER_ENCRYPTION_PEM_PATH, _PEM_DATA and\n"
		"_PASSPHRASE.\n"
		"\n"
		"While it is built the tree lies in memory that only this build can see,\n"
		"and the image is encrypted as it is written: nothing of it is on a disk in\n"
		"the clear.\n",
	.examples = "$ %s build image.sif image.def\n"
		    "$ %s build --passphrase secret.sif image.def\n"
		    "$ %s build --pem-path=rsa_pub.pem secret.sif docker://debian:12\n"
		    "$ %s build --encryption=luks2 --passphrase secret.sif folder/\n",
	.options = build_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_build,
};
