/* SPDX-License-Identifier: Apache-2.0 */
/* Files of age's, with Debian's age as the witness: it opens ours, and ours opens its. */
#include "folder.h"

#include "age/internal.h"

#define KEYS 4
static struct age_key *identities[KEYS], *recipients[KEYS];
static const char words[] = "what nobody else shall read\n";

/* The keys are age's and OpenSSH's own: what is read of them here is the least that will do, as
 * reading them is the business of key/. */
static struct secret *openssh_seed(const char *name, uint8_t *ret_point)
{
	struct secret *seed = NULL;
	struct buffer text CLEANUP_BUFFER = folder_load(name), raw CLEANUP_BUFFER = { 0 };
	const char *begin = strchr(text.data, '\n') + 1, *end = strstr(begin, "-----END");
	size_t len;
	struct error *failed = NULL;
	char *to = buffer_reserve(&raw, base64_decoded_max((size_t)(end - begin)), &failed);
	assert_non_null(to);
	assert_true(base64_decode(begin, (size_t)(end - begin), true, to, &len));
	/* The last "ssh-ed25519" is followed by the point and seed || point. */
	char *type = NULL;
	for (char *p = to; (p = memmem(p, len - (size_t)(p - to), "ssh-ed25519", 11)) != NULL; p++)
		type = p;
	assert_non_null(type);
	memcpy(ret_point, type + 11 + 4, CRYPTO_X25519_LEN);
	assert_ok(secret_copy(type + 11 + 4 + 32 + 4, CRYPTO_X25519_LEN, &seed, err));
	return seed;
}

static void load_rsa(const char *name, enum crypto_rsa_form form, struct age_key **ret)
{
	struct buffer der CLEANUP_BUFFER = folder_load(name);
	struct crypto_rsa *rsa = NULL;
	assert_ok(crypto_rsa_from_der(der.data, der.len, form, &rsa, err));
	assert_ok(age_key_ssh_rsa(&rsa, form, ret, err));
}

static int set_up(void **state)
{
	uint8_t point[CRYPTO_X25519_LEN];
	struct secret *passphrase CLEANUP_SECRET = NULL;
	assert_int_equal(folder_make(state), 0);
	folder_shell("age-keygen -o native >/dev/null && age-keygen -y native | tr -d '\\n' "
		     ">native.pub");
	folder_shell("tail -1 native | tr -d '\\n' >native.line");
	folder_shell("ssh-keygen -q -t ed25519 -N '' -f ed");
	folder_shell("ssh-keygen -q -t rsa -b 2048 -m pem -N '' -f rsa");
	folder_shell("openssl rsa -in rsa -traditional -outform DER -out rsa.private");
	folder_shell("openssl rsa -in rsa -pubout -outform DER -out rsa.public");
	struct buffer line CLEANUP_BUFFER = folder_load("native.line");
	struct buffer public CLEANUP_BUFFER = folder_load("native.pub");
	assert_ok(age_key_from_text(line.data, line.len, &identities[0], err));
	assert_ok(age_key_from_text(public.data, public.len, &recipients[0], err));
	struct secret *seed CLEANUP_SECRET = openssh_seed("ed", point);
	assert_ok(age_key_ssh_ed25519(point, seed, &identities[1], err));
	assert_ok(age_key_ssh_ed25519(point, NULL, &recipients[1], err));
	load_rsa("rsa.private", CRYPTO_RSA_PRIVATE, &identities[2]);
	load_rsa("rsa.public", CRYPTO_RSA_PUBLIC, &recipients[2]);
	assert_ok(secret_copy("the passphrase", 14, &passphrase, err));
	assert_ok(age_key_passphrase(passphrase, 10, &identities[3], err));
	assert_ok(age_key_passphrase(passphrase, 10, &recipients[3], err));
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < KEYS; i++) {
		age_key_free(&identities[i]);
		age_key_free(&recipients[i]);
	}
	return folder_remove(state);
}

static struct buffer sealed_for(size_t first, size_t count, const char *text)
{
	struct buffer b = { 0 };
	struct secret *secret CLEANUP_SECRET = NULL;
	assert_ok(secret_copy(text, strlen(text), &secret, err));
	assert_ok(age_seal(recipients + first, count, secret, &b, err));
	return b;
}

static void assert_opens(const struct buffer *file, struct age_key *key)
{
	struct secret *got CLEANUP_SECRET = NULL;
	assert_ok(age_open(file->data, file->len, &key, 1, 1000, &got, err));
	assert_int_equal(secret_size(got), strlen(words));
	assert_memory_equal(secret_bytes(got), words, strlen(words));
}

