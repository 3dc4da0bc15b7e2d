/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of an image. The first byte says of what the rest is: 'v' a whole SIF file that is
 * verified, 'm' the text that a signature is of, which no fuzzer could sign, 'e' an envelope.
 */
#include "fuzz.h"
#include "sif/integrity/internal.h"

#include <string.h>
#include <sys/mman.h>

/* RFC 8032, 7.1, TEST 1, as PKCS#8 and RFC 8410 have it. */
static const uint8_t private_key[] = {
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
	0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
	0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69,
	0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
};
#define FILE_LEN 8192

static struct crypto_signer *key;

void fuzz_start(void)
{
	struct error *err = NULL;
	if (crypto_signer_from_der(private_key, sizeof(private_key), CRYPTO_SIGNER_PRIVATE, &key,
				   &err) < 0)
		fuzz_bug("no key");
}

static int told(void *context, const struct sif_verdict *v, struct error **err)
{
	(void)context;
	(void)err;
	for (size_t i = 0; i < v->verified_count; i++)
		fuzz_saw_number(v->verified[i]->id);
	if (!v->error && !v->verified_count)
		fuzz_bug("a signature of nothing is said to hold");
	return 0;
}

static int verify(const void *data, size_t len, struct error **err)
{
	struct source *file CLEANUP_SOURCE = NULL;
	struct sif *s CLEANUP_SIF = NULL;
	struct sif_selection all = { 0 };
	if (fuzz_source(data, len, &file, err) < 0 || sif_read(file, &s, err) < 0)
		return -1;
	return sif_verify(file, s, key, &all, told, NULL, err);
}

static int run_metadata(const void *data, size_t len, struct error **err)
{
	CLEANUP_METADATA struct signed_metadata m = { 0 };
	if (signed_read(data, len, &m, err) < 0)
		return -1;
	for (size_t i = 0; i < m.count; i++)
		fuzz_saw_number(m.objects[i].relative_id);
	return 0;
}

static int open_envelope(const void *data, size_t len, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	enum envelope_kind kind;
	if (envelope_kind(data, len, &kind, err) < 0)
		return -1;
	fuzz_saw_number(kind);
	if (envelope_open(key, CRYPTO_SHA256, data, len, &text, err) < 0)
		return -1;
	fuzz_saw(text.data, text.len);
	return 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	if (!len)
		return error_set(err, ERROR_DAMAGED, "empty");
	switch (*data) {
	case 'v':
		return verify(data + 1, len - 1, err);
	case 'm':
		return run_metadata(data + 1, len - 1, err);
	case 'e':
		return open_envelope(data + 1, len - 1, err);
	default:
		return error_set(err, ERROR_DAMAGED, "of nothing");
	}
}

/* A file with a table of two slots behind its header, and one object: signed, it is full. */
static int make_file(int fd, struct error **err)
{
	uint8_t raw[SIF_HEADER_LEN + 2 * SIF_DESCRIPTOR_LEN] = { 0 };
	struct sif_descriptor d = { .type = SIF_DEFFILE,
				    .id = 1,
				    .group = 1,
				    .off = sizeof(raw),
				    .len = 8,
				    .len_padded = 8 };
	memcpy(raw + SIF_MAGIC_OFF, SIF_MAGIC, SIF_MAGIC_LEN);
	memcpy(raw + 42, SIF_VERSION, sizeof(SIF_VERSION));
	memcpy(raw + 45, SIF_ARCH_NONE, 3);
	bytes_put_le(raw + 80, 1, 8);
	bytes_put_le(raw + 88, 2, 8);
	bytes_put_le(raw + 96, SIF_HEADER_LEN, 8);
	bytes_put_le(raw + 104, sizeof(raw) - SIF_HEADER_LEN, 8);
	bytes_put_le(raw + 112, sizeof(raw), 8);
	bytes_put_le(raw + 120, 8, 8);
	sif_put_descriptor(&d, 0, raw + SIF_HEADER_LEN);
	int r = fd_pwrite(fd, raw, sizeof(raw), 0);
	if (r == 0)
		r = fd_pwrite(fd, "from: x\n", 8, sizeof(raw));
	return r < 0 ? error_errno(err, -r, "write") : 0;
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	CLEANUP_FD int fd = memfd_create("seed", MFD_CLOEXEC);
	struct sif_selection all = { 0 };
	fuzz_start();
	if (make_file(fd, err) < 0 || sif_sign(fd, key, &all, 0, err) < 0 ||
	    buffer_puts(ret, "v", err) < 0)
		return -1;
	char *to = buffer_reserve(ret, FILE_LEN, err);
	if (!to)
		return -1;
	ret->len += (size_t)fd_pread(fd, to, FILE_LEN, 0);
	return 0;
}
