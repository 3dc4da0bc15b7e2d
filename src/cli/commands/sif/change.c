/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/sif/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sif/sif.h"

/*
 * sif new, add, del and setprim, in Apptainer's words: sif.md 11.5 to 11.9. What they check is
 * checked in its order, so that of several faults the same one is named.
 */

#define ENTITY_LEN 20

static int run_new(const struct invocation *in, struct error **err)
{
	return sif_create(in->arguments[0], 0755, time(NULL), err);
}

/* ------------------------------------------------------------------ add */

static int add_partition(const struct invocation *in, struct sif_addition *a, struct error **err)
{
	long kind = invocation_option(in, "parttype")->number,
	     filesystem = invocation_option(in, "partfs")->number,
	     arch = invocation_option(in, "partarch")->number;
	char code[4] = "00";
	if (!kind || !filesystem || !arch)
		return error_set(err, ERROR_USAGE,
				 "with partition datatype, --partfs, --parttype and --partarch "
				 "must be passed");
	if (arch > 0 && arch < 100) {
		code[0] = (char)('0' + arch / 10);
		code[1] = (char)('0' + arch % 10);
	}
	if (!strcmp(sif_arch_name(code), "unknown"))
		return error_set(err, ERROR_USAGE, "unknown architecture: unknown");
	sif_extra_partition(a->extra, (int32_t)filesystem, (int32_t)kind, code);
	return 0;
}

static int entity_error(char odd, struct error **err)
{
	static const char what[] = "failed to decode signing entity fingerprint: encoding/hex";
	if (!odd)
		return error_set(err, ERROR_USAGE, "%s: odd length hex string", what);
	return error_set(err, ERROR_USAGE, "%s: invalid byte: U+%04X '%c'", what,
			 (unsigned char)odd, odd >= ' ' && odd < 0x7f ? odd : '?');
}

/* Digits of both sizes, as Go's decoder takes them; its first complaint is ours. */
static int parse_entity(const char *text, uint8_t ret[ENTITY_LEN], struct error **err)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	size_t len = strlen(text), i = 0;
	for (; i < len; i++) {
		const char *at = strchr(digits, text[i]);
		if (!at)
			return entity_error(text[i], err);
		uint8_t value = (uint8_t)((at - digits) % 16);
		if (i / 2 < ENTITY_LEN)
			ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] | value : value << 4);
	}
	if (len % 2)
		return entity_error(0, err);
	if (len / 2 != ENTITY_LEN)
		return error_set(err, ERROR_USAGE,
				 "invalid signing entity fingerprint length: got %zu, want %d",
				 len / 2, ENTITY_LEN);
	return 0;
}

static int add_signature(const struct invocation *in, struct sif_addition *a, struct error **err)
{
	long hash = invocation_option(in, "signhash")->number;
	const char *text = invocation_text(in, "signentity");
	uint8_t entity[ENTITY_LEN] = { 0 };
	if (hash < 1 || hash > 5)
		return error_set(err, ERROR_USAGE, "invalid hash type: %ld", hash);
	if (parse_entity(text ? text : "", entity, err) < 0)
		return -1;
	sif_extra_signature(a->extra, (int32_t)hash, entity);
	return 0;
}

static int add_sbom(const struct invocation *in, struct sif_addition *a, struct error **err)
{
	const char *name = invocation_text(in, "sbomformat");
	if (!name || !*name)
		return error_set(err, ERROR_USAGE,
				 "with SBOM datatype, --sbomformat must be passed");
	int32_t format = sif_sbom_format(name);
	if (!format)
		return error_set(err, ERROR_USAGE, "invalid SBOM format: %s", name);
	sif_extra_sbom(a->extra, format);
	return 0;
}

static int find_addition(const struct invocation *in, struct sif_addition *a, struct error **err)
{
	const struct option_value *link = invocation_option(in, "link"),
				  *alignment = invocation_option(in, "alignment");
	const char *name = invocation_text(in, "filename");
	a->group = (uint32_t)invocation_option(in, "groupid")->number;
	a->link = (uint32_t)link->number;
	a->name = name ? name : "";
	a->alignment = alignment->set		  ? alignment->number
		       : a->type == SIF_PARTITION ? SIF_ALIGNMENT
						  : 0;
	int r = a->type == SIF_PARTITION   ? add_partition(in, a, err)
		: a->type == SIF_SIGNATURE ? add_signature(in, a, err)
		: a->type == SIF_SBOM	   ? add_sbom(in, a, err)
					   : 0;
	if (r == 0 && link->set && !a->link)
		r = error_set(err, ERROR_USAGE, "invalid object ID");
	return r;
}

static int run_add(const struct invocation *in, struct error **err)
{
	const char *image = in->arguments[0], *object = in->arguments[1];
	long type = invocation_option(in, "datatype")->number;
	if (type < 1 || type > SIF_OCI_BLOB - SIF_DEFFILE + 1)
		return error_set(err, ERROR_USAGE, "-datatype flag is required with a valid range");
	struct sif_addition a = { .type = (enum sif_type)(SIF_DEFFILE - 1 + type) };
	CLEANUP_FD int from = open(object, O_RDONLY | O_CLOEXEC | O_NOCTTY), fd = -1;
	struct stat st;
	if (from < 0)
		return error_errno(err, errno, "open %s", object);
	/* It would be found when a part of the image is written. */
	if (fstat(from, &st) == 0 && S_ISDIR(st.st_mode))
		return error_errno(err, EISDIR, "read %s", object);
	if (find_addition(in, &a, err) < 0 || sif_open_locked(image, &fd, err) < 0)
		return -1;
	a.fd = from;
	return sif_add_object(fd, &a, time(NULL), err);
}