static void theirs_opens(void **state)
{
	(void)state;
	folder_save("words", words, strlen(words));
	folder_shell("age -R native.pub -R ed.pub -R rsa.pub -o all words");
	struct buffer file CLEANUP_BUFFER = folder_load("all");
	for (size_t i = 0; i < 3; i++)
		assert_opens(&file, identities[i]);
	struct secret *got = NULL;
	assert_fails(ERROR_KEY_WRONG,
		     age_open(file.data, file.len, &identities[3], 1, 1000, &got, err));
	/* And which of several. */
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	struct secret *key CLEANUP_SECRET = NULL;
	struct age_key *const two[] = { identities[3], identities[1] };
	size_t which = 9;
	assert_ok(age_read(file.data, file.len, &f, err));
	assert_ok(age_unwrap(f, two, 2, &which, &key, err));
	assert_int_equal(which, 1);
}

static void they_open_ours(void **state)
{
	(void)state;
	struct buffer file CLEANUP_BUFFER = sealed_for(0, 3, words);
	folder_save("ours", file.data, file.len);
	folder_save("words", words, strlen(words));
	folder_shell("for i in native ed rsa; do age -d -i $i ours | cmp - words || exit 1; done");
}

/* age takes a passphrase from a terminal alone: there it is opened by ours, made by ours. */
static void passphrase(void **state)
{
	(void)state;
	struct buffer file CLEANUP_BUFFER = sealed_for(3, 1, words);
	assert_opens(&file, identities[3]);
	struct buffer both = { 0 };
	struct secret *text CLEANUP_SECRET = NULL;
	assert_ok(secret_copy("x", 1, &text, err));
	assert_fails(ERROR_KEY_INVALID, age_seal(recipients + 2, 2, text, &both, err));
	assert_int_equal(both.len, 0);
}

static void listed(void **state)
{
	(void)state;
	struct buffer file CLEANUP_BUFFER = sealed_for(0, 3, words), text CLEANUP_BUFFER = { 0 };
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	assert_ok(age_read(file.data, file.len, &f, err));
	assert_int_equal(age_stanza_count(f), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_ok(age_stanza_describe(f, i, &text, err));
		assert_ok(buffer_puts(&text, "\n", err));
	}
	folder_save("list", text.data, text.len);
	folder_shell("{ echo X25519; for i in ed rsa; do set -- $(ssh-keygen -l -f $i.pub); "
		     "printf 'ssh-%s %.12s...\\n' $([ $i = ed ] && echo ed25519 || echo rsa) $2; "
		     "done; } "
		     ">want; cmp list want");
}

