/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in OpenSSH's own forms: the line of a public key (RFC 4253, section 6.6; RFC 8709) and the
 * private key (PROTOCOL.key of OpenSSH). Both are numbers, each behind its length; of RSA keys
 * crypto/ makes DER.
 *
 * A protected private key is refused: what its key is derived with, bcrypt_pbkdf, no library of
 * ours has, and a cipher of one's own making is no place to keep keys in.
 */
#include "key/openssh/openssh.h"

#include <string.h>

/* A string of RFC 4251, section 5, in place. */
static bool take_string(struct bytes *b, struct bytes *ret)
{
	size_t len = (size_t)bytes_be(b, 4);
	const void *data = bytes_take(b, len);
	if (!data || !bytes_ok(b))
		return false;
	*ret = bytes_of(data, len);
	return true;
}

static bool is_text(const struct bytes *b, const char *text)
{
	return b->len == strlen(text) && !memcmp(b->data, text, b->len);
}

static int damaged(struct error **err)
{
	return error_set(err, ERROR_KEY_INVALID, "the OpenSSH key is damaged");
}

static bool is_end(const char *text, size_t len, size_t at)
{
	return at == len || text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || !text[at];
}

/* Where the base64 of the first RSA key begins, behind options or at a line's beginning; or NULL.
 */
static const char *find_line(const char *text, size_t len, size_t *ret_len)
{
	const char word[] = OPENSSH_RSA " ";
	size_t word_len = strlen(word), off = 0;
	const char *found;
	while ((found = memmem(text + off, len - off, word, word_len)) != NULL) {
		size_t begin = (size_t)(found - text) + word_len;
		bool alone = found == text || found[-1] == '\n' || found[-1] == ' ';
		size_t end = begin;
		while (!is_end(text, len, end))
			end++;
		if (alone && end > begin) {
			*ret_len = end - begin;
			return text + begin;
		}
		off = begin;
	}
	return NULL;
}

int key_openssh_public(const char *text, size_t len, struct secret **ret, struct error **err)
{
	struct secret *blob CLEANUP_SECRET = NULL;
	struct bytes type, numbers[2];
	size_t base64_len, blob_len;
	const char *base64 = find_line(text, len, &base64_len);
	if (!base64)
		return 0;
	if (secret_new(base64_decoded_max(base64_len), &blob, err) < 0)
		return -1;
	if (!base64_decode(base64, base64_len, false, secret_data(blob), &blob_len))
		return damaged(err);
	struct bytes b = bytes_of(secret_bytes(blob), blob_len);
	/* The exponent comes first here. */
	if (!take_string(&b, &type) || !is_text(&type, OPENSSH_RSA) ||
	    !take_string(&b, &numbers[1]) || !take_string(&b, &numbers[0]) || bytes_left(&b))
		return damaged(err);
	return crypto_rsa_encode(numbers, 2, ret, err) < 0 ? -1 : 1;
}

/* The frame of a private key. */
struct frame {
	struct bytes type;    /* "ssh-rsa" */
	bool protected;	      /* then there is no private half yet */
	struct bytes private; /* what follows the type in it */
};

/* What protects it: the one KDF that OpenSSH has, and how often it is run. */
static int check_cost(const struct bytes *kdf, struct bytes options, struct error **err)
{
	struct bytes salt;
	if (!is_text(kdf, OPENSSH_KDF) || !take_string(&options, &salt))
		return damaged(err);
	uint64_t rounds = bytes_be(&options, 4);
	if (!bytes_ok(&options) || bytes_left(&options) || !rounds)
		return damaged(err);
	if (rounds <= OPENSSH_ROUNDS_MAX)
		return 0;
	error_set(err, ERROR_LIMIT, "the OpenSSH key is protected with %llu rounds, more than %d",
		  (unsigned long long)rounds, OPENSSH_ROUNDS_MAX);
	return error_hint(err, "write a copy with fewer: cp FILE COPY && ssh-keygen -p -a 100 -f "
			       "COPY");
}

static int open_frame(const struct secret *blob, struct frame *ret, struct error **err)
{
	struct bytes b = bytes_of(secret_bytes(blob), secret_size(blob));
	struct bytes cipher, kdf, options, public, private, type;
	const void *magic = bytes_take(&b, sizeof(OPENSSH_MAGIC));
	if (!magic || memcmp(magic, OPENSSH_MAGIC, sizeof(OPENSSH_MAGIC)) != 0 ||
	    !take_string(&b, &cipher) || !take_string(&b, &kdf) || !take_string(&b, &options) ||
	    bytes_be(&b, 4) != 1 || !take_string(&b, &public) || !take_string(&b, &private))
		return damaged(err);
	/* What kind of key it is stands in its public half, in clear. */
	if (!take_string(&public, &ret->type))
		return damaged(err);
	ret->protected = !is_text(&cipher, "none");
	if (ret->protected)
		return check_cost(&kdf, options, err);
	/* The same number twice: whoever decrypts sees by that whether it went well. */
	uint64_t check = bytes_be(&private, 4);
	if (bytes_be(&private, 4) != check || !take_string(&private, &type) ||
	    type.len != ret->type.len || memcmp(type.data, ret->type.data, type.len) != 0)
		return damaged(err);
	ret->private = private;
	return 0;
}

