/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/sif/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sif/sif.h"

/* Looking into a SIF file, in Apptainer's words and to its byte: sif.md 11. */

#define DUMP_STEP 65536

int cli_open_sif(const char *path, struct source **ret_file, struct sif **ret, struct error **err)
{
	CLEANUP_SOURCE struct source *file = NULL;
	/* Not to wait where the name is a fifo's. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		fd_close(&fd);
		return error_errno(err, EISDIR, "reading global header: read %s", path);
	}
	if (source_from_fd(fd, &file, err) < 0) {
		fd_close(&fd);
		return -1;
	}
	if (sif_read(file, ret, err) < 0)
		return -1;
	*ret_file = take_pointer(&file);
	return 0;
}

int parse_object_id(const char *text, uint32_t *ret, struct error **err)
{
	char *end;
	errno = 0;
	unsigned long id = strtoul(text, &end, 10);
	bool digits = isdigit((unsigned char)*text) && !*end;
	if (!digits || errno || id > UINT32_MAX) {
		CLEANUP_TEXT char *quoted = parse_quote(text, err);
		return quoted ? error_set(err, ERROR_USAGE,
					  "while converting id: strconv.ParseUint: parsing %s: %s",
					  quoted, digits ? "value out of range" : "invalid syntax")
			      : -1;
	}
	*ret = (uint32_t)id;
	return 0;
}

/* Opens the file of the second argument and finds the object of the first. */
static int open_object(const struct invocation *in, struct source **ret_file, struct sif **ret,
		       const struct sif_descriptor **ret_object, struct error **err)
{
	uint32_t id;
	if (parse_object_id(in->arguments[0], &id, err) < 0 ||
	    cli_open_sif(in->arguments[1], ret_file, ret, err) < 0)
		return -1;
	/* In this order: Apptainer's. */
	if (!(*ret)->count)
		return error_set(err, ERROR_NOT_FOUND, "no objects in image");
	if (id == 0)
		return error_set(err, ERROR_USAGE, "invalid object ID");
	*ret_object = sif_by_id(*ret, id);
	return *ret_object ? 0 : error_set(err, ERROR_NOT_FOUND, "object not found");
}

/* What there is to say of the file as a whole. */
static int show(const struct invocation *in,
		int (*print)(const struct sif *s, struct buffer *ret, struct error **err),
		struct error **err)
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (cli_open_sif(in->arguments[0], &file, &s, err) < 0 || print(s, &text, err) < 0)
		return -1;
	return report_print(&text, err);
}

static int run_list(const struct invocation *in, struct error **err)
{
	return show(in, sif_print_list, err);
}

static int run_header(const struct invocation *in, struct error **err)
{
	return show(in, sif_print_header, err);
}

static int run_info(const struct invocation *in, struct error **err)
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	const struct sif_descriptor *object;
	if (open_object(in, &file, &s, &object, err) < 0 || sif_print_info(object, &text, err) < 0)
		return -1;
	return report_print(&text, err);
}

static int run_dump(const struct invocation *in, struct error **err)
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	CLEANUP_BUFFER struct buffer bytes = { 0 };
	struct screen screen = { .form = SCREEN_TEXT };
	const struct sif_descriptor *object;
	if (open_object(in, &file, &s, &object, err) < 0 || !buffer_reserve(&bytes, DUMP_STEP, err))
		return -1;
	for (uint64_t done = 0; done < object->len; done += bytes.len) {
		uint64_t left = object->len - done;
		bytes.len = left < DUMP_STEP ? (size_t)left : DUMP_STEP;
		if (source_read(file, bytes.data, bytes.len, object->off + done, err) < 0 ||
		    report_piece(&screen, &bytes, err) < 0)
			return -1;
	}
	return report_end(&screen, err);
}

const struct command cli_sif = {
	.name = "sif",
	.alias = "siftool",
	.summary = "Look into a SIF file, or change what is in it",
	.usage = "sif",
	.description =
		"Shows what a SIF file is made of, and changes it, object by object. No key is\n"
		"needed: an encrypted partition is bytes like others here.\n",
	.examples = "$ %s sif list image.sif\n"
		    "$ %s help sif list\n",
	.options = options_help_only,
	.max_arguments = -1,
	.intermixed = true,
	.group = true,
};

const struct command cli_sif_list = {
	.name = "sif list",
	.summary = "List the data objects",
	.usage = "sif list <sif_path>",
	.description =
		"One line an object: its number, group, link, place in the file and type. The\n"
		"type tells whether, and how, the root file system is encrypted.\n",
	.examples = "$ %s sif list image.sif\n",
	.options = options_help_only,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.usage_errors = true,
	.image = true,
	.run = run_list,
};

const struct command cli_sif_header = {
	.name = "sif header",
	.summary = "Show the global header",
	.usage = "sif header <sif_path>",
	.description = "Shows version, architecture, identity, times and the layout of the file.\n",
	.examples = "$ %s sif header image.sif\n",
	.options = options_help_only,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.usage_errors = true,
	.image = true,
	.run = run_header,
};

const struct command cli_sif_info = {
	.name = "sif info",
	.summary = "Show one data object's descriptor",
	.usage = "sif info <id> <sif_path>",
	.description =
		"Shows all that the file says about one object. `sif list` gives the numbers.\n",
	.examples = "$ %s sif info 1 image.sif\n",
	.options = options_help_only,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.usage_errors = true,
	.run = run_info,
};

const struct command cli_sif_dump = {
	.name = "sif dump",
	.summary = "Write one data object's bytes to standard output",
	.usage = "sif dump <id> <sif_path>",
	.description = "Writes the bytes as they are in the file: an encrypted partition stays\n"
		       "encrypted.\n",
	.examples = "$ %s sif dump 1 image.sif > image.def\n",
	.options = options_help_only,
	.min_arguments = 2,
	.max_arguments = 2,
	.intermixed = true,
	.usage_errors = true,
	.run = run_dump,
};
