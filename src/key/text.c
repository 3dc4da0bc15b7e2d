/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files as people have them: the text is put in order before it is read as PEM.
 *
 * What is mended can be mended in one way only: a byte order mark, line ends of other systems or as
 * the two characters \n, indentation, and a whole block on one line, where it was stored in a
 * variable, a YAML or a JSON file. All of them leave the letters of the key alone. What would have
 * to be guessed is not mended, and named instead (key_text_refuse).
 *
 * The message in an image does not come this way: its form is fixed, and it is a stranger's.
 */
#include "key/internal.h"

#include <string.h>

struct writer {
	unsigned char *data;
	size_t len, cap;
};

static void put(struct writer *w, char c)
{
	/* key_text_clean has made room for the most that can come. */
	if (w->len < w->cap)
		w->data[w->len++] = (unsigned char)c;
}

/* Asked where a byte is out of the ordinary: the first one decides mostly. */
static inline bool at(const char *text, size_t len, const char *word)
{
	return len && *text == *word && len >= strlen(word) && !memcmp(text, word, strlen(word));
}

static void new_line(struct writer *w)
{
	if (w->len && w->data[w->len - 1] != '\n')
		put(w, '\n');
}

/* Of "\n", "\r", "\\n" and so on, as they stand in JSON and in variables; 0 where there is none. */
static size_t escape_len(const char *text, size_t len)
{
	size_t n = 0;
	if (!len || *text != '\\')
		return 0;
	while (n < len && text[n] == '\\')
		n++;
	return n && n < len && (text[n] == 'n' || text[n] == 'r') ? n + 1 : 0;
}

/* How many bytes there are before the first of `stops`, as most of a key's are ordinary ones. */
static size_t ordinary(const char *text, size_t len, const bool stops[256])
{
	size_t n = 0;
	while (n < len && !stops[(unsigned char)text[n]])
		n++;
	return n;
}

static void put_all(struct writer *w, const char *text, size_t len)
{
	if (len > w->cap - w->len)
		len = w->cap - w->len;
	memcpy(w->data + w->len, text, len);
	w->len += len;
}

/* Line ends become one newline each; byte order marks go; a blank that does not break is one. */
static void clean_bytes(const char *text, size_t len, struct writer *w)
{
	static const bool odd[256] = { [0xef] = true, [0xc2] = true, ['\\'] = true, ['\r'] = true };
	for (size_t i = 0, n; i < len; i++) {
		n = ordinary(text + i, len - i, odd);
		put_all(w, text + i, n);
		i += n;
		if (i == len)
			break;
		if (at(text + i, len - i, "\xef\xbb\xbf")) {
			i += 2;
		} else if (at(text + i, len - i, "\xc2\xa0")) {
			put(w, ' ');
			i++;
		} else if ((n = escape_len(text + i, len - i)) != 0) {
			i += n - 1;
			if (text[i] == 'n' || !escape_len(text + i + 1, len - i - 1))
				put(w, '\n');
		} else if (text[i] == '\r') {
			if (i + 1 == len || text[i + 1] != '\n')
				put(w, '\n');
		} else {
			put(w, text[i]);
		}
	}
}

/* The length of a rule ("-----BEGIN label-----") at the text's beginning, or 0. */
static size_t rule_len(const char *text, size_t len, const char *begin)
{
	if (!at(text, len, begin))
		return 0;
	size_t head = strlen(begin);
	size_t most = len - head < PEM_LABEL_MAX + strlen(PEM_RULE)
			      ? len - head
			      : PEM_LABEL_MAX + strlen(PEM_RULE);
	const char *end = memmem(text + head, most, PEM_RULE, strlen(PEM_RULE));
	if (!end || memchr(text, '\n', (size_t)(end - text)))
		return 0;
	return (size_t)(end - text) + strlen(PEM_RULE);
}

/* Whether a block's closing rule stands on the line of its opening one. */
static bool on_one_line(const char *body, size_t len)
{
	const char *end = memmem(body, len, PEM_END, strlen(PEM_END));
	return end && !memchr(body, '\n', (size_t)(end - body));
}

/* Rules stand on lines of their own, and no line begins with a blank. In a block on one line each
 * blank was the end of a line, but for those behind the colon of a header. */
static void clean_lines(const char *text, size_t len, struct writer *w)
{
	static const bool odd[256] = { ['-'] = true, [' '] = true, ['\t'] = true };
	bool one_line = false;
	for (size_t i = 0; i < len; i++) {
		size_t plain = ordinary(text + i, len - i, odd);
		put_all(w, text + i, plain);
		i += plain;
		if (i == len)
			break;
		bool begins = true;
		size_t rule = rule_len(text + i, len - i, PEM_BEGIN);
		if (!rule) {
			rule = rule_len(text + i, len - i, PEM_END);
			begins = false;
		}
		if (rule) {
			new_line(w);
			for (size_t j = 0; j < rule; j++)
				put(w, text[i + j]);
			i += rule;
			one_line = begins && on_one_line(text + i, len - i);
			while (i < len && (text[i] == ' ' || text[i] == '\t'))
				i++;
			/* The rule's own newline, or what stands on its line. */
			put(w, '\n');
			if (i == len || text[i] != '\n')
				i--;
			continue;
		}
		char c = text[i];
		bool blank = c == ' ' || c == '\t';
		bool fresh = !w->len || w->data[w->len - 1] == '\n';
		bool header = w->len && w->data[w->len - 1] == ':';
		if (blank && fresh)
			continue;
		if (blank && one_line && !header)
			c = '\n';
		put(w, c);
	}
}

