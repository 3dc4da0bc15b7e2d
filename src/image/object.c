/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key object of an image (formats/key-object.md): an age file, in it a text with the volume
 * key. Whoever has an identity that it was written for opens the image with neither RSA nor the
 * derivation of a key.
 *
 * The text is JSON, so that a person can use it (age -d). It is written here in one form and read
 * in that form alone, as a cursor can: a reader of all JSON would leave copies of keys in memory
 * that nobody guards.
 *
 * The object lies beside the partition, and anybody can put another one there. So it says inside
 * what it is encrypted with for which volume it is: the seal and the volume's own id. That is
 * compared, and then the seal itself is asked whether the key is its own. An object of another
 * image is an error, and so is none at all where only an identity was given; it never leads to
 * another key. Who can write an object can write a whole image: recipients tell who may read, not
 * who has written.
 */
#include "image/internal.h"

#include <string.h>

#define SECRET_MAX 1024 /* of the two in it, in bytes */

/* The text, in this order. */
#define TEXT_SEAL "{\"version\":1,\"seal\":\""
#define TEXT_VOLUME "\",\"volume\":\""
#define TEXT_KEY "\",\"volumeKey\":\""
#define TEXT_SECRET "\",\"secret\":\""
#define TEXT_RECIPIENTS "\",\"recipients\":["
#define TEXT_END "]}\n"

/* ------------------------------------------------------------------ writing */

static char *put_hex(char *to, const struct secret *s)
{
	return text_put_hex(to, secret_bytes(s), secret_size(s));
}

static char *put_recipients(char *to, const struct strings *lines)
{
	for (size_t i = 0; i < lines->len; i++) {
		to = stpcpy(to, i ? ",\"" : "\"");
		to = stpcpy(stpcpy(to, lines->items[i]), "\"");
	}
	return to;
}

int object_write(const struct key *key, const struct seal *seal, const struct seal_made *made,
		 const struct secret *secret, struct buffer *ret, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	struct strings lines CLEANUP_STRINGS = { 0 };
	if (key_recipients(key, &lines, err) < 0)
		return -1;
	size_t len = strlen(TEXT_SEAL TEXT_VOLUME TEXT_KEY TEXT_SECRET TEXT_RECIPIENTS TEXT_END) +
		     strlen(seal->name) + strlen(made->volume_id) +
		     2 * secret_size(made->volume_key) + (secret ? 2 * secret_size(secret) : 0);
	for (size_t i = 0; i < lines.len; i++)
		len += strlen(lines.items[i]) + strlen(",\"\"");
	if (secret_new(len + 1, &text, err) < 0)
		return -1;
	char *begin = (char *)secret_data(text), *p = begin;
	p = stpcpy(stpcpy(p, TEXT_SEAL), seal->name);
	p = stpcpy(stpcpy(p, TEXT_VOLUME), made->volume_id);
	p = put_hex(stpcpy(p, TEXT_KEY), made->volume_key);
	if (secret)
		p = put_hex(stpcpy(p, TEXT_SECRET), secret);
	p = stpcpy(put_recipients(stpcpy(p, TEXT_RECIPIENTS), &lines), TEXT_END);
	secret_shorten(text, (size_t)(p - begin));
	return key_seal_object(key, text, ret, err);
}

/* ------------------------------------------------------------------ reading */

static int damaged(struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "what is in the key object is not as it has to be");
}

static bool take_word(struct bytes *b, const char *word)
{
	size_t len = strlen(word);
	if (bytes_left(b) < len || memcmp(b->data + b->off, word, len) != 0)
		return false;
	bytes_skip(b, len);
	return true;
}

/* Letters, digits and hyphens. */
static bool take_name(struct bytes *b, char *ret, size_t cap)
{
	size_t n = 0;
	while (bytes_left(b) && b->data[b->off] != '"') {
		char c = (char)bytes_u8(b);
		bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
		if (!good || n + 1 >= cap)
			return false;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n > 0;
}

/* The digit's value, or a number above 15, without looking anything up at a place that it names. */
static unsigned digit(unsigned c)
{
	unsigned is_number = (c - '0') < 10, is_letter = (c - 'a') < 6;
	return is_number * (c - '0') + is_letter * (c - 'a' + 10) +
	       (1 - is_number - is_letter) * 16;
}

static int take_hex(struct bytes *b, struct secret **ret, struct error **err)
{
	struct secret *out CLEANUP_SECRET = NULL;
	const uint8_t *begin = b->data + b->off;
	const uint8_t *end = memchr(begin, '"', bytes_left(b));
	size_t len = end ? (size_t)(end - begin) : 0;
	if (!len || len % 2 || len > 2 * (size_t)SECRET_MAX)
		return damaged(err);
	if (secret_new(len / 2, &out, err) < 0)
		return -1;
	unsigned bad = 0;
	for (size_t i = 0; i < len / 2; i++) {
		unsigned high = digit(begin[2 * i]), low = digit(begin[2 * i + 1]);
		bad |= high | low;
		secret_data(out)[i] = (unsigned char)(high << 4 | low);
	}
	if (bad > 15)
		return damaged(err);
	bytes_skip(b, len);
	*ret = take_pointer(&out);
	return 0;
}

/* What a line of a recipient is made of: keys in base64 or bech32, and blanks. */
static bool is_line_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr(" -+/=", c) != NULL;
}