/* 1 with *ret_private, which lies in the blob or in *plain (the caller's); 0: another kind; -1. */
static int open_kind(const struct key_request *request, const char *origin, const char *kind,
		     const struct secret *blob, struct secret **plain, struct bytes *ret_private,
		     struct error **err)
{
	struct frame frame;
	if (open_frame(blob, &frame, err) < 0)
		return -1;
	if (!is_text(&frame.type, kind))
		return 0;
	if (frame.protected) {
		if (key_openssh_unprotect(request, origin, blob, plain, err) < 0 ||
		    open_frame(*plain, &frame, err) < 0)
			return -1;
		if (frame.protected || !is_text(&frame.type, kind))
			return damaged(err);
	}
	*ret_private = frame.private;
	return 1;
}

int key_openssh_private(const struct key_request *request, const char *origin,
			const struct secret *blob, struct secret **ret, struct error **err)
{
	struct secret *plain CLEANUP_SECRET = NULL;
	struct bytes private, comment;
	/* As they stand in the file; the last two are the primes. */
	struct bytes n, e, d, inverse, p, q;
	int r = open_kind(request, origin, OPENSSH_RSA, blob, &plain, &private, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERROR_KEY_INVALID, "the key is not an RSA key");
	if (!take_string(&private, &n) || !take_string(&private, &e) ||
	    !take_string(&private, &d) || !take_string(&private, &inverse) ||
	    !take_string(&private, &p) || !take_string(&private, &q) ||
	    !take_string(&private, &comment))
		return damaged(err);
	const struct bytes numbers[] = { n, e, d, p, q, inverse };
	return crypto_rsa_encode(numbers, sizeof(numbers) / sizeof(numbers[0]), ret, err);
}

/* ------------------------------------------------------------------ as age's recipients */

int key_openssh_ed25519(const struct key_request *request, const char *origin,
			const struct secret *blob, struct age_key **ret, struct error **err)
{
	struct secret *plain CLEANUP_SECRET = NULL, *seed CLEANUP_SECRET = NULL;
	struct bytes private, point, both;
	int r = open_kind(request, origin, OPENSSH_ED25519, blob, &plain, &private, err);
	if (r <= 0)
		return r;
	/* The seed, and the public half once more. */
	if (!take_string(&private, &point) || point.len != CRYPTO_X25519_LEN ||
	    !take_string(&private, &both) || both.len != (size_t)2 * CRYPTO_X25519_LEN)
		return damaged(err);
	if (secret_copy(both.data, CRYPTO_X25519_LEN, &seed, err) < 0)
		return -1;
	return age_key_ssh_ed25519(point.data, seed, ret, err) < 0 ? -1 : 1;
}

static int rsa_of_line(struct bytes *b, struct age_key **ret, struct error **err)
{
	struct secret *der CLEANUP_SECRET = NULL;
	struct crypto_rsa *rsa = NULL;
	struct bytes numbers[2];
	if (!take_string(b, &numbers[1]) || !take_string(b, &numbers[0]) || bytes_left(b))
		return damaged(err);
	if (crypto_rsa_encode(numbers, 2, &der, err) < 0 ||
	    crypto_rsa_from_der(secret_bytes(der), secret_size(der), CRYPTO_RSA_PUBLIC, &rsa, err) <
		    0)
		return -1;
	int r = age_key_ssh_rsa(&rsa, CRYPTO_RSA_PUBLIC, ret, err);
	crypto_rsa_free(&rsa);
	return r;
}

int key_openssh_line(const char *line, size_t len, struct age_key **ret, struct error **err)
{
	struct buffer blob CLEANUP_BUFFER = { 0 };
	struct bytes type, point;
	size_t blob_len, begin = 0, end;
	while (begin < len && line[begin] != ' ' && line[begin] != '\t')
		begin++;
	while (begin < len && (line[begin] == ' ' || line[begin] == '\t'))
		begin++;
	for (end = begin; !is_end(line, len, end);)
		end++;
	char *to = buffer_reserve(&blob, base64_decoded_max(end - begin), err);
	if (!to)
		return -1;
	if (!base64_decode(line + begin, end - begin, false, to, &blob_len))
		return damaged(err);
	struct bytes b = bytes_of(to, blob_len);
	/* What stands before the base64 is for people; the type stands in it. */
	if (!take_string(&b, &type))
		return damaged(err);
	if (is_text(&type, OPENSSH_RSA))
		return rsa_of_line(&b, ret, err);
	if (!is_text(&type, OPENSSH_ED25519)) {
		error_set(err, ERROR_UNSUPPORTED,
			  "a key of OpenSSH's that is neither ssh-ed25519 nor ssh-rsa");
		return error_hint(err, "make one that is: ssh-keygen -t ed25519");
	}
	if (!take_string(&b, &point) || point.len != CRYPTO_X25519_LEN || bytes_left(&b))
		return damaged(err);
	return age_key_ssh_ed25519(point.data, NULL, ret, err);
}
