/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the standard's test vectors: a head of lines "key: value", an empty line, and an age
 * file, which may be packed. Ends with "N passed, N failed", and with status 1 if any failed.
 */
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "age/age.h"

#define VECTOR_MAX ((size_t)64 << 20)
#define KEYS_MAX 8

struct vector {
	char expect[32], payload[65];
	struct age_key *keys[KEYS_MAX];
	size_t count;
	bool packed;
	const char *left_out; /* why, or NULL */
};

static _Noreturn void fail(const char *what, struct error *err)
{
	fprintf(stderr, "%s: %s\n", what, err ? error_message(err) : "");
	exit(2);
}

static void add_key(struct vector *v, const char *value, size_t len, bool passphrase)
{
	struct error *err = NULL;
	struct secret *secret CLEANUP_SECRET = NULL;
	if (v->count == KEYS_MAX)
		fail("too many keys", NULL);
	if (passphrase) {
		if (secret_copy(value, len, &secret, &err) < 0 ||
		    age_key_passphrase(secret, AGE_WORK, &v->keys[v->count], &err) < 0)
			fail("passphrase", err);
	} else if (age_key_from_text(value, len, &v->keys[v->count], &err) < 0) {
		if (error_kind(err) != ERROR_UNSUPPORTED)
			fail("identity", err);
		v->left_out = "a kind of key that coffer has not";
		error_free(&err);
		return;
	}
	v->count++;
}

/* One line of the head; false for the empty one. */
static bool take_line(struct vector *v, struct bytes *b)
{
	const char *line = (const char *)b->data + b->off;
	const char *end = memchr(line, '\n', bytes_left(b));
	if (!end || end == line) {
		bytes_skip(b, end ? 1 : 0);
		return false;
	}
	bytes_skip(b, (size_t)(end - line) + 1);
	const char *colon = memchr(line, ':', (size_t)(end - line));
	if (!colon || colon + 2 > end)
		fail("a line of the head", NULL);
	size_t key_len = (size_t)(colon - line), len = (size_t)(end - colon - 2);
	const char *value = colon + 2;
#define IS(word) (key_len == strlen(word) && !memcmp(line, word, key_len))
	if (IS("expect"))
		snprintf(v->expect, sizeof(v->expect), "%.*s", (int)len, value);
	else if (IS("payload"))
		snprintf(v->payload, sizeof(v->payload), "%.*s", (int)len, value);
	else if (IS("identity") || IS("passphrase"))
		add_key(v, value, len, IS("passphrase"));
	else if (IS("compressed"))
		v->packed = true;
	else if (IS("armored"))
		v->left_out = "armour";
	else if (!IS("file key") && !IS("comment"))
		v->left_out = "words that are not known";
	return true;
}

static void unpack(struct bytes *b, struct buffer *ret)
{
	struct error *err = NULL;
	size_t len;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	char *to = buffer_reserve(ret, VECTOR_MAX, &err);
	if (!d || !to ||
	    libdeflate_zlib_decompress(d, b->data + b->off, bytes_left(b), to, VECTOR_MAX, &len) !=
		    LIBDEFLATE_SUCCESS)
		fail("unpack", err);
	libdeflate_free_decompressor(d);
	*b = bytes_of(to, len);
}

/* The words of the outcome that a file has with us. *ret is the text on success. */
static const char *outcome(const struct vector *v, struct bytes b, struct secret **ret,
			   struct error **err)
{
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	struct secret *key CLEANUP_SECRET = NULL;
	if (age_read(b.data + b.off, bytes_left(&b), &f, err) < 0)
		return "header failure";
	if (age_unwrap(f, v->keys, v->count, NULL, &key, err) < 0)
		return error_kind(*err) == ERROR_KEY_WRONG ? "no match" : "header failure";
	if (age_authenticate(f, key, err) < 0)
		return "HMAC failure";
	return age_payload(f, key, VECTOR_MAX, ret, err) < 0 ? "payload failure" : "success";
}

/* 1 as expected, 0 left out, -1 otherwise. */
static int run(const char *name, const struct buffer *text)
{
	struct vector v = { 0 };
	struct bytes b = bytes_of(text->data, text->len);
	struct buffer unpacked CLEANUP_BUFFER = { 0 }, digest CLEANUP_BUFFER = { 0 };
	struct secret *got CLEANUP_SECRET = NULL;
	struct error *err CLEANUP_ERROR = NULL, *failed = NULL;
	while (take_line(&v, &b))
		;
	if (v.packed)
		unpack(&b, &unpacked);
	const char *is = v.left_out ? NULL : outcome(&v, b, &got, &err);
	for (size_t i = 0; i < v.count; i++)
		age_key_free(&v.keys[i]);
	if (v.left_out) {
		printf("%s: left out: %s\n", name, v.left_out);
		return 0;
	}
	bool good = !strcmp(is, v.expect);
	if (good && got) {
		uint8_t sha[CRYPTO_SHA256_LEN];
		if (crypto_sha256(secret_bytes(got), secret_size(got), sha, &failed) < 0 ||
		    buffer_hex(&digest, sha, sizeof(sha), &failed) < 0)
			fail(name, failed);
		good = !strcmp(digest.data, v.payload);
	}
	printf("%s: %s%s%s%s%s\n", name, is, err ? ": " : "", err ? error_message(err) : "",
	       good ? "" : ", NOT ", good ? "" : v.expect);
	return good ? 1 : -1;
}

int main(int argc, char **argv)
{
	int counts[3] = { 0 };
	for (int i = 1; i < argc; i++) {
		struct buffer text CLEANUP_BUFFER = { 0 };
		struct error *err = NULL;
		const char *slash = strrchr(argv[i], '/');
		if (fd_read_file(AT_FDCWD, argv[i], VECTOR_MAX, &text, &err) < 0)
			fail(argv[i], err);
		counts[run(slash ? slash + 1 : argv[i], &text) + 1]++;
	}
	printf("%d left out\n%d passed, %d failed\n", counts[1], counts[2], counts[0]);
	return counts[0] || !counts[2];
}