static int take_line(struct bytes *b, struct strings *ret, struct error **err)
{
	const char *begin = (const char *)b->data + b->off;
	size_t len = 0;
	while (len < bytes_left(b) && begin[len] && is_line_character(begin[len]))
		len++;
	bytes_skip(b, len);
	if (!len || !take_word(b, "\""))
		return damaged(err);
	char *line = text_dup_len(begin, len, err);
	return line ? strings_take(ret, line, err) : -1;
}

static int take_recipients(struct bytes *b, struct strings *ret, struct error **err)
{
	if (!take_word(b, TEXT_RECIPIENTS))
		return damaged(err);
	while (take_word(b, ret->len ? ",\"" : "\""))
		if (take_line(b, ret, err) < 0)
			return -1;
	return take_word(b, TEXT_END) && !bytes_left(b) ? 0 : damaged(err);
}

static int parse(const struct secret *text, struct object_text *ret, struct error **err)
{
	struct image_opener *o = &ret->opener;
	struct bytes b = bytes_of(secret_bytes(text), secret_size(text));
	if (!take_word(&b, TEXT_SEAL) || !take_name(&b, o->seal, sizeof(o->seal)) ||
	    !take_word(&b, TEXT_VOLUME) || !take_name(&b, o->volume_id, sizeof(o->volume_id)) ||
	    !take_word(&b, TEXT_KEY))
		return damaged(err);
	if (take_hex(&b, &o->volume_key, err) < 0 ||
	    (take_word(&b, TEXT_SECRET) && take_hex(&b, &ret->secret, err) < 0))
		return -1;
	return take_recipients(&b, &ret->recipients, err);
}

void object_text_done(struct object_text *t)
{
	image_opener_done(&t->opener);
	secret_free(&t->secret);
	strings_free(&t->recipients);
}

static int load(const struct image *img, struct buffer *ret, struct error **err)
{
	const struct sif_descriptor *d = sif_key_object(img->sif, img->root->descriptor);
	return sif_object(img->file, d, SIF_KEY_OBJECT_MAX, ret, err);
}

int object_read(const struct image *img, const struct key *key, struct object_text *ret,
		struct error **err)
{
	struct buffer object CLEANUP_BUFFER = { 0 };
	struct secret *text CLEANUP_SECRET = NULL;
	int r = load(img, &object, err);
	if (r == 0)
		r = key_open_object(key, object.data, object.len, &text, err);
	if (r > 0 && (parse(text, ret, err) < 0 ||
		      key_count_object(object.data, object.len, &ret->stanzas, err) < 0))
		r = -1;
	return r < 0 ? error_wrap(err, "the image's key object") : r;
}

/* The secret in it is for people and other programs: it opens nothing that the key does not. */
int object_open(const struct image *img, const struct key *key, struct image_opener *ret,
		struct error **err)
{
	struct object_text text CLEANUP_OBJECT_TEXT = { 0 };
	int r = object_read(img, key, &text, err);
	if (r <= 0)
		return r;
	*ret = text.opener;
	text.opener = (struct image_opener){ 0 };
	return r;
}

int object_check(const struct image_opener *o, const struct seal_volume *volume, struct error **err)
{
	char id[SEAL_VOLUME_ID_MAX];
	const struct seal *seal = volume->seal;
	seal->identify(volume, id);
	bool own = !strcmp(o->seal, seal->name) && !strcmp(o->volume_id, id);
	if (own && (!seal->check || seal->check(volume, o->volume_key, err) == 0))
		return 0;
	if (!own)
		error_set(err, ERROR_DAMAGED, "the image's key object is that of another image");
	else
		error_wrap(err, "the image's key object");
	return error_hint(err, "somebody has exchanged it: get the image anew");
}

int object_check_list(const struct image *img, const struct object_text *text, struct error **err)
{
	if (text->stanzas == text->recipients.len)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "%s: its key object is for others than it names",
		  img->path);
	return error_hint(err, "another program has written it: `coffer rekey` makes an image for "
			       "those alone who are named by --recipient and the like");
}

int image_list_recipients(const struct image *img, struct buffer *ret, struct error **err)
{
	struct buffer object CLEANUP_BUFFER = { 0 };
	bool message = image_wrapped_key(img) != NULL;
	if (message && buffer_puts(ret, "RSA-OAEP, Apptainer's own message\n", err) < 0)
		return -1;
	if (!image_has_key_object(img) && message)
		return 0;
	if (!image_has_key_object(img)) {
		error_set(err, ERROR_NOT_FOUND, "%s names no recipients", img->path);
		return error_hint(err, image_is_encrypted(img)
					       ? "it was encrypted with a passphrase alone"
					       : "it is not encrypted");
	}
	if (load(img, &object, err) < 0 || key_list_object(object.data, object.len, ret, err) < 0)
		return error_wrap(err, "the key object of %s", img->path);
	return 0;
}
