/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "crypto/crypto.h"

/* Ed25519: RFC 8032, 7.1, TEST 1 (an empty message) and TEST 2 (one byte), as PKCS#8 and RFC 8410.
 */
#define PKCS8 "302e020100300506032b657004220420"
#define SPKI "302a300506032b6570032100"
static const struct {
	const char *private, *public, *message, *signature;
} vectors[] = {
	{ PKCS8 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	  SPKI "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
	  "1c"
	  "f9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ PKCS8 "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	  SPKI "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
	  "d0"
	  "f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
};

static struct crypto_signer *load(const char *hex, enum crypto_signer_form form)
{
	uint8_t der[256];
	struct crypto_signer *s = NULL;
	size_t len = unhex(hex, der, sizeof(der));
	assert_ok(crypto_signer_from_der(der, len, form, &s, err));
	return s;
}

static void ed25519(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_SIGNER struct crypto_signer *private =
			load(vectors[i].private, CRYPTO_SIGNER_PRIVATE);
		CLEANUP_SIGNER struct crypto_signer *public =
			load(vectors[i].public, CRYPTO_SIGNER_PUBLIC);
		CLEANUP_SIGNER struct crypto_signer *other =
			load(vectors[1 - i].public, CRYPTO_SIGNER_PUBLIC);
		CLEANUP_BUFFER struct buffer signature = { 0 }, name = { 0 }, same = { 0 };
		uint8_t expected[64];
		size_t len = strlen(vectors[i].message);
		assert_int_equal(unhex(vectors[i].signature, expected, 64), 64);
		assert_ok(crypto_sign(private, CRYPTO_SHA256, vectors[i].message, len, &signature,
				      err));
		assert_int_equal(signature.len, 64);
		assert_memory_equal(signature.data, expected, 64);
		assert_ok(crypto_verify(public, CRYPTO_SHA256, vectors[i].message, len, expected,
					64, err));
		assert_fails(ERROR_KEY_WRONG,
			     crypto_verify(other, CRYPTO_SHA256, vectors[i].message, len, expected,
					   64, err));
		assert_fails(ERROR_KEY_WRONG,
			     crypto_verify(public, CRYPTO_SHA256, "x", 1, expected, 64, err));
		assert_fails(ERROR_KEY_WRONG,
			     crypto_verify(public, CRYPTO_SHA256, vectors[i].message, len, expected,
					   63, err));
		assert_fails(ERROR_INTERNAL,
			     crypto_sign(public, CRYPTO_SHA256, "", 0, &signature, err));
		assert_ok(crypto_signer_name(private, &name, err));
		assert_ok(crypto_signer_name(public, &same, err));
		assert_string_equal(name.data, same.data);
		assert_int_equal(name.len, 7 + 43);
	}
}

/* ECDSA over P-256 with SHA-256: RFC 6979, A.2.5, message "sample". */
static void ecdsa(void **state)
{
	(void)state;
	CLEANUP_SIGNER struct crypto_signer *public =
		load("3059301306072a8648ce3d020106082a8648ce3d03010703420004"
		     "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
		     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
		     CRYPTO_SIGNER_PUBLIC);
	uint8_t signature[72];
	size_t len =
		unhex("3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
		      "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		      signature, sizeof(signature));
	assert_ok(crypto_verify(public, CRYPTO_SHA256, "sample", 6, signature, len, err));
	assert_fails(ERROR_KEY_WRONG,
		     crypto_verify(public, CRYPTO_SHA512, "sample", 6, signature, len, err));
	signature[10] ^= 1;
	assert_fails(ERROR_KEY_WRONG,
		     crypto_verify(public, CRYPTO_SHA256, "sample", 6, signature, len, err));
}

static void no_keys(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"00",
		SPKI "d75a",
		/* X25519: no key that signs */
		"302a300506032b656e032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f7"
		"07511a",
		/* one byte behind it */
		SPKI "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t der[128];
		struct crypto_signer *s = NULL;
		size_t len = unhex(bad[i], der, sizeof(der));
		assert_fails(ERROR_KEY_INVALID,
			     crypto_signer_from_der(der, len, CRYPTO_SIGNER_PUBLIC, &s, err));
		assert_fails(ERROR_KEY_INVALID,
			     crypto_signer_from_der(der, len, CRYPTO_SIGNER_PRIVATE, &s, err));
	}
	CLEANUP_CERTIFICATES struct crypto_certificates *c = NULL;
	assert_ok(crypto_certificates_new(&c, err));
	assert_fails(ERROR_KEY_INVALID, crypto_certificates_add(c, "x", 1, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ed25519), cmocka_unit_test(ecdsa),
					    cmocka_unit_test(no_keys) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
