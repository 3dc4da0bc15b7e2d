/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_INTERNAL_H
#define COFFER_CLI_COMMANDS_INTERNAL_H

#include "cli/internal.h"

/* The entries that each file ends in, and what their tables share. */
extern const struct command cli_build, cli_cache, cli_cache_clean, cli_cache_list, cli_cat,
	cli_completion, cli_config, cli_config_check, cli_convert, cli_decrypt, cli_directive_table,
	cli_doctor, cli_encrypt, cli_exec, cli_find, cli_help, cli_inspect, cli_instance,
	cli_instance_list, cli_instance_run, cli_instance_start, cli_instance_stop, cli_key,
	cli_key_check, cli_key_show, cli_keygen, cli_ls, cli_overlay, cli_overlay_create,
	cli_passphrase, cli_pull, cli_push, cli_recipient, cli_recipient_add, cli_recipient_list,
	cli_recipient_remove, cli_rekey, cli_run, cli_run_help, cli_shell, cli_sif, cli_sif_add,
	cli_sif_del, cli_sif_dump, cli_sif_header, cli_sif_info, cli_sif_list, cli_sif_new,
	cli_sif_setprim, cli_table_dump, cli_test, cli_version, cli_sign, cli_verify;

#define OPTION_HELP                                                                             \
	{                                                                                       \
		.name = "help", .letter = 'h', .kind = OPTION_SWITCH, .help = "print this help" \
	}

/* For commands that may open an encrypted image: keys_limit. */
#define OPTION_MAX_KDF_MEMORY                                                              \
	{                                                                                  \
		.name = "max-kdf-memory", .kind = OPTION_INT, .argument = "MiB",           \
		.variables = "MAX_KDF_MEMORY",                                             \
		.help = "the memory that an image may ask for to unlock it; without this " \
			"three quarters of what is free"                                   \
	}

/* What run, exec and build share besides: where a key comes from, without a file of the user's. */
#define OPTIONS_KEY_SOURCES                                                                  \
	{ .name = "key-command",                                                             \
	  .kind = OPTION_TEXT,                                                               \
	  .argument = "command",                                                             \
	  .help = "the shell runs this; its standard output is the key, a passphrase or an " \
		  "RSA key" },                                                               \
	{                                                                                    \
		.name = "key-fd", .kind = OPTION_INT, .argument = "n",                       \
		.help = "read the key, a passphrase or an RSA key, from this descriptor"     \
	}

/* For commands that open an image by an identity. */
#define OPTION_IDENTITY                                                                          \
	{                                                                                        \
		.name = "identity", .kind = OPTION_ARRAY, .argument = "file",                    \
		.help = "a private key of age's or OpenSSH's (Ed25519, RSA) that the image was " \
			"built for; any number of times"                                         \
	}
/* For those that do nothing else with it. */
#define OPTIONS_KEY_OPENS                                                    \
	{ .name = "passphrase",                                              \
	  .kind = OPTION_SWITCH,                                             \
	  .no_value_ever = true,                                             \
	  .help = "ask for the image's passphrase" },                        \
	{                                                                    \
		.name = "pem-path", .kind = OPTION_TEXT, .argument = "file", \
		.help = "an RSA private key that opens the image"            \
	}
/* For commands that seal one. */
#define OPTIONS_RECIPIENTS                                                                         \
	{ .name = "recipient",                                                                     \
	  .letter = 'r',                                                                           \
	  .kind = OPTION_ARRAY,                                                                    \
	  .argument = "key",                                                                       \
	  .help = "encrypt for this public key, age1..., ssh-ed25519 ..., ssh-rsa ..., or for "    \
		  "those in this file; any number of times; implies --encrypt" },                  \
	{                                                                                          \
		.name = "recipients-file", .letter = 'R', .kind = OPTION_ARRAY,                    \
		.argument = "file", .help = "encrypt for the public keys in this file, one a line" \
	}

struct key_request;
/* The options by which a key is given, as far as the command has them: whether there is one, and
 * what they ask for. */
bool keys_given(const struct invocation *in);
int keys_request(const struct invocation *in, struct key_request *request, struct error **err);
/*
 * Round everything that finds a key: from keys_begin on no process of the same user can read our
 * memory, a child's after a fork neither (see run/ about id maps); keys_end takes the key
 * variables out of the environment, before any program is started.
 */
int keys_begin(struct error **err);
void keys_end(void);
/* ~/.config/coffer/NAME, whether it is there or not: the text is the caller's. NULL without *err
 * where nobody knows a home. */
char *keys_own_file(const char *name, struct error **err);
struct key;
/*
 * For who has given no key: the identities, or to build the recipients, of
 * ~/.config/coffer/identities or recipients, where that file is there. As key_choose besides.
 */
int keys_default(const struct key_request *given, struct key **ret, struct error **err);
struct image;
/* The key that opens an image, for a command that does nothing else with keys but name recipients;
 * *ret NULL where none is given; then keys_none says so, and returns -1. */
int keys_opener(const struct invocation *in, const struct image *img, struct key **ret,
		struct error **err);
int keys_none(struct error **err);
/* Takes --max-kdf-memory to where keys are derived. */
int keys_limit(const struct invocation *in, struct error **err);

struct build_wish;
struct base_key;
/*
 * What build and pull have in common: compression, key, target. base is for the key of an encrypted
 * image that is built upon; NULL where there is none.
 */
int options_build(const struct invocation *in, struct build_wish *wish, struct base_key *base,
		  struct error **err);

/* A command without options of its own. */
extern const struct option options_help_only[];

#endif
