/* SPDX-License-Identifier: Apache-2.0 */
/* A SIF file: header and descriptors, what is printed of them, what is found, every object. */
#include "fuzz.h"
#include "sif/sif.h"

#include <string.h>
#include <sys/mman.h>

#define OBJECT_MAX 4096
#define FILE_LEN 40960

/* As on a terminal: nothing of it is left that could steer one, and it is the same wherever it is
 * cut. */
static void show(const struct buffer *text, struct error **err)
{
	struct buffer whole CLEANUP_BUFFER = { 0 }, parts CLEANUP_BUFFER = { 0 };
	struct screen s = { .form = SCREEN_TEXT };
	size_t half = text->len / 2;
	if (screen_show(SCREEN_TEXT, text->data, text->len, &whole, err) < 0 ||
	    screen_put(&s, text->data, half, &parts, err) < 0 ||
	    screen_put(&s, text->data + half, text->len - half, &parts, err) < 0 ||
	    screen_finish(&s, &parts, err) < 0) {
		error_free(err);
		return;
	}
	if (whole.len != parts.len || memcmp(whole.data, parts.data, whole.len) != 0)
		fuzz_bug("a text of %zu bytes is shown otherwise when it is cut", text->len);
	for (size_t i = 0; i < whole.len; i++) {
		unsigned char c = (unsigned char)whole.data[i];
		bool c1 = c == 0xc2 && ((unsigned char)whole.data[i + 1] & 0xe0) == 0x80;
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c1)
			fuzz_bug("byte %#x for a terminal", c);
	}
}

static int objects(struct source *file, const struct sif *s, struct error **err)
{
	struct error *first CLEANUP_ERROR = NULL, *digest CLEANUP_ERROR = NULL;
	uint8_t hash[32];
	if (sif_digest(s, file, hash, &digest) == 0)
		fuzz_saw(hash, sizeof(hash));
	fuzz_note(&first, &digest);
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		struct buffer info CLEANUP_BUFFER = { 0 }, bytes CLEANUP_BUFFER = { 0 };
		struct error *e CLEANUP_ERROR = NULL;
		if (sif_print_info(d, &info, &e) == 0) {
			fuzz_saw(info.data, info.len);
			show(&info, &e);
		}
		fuzz_note(&first, &e);
		if (sif_object(file, d, OBJECT_MAX, &bytes, &e) == 0)
			fuzz_saw(bytes.data, bytes.len);
		fuzz_note(&first, &e);
		const struct sif_descriptor *by_id = sif_by_id(s, d->id);
		const struct sif_descriptor *by_name = sif_find(s, d->type, d->name);
		if (!by_id || by_id->id != d->id || !by_name || by_name->type != d->type)
			fuzz_bug("descriptor %zu is not found", i);
	}
	*err = first;
	first = NULL;
	return *err ? -1 : 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct source *file CLEANUP_SOURCE = NULL;
	struct sif *s CLEANUP_SIF = NULL;
	struct buffer text CLEANUP_BUFFER = { 0 };
	bool probed = sif_probe(data, len);
	if (fuzz_source(data, len, &file, err) < 0 || sif_read(file, &s, err) < 0)
		return -1;
	if (!probed)
		fuzz_bug("a SIF that does not look like one");
	if (sif_print_list(s, &text, err) < 0 || sif_print_header(s, &text, err) < 0)
		return -1;
	fuzz_saw(text.data, text.len);
	show(&text, err);
	const struct sif_descriptor *primary = sif_primary(s);
	if (primary) {
		const struct sif_descriptor *message = sif_crypt_message(s, primary);
		fuzz_saw_number(message ? message->id : UINT64_MAX);
		struct source *partition CLEANUP_SOURCE = NULL;
		if (source_slice(file, primary->off, primary->len, &partition, err) < 0)
			return -1;
	}
	return objects(file, s, err);
}

/* As our writer makes one, its table moved to the front and cut short: the padding is no news. */
int fuzz_seed(struct buffer *ret, struct error **err)
{
	static uint8_t raw[FILE_LEN];
	const struct sif_write_options options = { .deterministic = true };
	struct sink *file CLEANUP_SINK = NULL;
	struct sif_writer *w = NULL;
	uint64_t off;
	int fd = memfd_create("seed", MFD_CLOEXEC);
	if (sink_from_fd(fd, &file, err) < 0 || sif_write_begin(file, &options, &w, err) < 0)
		return -1;
	int r = -1;
	if (sif_write_object(w, SIF_DEFFILE, "deffile", "Bootstrap: scratch\n", 19, err) == 0 &&
	    sif_write_partition_begin(w, &off, err) == 0 &&
	    sink_write(file, "hsqs", 4, off, err) == 0 &&
	    sif_write_partition_end(w, SIF_ENCRYPTED_SQUASHFS, "02", 4, err) == 0 &&
	    sif_write_crypt_message(w, "-----BEGIN MESSAGE-----\n", 24, err) == 0 &&
	    sif_write_finish(w, err) == 0 && file->size <= sizeof(raw) &&
	    sink_read(file, raw, (size_t)file->size, 0, err) == 0)
		r = 0;
	sif_writer_free(&w);
	if (r < 0)
		return -1;
	/* header, three descriptors of 585 bytes, 64 bytes of objects */
	uint8_t *at = (uint8_t *)buffer_reserve(ret, 128 + 3 * 585 + 64, err);
	if (!at)
		return -1;
	memcpy(at, raw, 128);
	memcpy(at + 128, raw + 4096, 3 * 585);
	memset(at + 128 + 3 * 585, 'x', 64);
	bytes_put_le(at + 80, 0, 8);
	bytes_put_le(at + 88, 3, 8);
	bytes_put_le(at + 96, 128, 8);
	bytes_put_le(at + 104, 3 * 585, 8);
	for (size_t i = 0; i < 3; i++)
		bytes_put_le(at + 128 + i * 585 + 17, 128 + 3 * 585 + i * 20, 8);
	ret->len = 128 + 3 * 585 + 64;
	return 0;
}
