/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/convert/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* encrypt, decrypt, convert, rekey: another image from one that is there, without unpacking it. */

/* ------------------------------------------------------------------ encrypt */

static int find_key(const struct invocation *in, struct convert_work *w, struct error **err)
{
	if (keys_begin(err) < 0)
		return -1;
	int r = convert_key(in, &w->named, err);
	keys_end();
	return r < 0 ? -1 : key_check(w->named, &w->seal->secret, err);
}

static int run_encrypt(const struct invocation *in, struct error **err)
{
	CLEANUP_WORK struct convert_work w = { .lock = -1,
					       .target = in->arguments[1],
					       .replace = invocation_on(in, "force"),
					       .mode = convert_mode(0777) };
	struct image_converted done;
	if (convert_seal(in, seal_usual(geteuid() == 0), &w.seal, err) < 0 ||
	    convert_check_target(&w, err) < 0 || convert_open(&w, in->arguments[0], err) < 0)
		return -1;
	if (image_is_encrypted(w.img)) {
		error_set(err, ERROR_USAGE, "%s is encrypted already", w.img->path);
		return error_hint(err, "`coffer rekey` gives it a new key, `coffer convert` makes "
				       "another kind of it");
	}
	if (find_key(in, &w, err) < 0 || convert_write(&w, &done, err) < 0)
		return -1;
	log_info("%s is encrypted with %s; %s is as it was, in clear", w.target, w.seal->title,
		 in->arguments[0]);
	convert_say_left_out(&done);
	return 0;
}

static const struct option encrypt_options[] = {
	OPTION_SEAL("luks2 or gocryptfs; without this luks2 for root, gocryptfs for others"),
	OPTION_FORCE("overwrite the new image's file"),
	OPTIONS_KEY_SOURCES,
	{ .name = "passphrase",
	  .kind = OPTION_SWITCH,
	  .no_value_ever = true,
	  .help = "ask for the passphrase of the new image" },
	{ .name = "pem-path",
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .help = "an RSA public key that the new image is for, in Apptainer's own way" },
	OPTIONS_NAMED,
	OPTION_HELP,
	{ 0 },
};

const struct command cli_encrypt = {
	.name = "encrypt",
	.summary = "Make an encrypted image of a plain one",
	.usage = "encrypt [options...] <image> <new image>",
	.description =
		"Encrypts the root file system of a plain SIF, or of a squashfs file, into a\n"
		"new SIF: as it is, without unpacking it or compressing it anew. What else is\n"
		"in the SIF is kept, definition and labels too, which stay readable. A key is\n"
		"given as for build. The plain image stays where it is.\n",
	.examples = "$ %s encrypt -r ~/.ssh/id_ed25519.pub plain.sif secret.sif\n"
		    "$ %s encrypt --encryption=luks2 --passphrase plain.sif secret.sif\n",
	.options = encrypt_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.image = true,
	.run = run_encrypt,
};

/* ------------------------------------------------------------------ decrypt */

static int run_decrypt(const struct invocation *in, struct error **err)
{
	CLEANUP_WORK struct convert_work w = { .lock = -1,
					       .target = in->arguments[1],
					       .replace = invocation_on(in, "force"),
					       .mode = convert_mode(0700) };
	struct image_converted done;
	if (convert_check_target(&w, err) < 0 || convert_open(&w, in->arguments[0], err) < 0)
		return -1;
	if (!image_is_encrypted(w.img))
		return convert_not_encrypted(w.img, err);
	if (keys_begin(err) < 0)
		return -1;
	int r = convert_opener(in, &w, err);
	keys_end();
	if (r < 0 || convert_write(&w, &done, err) < 0)
		return -1;
	log_warning("%s lies on the disk in clear: whoever can read the file, or the disk, can "
		    "read the container, and removing the file may leave its bytes there",
		    w.target);
	convert_say_left_out(&done);
	return 0;
}

static const struct option decrypt_options[] = {
	OPTION_FORCE("overwrite the new image's file"),
	OPTION_IDENTITY,
	OPTIONS_KEY_SOURCES,
	OPTION_MAX_KDF_MEMORY,
	OPTIONS_KEY_OPENS,
	OPTION_HELP,
	{ 0 },
};

const struct command cli_decrypt = {
	.name = "decrypt",
	.summary = "Make a plain image of an encrypted one",
	.usage = "decrypt [options...] <image> <new image>",
	.description =
		"Writes the image anew without encryption, into a file that its owner alone\n"
		"may read. From then on the container lies on the disk in clear. To run an\n"
		"image, or to look into it, that is not needed. What else is in the SIF is\n"
		"kept. The key is given as for run.\n",
	.examples = "$ %s decrypt --identity me.key secret.sif plain.sif\n",
	.options = decrypt_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.image = true,
	.run = run_decrypt,
};

/* ------------------------------------------------------------------ convert and rekey */

/* Both keys, the one that opens it first: it is asked for first. */
static int find_both(const struct invocation *in, struct convert_work *w, struct error **err)
{
	if (keys_begin(err) < 0)
		return -1;
	int r = convert_opener(in, w, err);
	if (r == 0)
		r = convert_new_key(in, &w->named, err);
	keys_end();
	return r;
}