/* Whatever one bit is changed to: refused, and never another text. */
static void every_bit_counts(void **state)
{
	(void)state;
	struct buffer file CLEANUP_BUFFER = sealed_for(0, 1, words);
	for (size_t i = 0; i < file.len * 8; i += 3) {
		struct secret *got = NULL;
		struct error *why CLEANUP_ERROR = NULL;
		file.data[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(age_open(file.data, file.len, identities, 1, 1000, &got, &why),
				 -1);
		assert_null(got);
		assert_true(error_kind(why) == ERROR_DAMAGED ||
			    error_kind(why) == ERROR_KEY_WRONG ||
			    error_kind(why) == ERROR_UNSUPPORTED);
		file.data[i / 8] ^= (char)(1 << i % 8);
	}
	assert_opens(&file, identities[0]);
	for (size_t len = 0; len < file.len; len++) {
		/* As long as it says, so that a sanitizer sees a read behind it. */
		char *cut = malloc(len + 1);
		struct secret *got = NULL;
		assert_non_null(cut);
		memcpy(cut, file.data, len);
		assert_fails(ERROR_DAMAGED, age_open(cut, len, identities, 1, 1000, &got, err));
		free(cut);
	}
}

/* Headers that are over a limit end in bounded time, before any key is tried. */
static void limits(void **state)
{
	(void)state;
	struct buffer b CLEANUP_BUFFER = { 0 };
	struct age_file *f = NULL;
	assert_ok(buffer_puts(&b, AGE_VERSION_LINE "\n", err));
	for (int i = 0; i < 10000; i++)
		assert_ok(buffer_puts(&b, "-> grease\n\n", err));
	assert_fails(ERROR_LIMIT, age_read(b.data, b.len, &f, err));
	b.len = strlen(AGE_VERSION_LINE "\n");
	assert_ok(buffer_puts(&b, "-> ", err));
	for (int i = 0; i < 1 << 20; i++)
		assert_ok(buffer_puts(&b, "x", err));
	assert_ok(buffer_puts(&b, "\n\n--- ", err));
	assert_fails(ERROR_LIMIT, age_read(b.data, b.len, &f, err));
	b.len = strlen(AGE_VERSION_LINE "\n");
	assert_ok(buffer_puts(&b, "-> x\n", err));
	for (int i = 0; i < 1000; i++)
		assert_ok(buffer_puts(
			&b, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
			err));
	assert_fails(ERROR_LIMIT, age_read(b.data, b.len, &f, err));
}

/* A file that costs years to open is none. */
static void work_factor(void **state)
{
	static const struct {
		const char *work;
		enum error_kind kind;
	} rows[] = {
		{ "23", ERROR_LIMIT },
		{ "40", ERROR_LIMIT },
		{ "99999999999999999999", ERROR_LIMIT },
		{ "0", ERROR_DAMAGED },
		{ "010", ERROR_DAMAGED },
		{ "+9", ERROR_DAMAGED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer b CLEANUP_BUFFER = { 0 };
		struct secret *got = NULL;
		assert_ok(buffer_printf(&b, err,
					AGE_VERSION_LINE
					"\n-> scrypt rF0/NwblUHHTpgQgRpe5CQ %s\n"
					"qW9eVsT0NVb/Vswtw8kPIxUnaYmm9Px1dYmq2+4+qZA\n"
					"--- 38TpQMxQRRNMfmYYpBX6DDrPx4/QY5UmJnhPyVoX/cw\n"
					"0123456789abcdef0123456789abcdef",
					rows[i].work));
		assert_fails(rows[i].kind,
			     age_open(b.data, b.len, &identities[3], 1, 1000, &got, err));
	}
}

/* One private RSA key is not made to work for ever. */
static void rsa_tries(void **state)
{
	(void)state;
	struct buffer one CLEANUP_BUFFER = sealed_for(2, 1, words), b CLEANUP_BUFFER = { 0 };
	struct secret *got = NULL;
	const char *begin = strchr(one.data, '\n') + 1, *end = strstr(begin, AGE_MAC_PREFIX);
	assert_ok(buffer_puts(&b, AGE_VERSION_LINE "\n", err));
	for (int i = 0; i < 100; i++) {
		assert_ok(buffer_append(&b, begin, (size_t)(end - begin), err));
		/* Another body. */
		b.data[b.len - 100] = b.data[b.len - 100] == 'A' ? 'B' : 'A';
	}
	assert_ok(buffer_append(&b, end, one.len - (size_t)(end - one.data), err));
	assert_fails(ERROR_LIMIT, age_open(b.data, b.len, &identities[2], 1, 1000, &got, err));
}

/* Several chunks of theirs; more than is wanted; a last chunk that is too short for its tag, which
 * once was written behind the room for the text. */
static void chunks(void **state)
{
	(void)state;
	folder_shell("head -c 200000 /dev/zero >zeros && age -R native.pub -o long zeros");
	struct buffer file CLEANUP_BUFFER = folder_load("long");
	struct secret *got CLEANUP_SECRET = NULL;
	assert_ok(age_open(file.data, file.len, identities, 1, 200000, &got, err));
	assert_int_equal(secret_size(got), 200000);
	secret_free(&got);
	assert_fails(ERROR_LIMIT, age_open(file.data, file.len, identities, 1, 199999, &got, err));
	/* Three whole chunks and the beginning of the fourth. */
	size_t head = file.len - (200000 + 4 * CRYPTO_CHACHA_TAG_LEN);
	for (size_t more = 0; more <= CRYPTO_CHACHA_TAG_LEN; more++)
		assert_fails(ERROR_DAMAGED,
			     age_open(file.data,
				      head + 3 * (AGE_CHUNK_LEN + CRYPTO_CHACHA_TAG_LEN) + more,
				      identities, 1, 200000, &got, err));
	assert_null(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(theirs_opens),	    cmocka_unit_test(they_open_ours),
		cmocka_unit_test(passphrase),	    cmocka_unit_test(listed),
		cmocka_unit_test(every_bit_counts), cmocka_unit_test(limits),
		cmocka_unit_test(work_factor),	    cmocka_unit_test(rsa_tries),
		cmocka_unit_test(chunks),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