/* ------------------------------------------------------------------ the others */

static int change(const struct invocation *in,
		  int (*how)(int fd, uint32_t id, int64_t now, struct error **err),
		  struct error **err)
{
	CLEANUP_FD int fd = -1;
	uint32_t id;
	if (parse_object_id(in->arguments[0], &id, err) < 0 ||
	    sif_open_locked(in->arguments[1], &fd, err) < 0)
		return -1;
	return how(fd, id, time(NULL), err);
}

static int run_del(const struct invocation *in, struct error **err)
{
	return change(in, sif_remove_object, err);
}

static int run_setprim(const struct invocation *in, struct error **err)
{
	return change(in, sif_set_primary, err);
}

static const struct option add_options[] = {
	{ .name = "alignment",
	  .kind = OPTION_INT,
	  .argument = "bytes",
	  .help = "begin at a multiple of this in the file; 4096 for a partition, else 0, "
		  "without this" },
	{ .name = "datatype",
	  .kind = OPTION_INT,
	  .argument = "n",
	  .choices = "1 2 3 4 5 6 7 8 9 10 11",
	  .help = "what it is; there has to be one: 1 definition file, 2 environment, 3 labels, "
		  "4 partition, 5 signature, 6 JSON, 7 anything, 8 cryptographic message, "
		  "9 SBOM, 10 OCI root index, 11 OCI blob" },
	{ .name = "filename",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .help = "the object's name, of 128 bytes at most; none without this" },
	{ .name = "groupid",
	  .kind = OPTION_UINT32,
	  .argument = "n",
	  .help = "its group; 0, none, without this" },
	{ .name = "link",
	  .kind = OPTION_UINT32,
	  .argument = "n",
	  .help = "the object that it belongs to; 4026531840 + n for group n" },
	{ .name = "partarch",
	  .kind = OPTION_INT32,
	  .argument = "n",
	  .choices = "1 2 3 4 5 6 7 8 9 10 11 12 13",
	  .help = "of a partition, which has to have it, the machine: 1 386, 2 amd64, 3 arm, "
		  "4 arm64, 5 ppc64, 6 ppc64le, 7 mips, 8 mipsle, 9 mips64, 10 mips64le, "
		  "11 s390x, 12 riscv64, 13 loong64" },
	{ .name = "partfs",
	  .kind = OPTION_INT32,
	  .argument = "n",
	  .choices = "1 2 3 4 5 6",
	  .help = "of a partition, which has to have it, the file system: 1 squashfs, 2 ext3, "
		  "3 archive, 4 raw, 5 LUKS2, 6 gocryptfs" },
	{ .name = "parttype",
	  .kind = OPTION_INT32,
	  .argument = "n",
	  .choices = "1 2 3 4",
	  .help = "of a partition, which has to have it: 1 system, 2 the primary system, "
		  "3 data, 4 overlay" },
	{ .name = "sbomformat",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .choices = "cyclonedx-json cyclonedx-xml github-json spdx-json spdx-rdf "
		     "spdx-tag-value spdx-yaml syft-json",
	  .help = "of an SBOM, which has to have it, its format" },
	{ .name = "signentity",
	  .kind = OPTION_TEXT,
	  .argument = "hex",
	  .help = "of a signature, which has to have it, the signer's fingerprint: 40 digits" },
	{ .name = "signhash",
	  .kind = OPTION_INT32,
	  .argument = "n",
	  .choices = "1 2 3 4 5",
	  .help = "of a signature, which has to have it: 1 SHA-256, 2 SHA-384, 3 SHA-512, "
		  "4 BLAKE2s-256, 5 BLAKE2b-256" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_sif_new = {
	.name = "sif new",
	.summary = "Make a SIF file without objects",
	.usage = "sif new <sif_path>",
	.description = "Makes a SIF file that holds nothing yet. What is there by this name is\n"
		       "replaced, without a question, as by Apptainer.\n",
	.examples = "$ %s sif new image.sif\n",
	.options = options_help_only,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.usage_errors = true,
	.run = run_new,
};

const struct command cli_sif_add = {
	.name = "sif add",
	.summary = "Add a data object",
	.usage = "sif add <sif_path> <object_path>",
	.description = "Adds a file as one more object, behind those that are there. The image is\n"
		       "changed in place; a kill or a full disk leaves it as it was. Nothing is\n"
		       "encrypted: a partition has to be so already.\n",
	.examples = "$ %s sif add image.sif recipe.def --datatype 1\n"
		    "$ %s sif add image.sif root.sqfs --datatype 4 --parttype 1 "
		    "\\\n      --partfs 1 --partarch 2\n",
	.options = add_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.usage_errors = true,
	.image = true,
	.run = run_add,
};

const struct command cli_sif_del = {
	.name = "sif del",
	.summary = "Delete a data object",
	.usage = "sif del <id> <sif_path>",
	.description =
		"Takes an object out of the table. Its bytes stay in the file until another\n"
		"object is written there, as with Apptainer; a key object's are wiped.\n",
	.examples = "$ %s sif del 1 image.sif\n",
	.options = options_help_only,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.usage_errors = true,
	.run = run_del,
};

const struct command cli_sif_setprim = {
	.name = "sif setprim",
	.summary = "Choose the primary system partition",
	.usage = "sif setprim <id> <sif_path>",
	.description = "Makes a system partition the one that is run; the one before stays, as a\n"
		       "system partition.\n",
	.examples = "$ %s sif setprim 1 image.sif\n",
	.options = options_help_only,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.usage_errors = true,
	.run = run_setprim,
};