int key_text_clean(const char *text, size_t len, struct secret **ret, struct error **err)
{
	struct secret *bytes CLEANUP_SECRET = NULL, *lines CLEANUP_SECRET = NULL;
	if (len > PEM_TEXT_MAX)
		return error_set(err, ERROR_KEY_INVALID, "more than %d bytes are no key",
				 PEM_TEXT_MAX);
	/* A rule has nine characters and more, and gets two newlines at most. */
	size_t cap = len + 2 * (len / strlen(PEM_END)) + 2;
	if (secret_new(len + 1, &bytes, err) < 0 || secret_new(cap, &lines, err) < 0)
		return -1;
	struct writer w = { .data = secret_data(bytes), .cap = len };
	clean_bytes(text, len, &w);
	struct writer v = { .data = secret_data(lines), .cap = cap - 1 };
	clean_lines((const char *)secret_bytes(bytes), w.len, &v);
	secret_shorten(lines, v.len + 1);
	*ret = take_pointer(&lines);
	return 0;
}

/* ------------------------------------------------------------------ what it is instead */

/* Other things that people take for a PEM key, by a word that is in them, and what to do. */
static const struct {
	const char *word, *what, *for_build, *for_run;
} others[] = {
	{ "PuTTY-User-Key-File-", "this is a key in PuTTY's form",
	  "make its public half with: puttygen FILE -O public-openssh -o NEW",
	  "convert it with: puttygen FILE -O private-openssh -o NEW" },
	{ "---- BEGIN SSH2 PUBLIC KEY ----", "this is a public key in the form of RFC 4716",
	  "convert it with: ssh-keygen -i -f FILE >NEW",
	  "give the private key that belongs to it" },
	{ "-----BEGIN PGP ", "this is an OpenPGP key, and an RSA key in PEM form is needed", NULL,
	  NULL },
	{ "AGE-SECRET-KEY-1", "this is an age key, and an RSA key is needed",
	  "give its public half, age1..., with --recipient", "give it with --identity" },
	{ "ssh-ed25519", "the key is not an RSA key", "give it with --recipient",
	  "give its private half with --identity" },
	{ "ecdsa-sha2-", "the key is not an RSA key", NULL, NULL },
	{ "sk-ssh-", "the key is not an RSA key", NULL, NULL },
	{ "ssh-dss", "the key is not an RSA key", NULL, NULL },
	{ OPENSSH_RSA "-cert-", "this is a certificate of OpenSSH's, and the key itself is needed",
	  "give the public key that it was made of, KEY.pub",
	  "give the private key that belongs to it" },
	{ OPENSSH_RSA, "no RSA key could be read in OpenSSH's line",
	  "it has the words ssh-rsa and AAAA..., with one blank between them",
	  "give the private key that belongs to it" },
	/* "ssh-rsa AAAA" */
	{ "c3NoLXJzYSBBQUFB", "OpenSSH's line is encoded once more, in base64",
	  "decode it with: base64 -d FILE >NEW", "give the private key that belongs to it" },
	{ "LS0tLS1CRUdJTi", "the PEM data is encoded once more, in base64",
	  "decode it with: base64 -d FILE >NEW", "decode it with: base64 -d FILE >NEW" },
	{ "BEGIN ",
	  "no PEM data: its line BEGIN is not as it has to be, with five hyphens on either side",
	  "put it back: -----BEGIN PUBLIC KEY----- for a public key of OpenSSL",
	  "put it back: -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----" },
};

/* Text of two bytes a character, as some shells write it with ">". */
static bool is_utf16(const char *text, size_t len)
{
	return at(text, len, "\xff\xfe") || at(text, len, "\xfe\xff") ||
	       (len >= 4 && text[0] == '-' && !text[1] && text[2] == '-' && !text[3]);
}

/* The row of `others` that the text is, or -1. */
static int find_other(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (memmem(text, len, others[i].word, strlen(others[i].word)))
			return (int)i;
	}
	return -1;
}

bool key_text_is_known(const char *text, size_t len)
{
	return is_utf16(text, len) || find_other(text, len) >= 0;
}

int key_text_refuse(const char *text, size_t len, enum key_use use, struct error **err)
{
	if (is_utf16(text, len)) {
		error_set(err, ERROR_KEY_INVALID, "the text is UTF-16, two bytes a character");
		return error_hint(err, "convert it with: iconv -f UTF-16 -t UTF-8 FILE >NEW");
	}
	int i = find_other(text, len);
	if (i < 0)
		return error_set(err, ERROR_KEY_INVALID, "no PEM data");
	error_set(err, ERROR_KEY_INVALID, "%s", others[i].what);
	const char *hint = use == KEY_FOR_BUILD ? others[i].for_build : others[i].for_run;
	return hint ? error_hint(err, "%s", hint) : -1;
}
