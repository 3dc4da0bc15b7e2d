/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/openssh/openssh.h"

/* ssh-keygen makes the keys, openssl says what they are in DER. */

static int asked;

static int answer(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	asked++;
	assert_string_equal(prompt, "Enter passphrase of it: ");
	return context ? secret_copy(context, strlen(context), ret, err) : 0;
}

static struct key_request with(const char *passphrase)
{
	return (struct key_request){ .ask = answer, .ask_context = (void *)passphrase };
}

static const struct key_request alone; /* nobody to ask */

static int set_up(void **state)
{
	assert_int_equal(folder_make(state), 0);
	folder_shell("ssh-keygen -q -t rsa -b 2048 -N '' -f rsa && cp rsa pkcs1 && "
		     "ssh-keygen -q -p -N '' -m pem -f pkcs1");
	folder_shell("openssl rsa -in pkcs1 -traditional -outform DER -out private.der");
	folder_shell("openssl rsa -in pkcs1 -RSAPublicKey_out -outform DER -out public.der");
	folder_shell("cp rsa locked && ssh-keygen -q -p -N letmein -f locked");
	folder_shell("cp rsa gcm && ssh-keygen -q -p -N letmein -Z aes256-gcm@openssh.com -f gcm");
	folder_shell("ssh-keygen -q -t ed25519 -N '' -f ed");
	folder_shell("ssh-keygen -q -t ed25519 -N letmein -f locked-ed");
	return 0;
}

static void block(const char *name, struct pem *ret)
{
	struct buffer text CLEANUP_BUFFER = folder_load(name);
	assert_ok(pem_parse(text.data, text.len, ret, err));
	assert_string_equal(ret->label, OPENSSH_LABEL);
}

static void is_file(const struct secret *der, const char *name)
{
	struct buffer want CLEANUP_BUFFER = folder_load(name);
	assert_int_equal(secret_size(der), want.len);
	assert_memory_equal(secret_bytes(der), want.data, want.len);
}

static void private_keys(void **state)
{
	(void)state;
	struct pem pem CLEANUP_PEM = { 0 }, other CLEANUP_PEM = { 0 };
	struct secret *der CLEANUP_SECRET = NULL, *none = NULL;
	block("rsa", &pem);
	assert_ok(key_openssh_private(&alone, "it", pem.der, &der, err));
	is_file(der, "private.der");
	block("locked", &other);
	assert_fails(ERROR_KEY_MISSING, key_openssh_private(&alone, "it", other.der, &none, err));
	pem_done(&other);
	block("ed", &other);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(&alone, "it", other.der, &none, err));
	pem_done(&other);
	/* Of a key of another kind the kind is what matters. */
	block("locked-ed", &other);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(&alone, "it", other.der, &none, err));
}

/* Whichever cipher it has: ssh-keygen opens it. */
static void protected_keys(void **state)
{
	(void)state;
	static const char *const names[] = { "locked", "gcm" };
	for (size_t i = 0; i < 2; i++) {
		const struct key_request good = with("letmein"), bad = with("letmeIn"),
					 none = with(NULL), lines = with("letmein\nx"),
					 end = with("letmein\r");
		struct secret *der CLEANUP_SECRET = NULL, *not = NULL;
		struct pem pem CLEANUP_PEM = { 0 };
		block(names[i], &pem);
		asked = 0;
		assert_ok(key_openssh_private(&good, "it", pem.der, &der, err));
		assert_int_equal(asked, 1);
		is_file(der, "private.der");
		assert_fails(ERROR_KEY_WRONG, key_openssh_private(&bad, "it", pem.der, &not, err));
		assert_fails(ERROR_KEY_WRONG,
			     key_openssh_private(&lines, "it", pem.der, &not, err));
		assert_fails(ERROR_KEY_WRONG, key_openssh_private(&end, "it", pem.der, &not, err));
		assert_fails(ERROR_KEY_MISSING,
			     key_openssh_private(&none, "it", pem.der, &not, err));
	}
	struct pem pem CLEANUP_PEM = { 0 };
	struct age_key *ed CLEANUP_AGE_KEY = NULL;
	const struct key_request good = with("letmein");
	block("locked-ed", &pem);
	struct error *err CLEANUP_ERROR = NULL;
	assert_int_equal(key_openssh_ed25519(&good, "it", pem.der, &ed, &err), 1);
	assert_true(age_key_is_identity(ed));
}

