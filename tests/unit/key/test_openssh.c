/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/openssh/openssh.h"

/* ssh-keygen makes the keys, openssl says what they are in DER. */

static int set_up(void **state)
{
	assert_int_equal(folder_make(state), 0);
	folder_shell("ssh-keygen -q -t rsa -b 2048 -N '' -f rsa && cp rsa pkcs1 && "
		     "ssh-keygen -q -p -N '' -m pem -f pkcs1");
	folder_shell("openssl rsa -in pkcs1 -traditional -outform DER -out private.der");
	folder_shell("openssl rsa -in pkcs1 -RSAPublicKey_out -outform DER -out public.der");
	folder_shell("ssh-keygen -q -t rsa -b 2048 -N letmein -f locked");
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
	assert_ok(key_openssh_private(pem.der, &der, err));
	is_file(der, "private.der");
	block("locked", &other);
	assert_fails(ERROR_UNSUPPORTED, key_openssh_private(other.der, &none, err));
	pem_done(&other);
	block("ed", &other);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(other.der, &none, err));
	pem_done(&other);
	/* Of a key of another kind the kind is what matters. */
	block("locked-ed", &other);
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(other.der, &none, err));
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
		assert_fails(ERROR_KEY_INVALID, key_openssh_private(cut, &der, err));
	}
	/* The two check numbers differ: it was not decrypted right. */
	struct secret *der = NULL;
	unsigned char *check = memmem(secret_data(pem.der) + 300, len - 300, "ssh-rsa", 7);
	assert_non_null(check);
	check[-8] ^= 1;
	assert_fails(ERROR_KEY_INVALID, key_openssh_private(pem.der, &der, err));
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
		cmocka_unit_test(private_keys),
		cmocka_unit_test(cut_keys),
		cmocka_unit_test(public_keys),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