/* The seal that the image has not. */
static const struct seal *other_seal(const struct seal *seal)
{
	const struct seal *const *s = seal_table;
	while (*s == seal)
		s++;
	return *s;
}

static void say_converted(const struct convert_work *w, const struct image_converted *done)
{
	/* With none it is a passphrase or an RSA key that opens it: "0" would read as nobody. */
	if (done->recipients)
		log_info("%s is encrypted with %s, under a new volume key; recipients: %zu",
			 w->target, w->seal->title, done->recipients);
	else
		log_info("%s is encrypted with %s, under a new volume key", w->target,
			 w->seal->title);
	convert_say_left_out(done);
}

static int run_convert(const struct invocation *in, struct error **err)
{
	CLEANUP_WORK struct convert_work w = { .lock = -1,
					       .target = in->arguments[1],
					       .replace = invocation_on(in, "force"),
					       .mode = convert_mode(0777) };
	struct image_converted done;
	if (convert_check_target(&w, err) < 0 || convert_open(&w, in->arguments[0], err) < 0)
		return -1;
	if (!image_is_encrypted(w.img))
		return convert_not_encrypted(w.img, err);
	if (convert_seal(in, other_seal(image_seal(w.img)), &w.seal, err) < 0 ||
	    find_both(in, &w, err) < 0 || convert_write(&w, &done, err) < 0)
		return -1;
	say_converted(&w, &done);
	return 0;
}

#define CONVERT_OPTIONS                                                                 \
	OPTION_IDENTITY, OPTIONS_KEY_SOURCES, OPTION_MAX_KDF_MEMORY, OPTIONS_KEY_OPENS, \
		OPTIONS_NEW_KEY, OPTIONS_NAMED, OPTION_HELP

static const struct option convert_options[] = {
	OPTION_SEAL("luks2 or gocryptfs; without this the one that the image has not"),
	OPTION_FORCE("overwrite the new image's file"),
	CONVERT_OPTIONS,
	{ 0 },
};

const struct command cli_convert = {
	.name = "convert",
	.summary = "Make an encrypted image of one of the other kind",
	.usage = "convert [options...] <image> <new image>",
	.description =
		"Encrypts an encrypted image anew in the other way: LUKS2 for gocryptfs,\n"
		"gocryptfs for LUKS2. Nothing is unpacked or compressed anew, and nothing of\n"
		"it is on a disk in clear. It is for whoever the image is for now, or for\n"
		"those that are named, and nobody else. The key that opens it is given as for\n"
		"run.\n",
	.examples = "$ %s convert --identity me.key secret.sif other.sif\n"
		    "$ %s convert --passphrase --new-passphrase secret.sif other.sif\n",
	.options = convert_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.image = true,
	.run = run_convert,
};

static int rekey(const struct invocation *in, struct convert_work *w, struct error **err)
{
	struct image_converted done;
	if (convert_check_target(w, err) < 0 || convert_open(w, in->arguments[0], err) < 0)
		return -1;
	if (!image_is_encrypted(w->img))
		return convert_not_encrypted(w->img, err);
	w->seal = image_seal(w->img);
	if (find_both(in, w, err) < 0 || convert_write(w, &done, err) < 0)
		return -1;
	say_converted(w, &done);
	return 0;
}

static int run_rekey(const struct invocation *in, struct error **err)
{
	bool in_place = in->argument_count == 1;
	/* The file itself, where the name is a link to it: the link stays. */
	CLEANUP_TEXT char *file = in_place ? realpath(in->arguments[0], NULL) : NULL;
	CLEANUP_WORK struct convert_work w = { .lock = -1,
					       .target = in_place ? file : in->arguments[1],
					       .replace = in_place || invocation_on(in, "force"),
					       .itself = true,
					       .mode = convert_mode(0777) };
	if (!w.target)
		return error_errno(err, errno, "%s", in->arguments[0]);
	return rekey(in, &w, err);
}

static const struct option rekey_options[] = {
	OPTION_FORCE("overwrite the new image's file, where one is named"),
	CONVERT_OPTIONS,
	{ 0 },
};

const struct command cli_rekey = {
	.name = "rekey",
	.summary = "Encrypt an image anew, under a new volume key",
	.usage = "rekey [options...] <image> [<new image>]",
	.description =
		"Encrypts all of an image anew, under a new volume key and a new secret, for\n"
		"whoever it is for now, or for those that are named, and nobody else. Who was\n"
		"a recipient and is none any more can read nothing of it, whatever they kept\n"
		"of the old one. Without a second name the new file takes the old one's place\n"
		"when it is whole; containers that run from the old one go on. The key that\n"
		"opens it is given as for run.\n",
	.examples = "$ %s rekey --identity me.key secret.sif\n"
		    "$ %s rekey --identity me.key -R team.txt secret.sif\n",
	.options = rekey_options,
	.min_arguments = 1,
	.max_arguments = 2,
	.intermixed = true,
	.image = true,
	.run = run_rekey,
};