/* Its cost, and another derivation: before anybody is asked. */
static void dear_keys(void **state)
{
	(void)state;
	static const uint8_t million[] = { 0, 15, 66, 64 }, zero[4];
	const struct key_request good = with("letmein");
	struct secret *none = NULL;
	struct pem pem CLEANUP_PEM = { 0 };
	block("locked", &pem);
	uint8_t *kdf = memmem(secret_data(pem.der), 64, OPENSSH_KDF, 6);
	assert_non_null(kdf);
	asked = 0;
	/* Behind the name the options: their length, and a salt of 16 bytes. */
	memcpy(kdf + 6 + 4 + 4 + 16, million, 4);
	assert_fails(ERROR_LIMIT, key_openssh_private(&good, "it", pem.der, &none, err));
	memcpy(kdf + 6 + 4 + 4 + 16, zero, 4);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(&good, "it", pem.der, &none, err));
	memcpy(kdf + 6 + 4 + 4 + 16, "\0\0\0\20", 4);
	memcpy(kdf, "scrypt", 6);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(&good, "it", pem.der, &none, err));
	assert_int_equal(asked, 0);
}

/* Cut anywhere but in the comment and the padding behind it, it is refused. */
static void cut_keys(void **state)
{
	(void)state;
	struct pem pem CLEANUP_PEM = { 0 };
	block("rsa", &pem);
	size_t len = secret_size(pem.der);
	for (size_t i = 1; i < len; i++) {
		struct secret *cut CLEANUP_SECRET = NULL, *der = NULL;
		assert_ok(secret_copy(secret_bytes(pem.der), i, &cut, err));
		assert_fails(ERROR_KEY_INVALID, key_openssh_private(&alone, "it", cut, &der, err));
	}
	/* The two check numbers differ: it was not decrypted right. */
	struct secret *der = NULL;
	unsigned char *check = memmem(secret_data(pem.der) + 300, len - 300, "ssh-rsa", 7);
	assert_non_null(check);
	check[-8] ^= 1;
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(&alone, "it", pem.der, &der, err));
}

static int public_of(const char *text, struct secret **ret, struct error **err)
{
	return key_openssh_public(text, strlen(text), ret, err);
}

static void public_keys(void **state)
{
	(void)state;
	struct buffer line CLEANUP_BUFFER = folder_load("rsa.pub"),
			   ed CLEANUP_BUFFER = folder_load("ed.pub");
	line.data[line.len] = ed.data[ed.len] = 0;
	static const char *const frames[] = { "%s", "# keys\n%s", "from=\"10.0.0.0/8\" %s",
					      "ssh-rsa \nx-ssh-rsa AAAA\n%s" };
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct secret *der CLEANUP_SECRET = NULL;
		char *text CLEANUP_TEXT = NULL;
		const char *percent = strchr(frames[i], '%');
		assert_true(asprintf(&text, "%.*s%s%s", (int)(percent - frames[i]), frames[i],
				     line.data, ed.data) > 0);
		assert_int_equal(public_of(text, &der, &(struct error *){ NULL }), 1);
		is_file(der, "public.der");
	}
	struct secret *none = NULL;
	assert_int_equal(public_of(ed.data, &none, &(struct error *){ NULL }), 0);
	static const char *const bad[] = { "ssh-rsa !", "ssh-rsa AAAA", "ssh-rsa AAAAB3NzaC1yc2E=",
					   "ssh-rsa AAAAC3NzaC1lZDI1NTE5" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(ERROR_KEY_INVALID, public_of(bad[i], &none, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_keys), cmocka_unit_test(protected_keys),
		cmocka_unit_test(dear_keys),	cmocka_unit_test(cut_keys),
		cmocka_unit_test(public_keys),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
