/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "key/internal.h"

#define FRAME "-----BEGIN X Y-----\nZm9v\nYmFy\n-----END X Y-----\n"

static void what_is_mended(void **state)
{
	(void)state;
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{ FRAME, FRAME },
		{ "\xef\xbb\xbf" FRAME, FRAME },
		{ "a\n\xef\xbb\xbf" FRAME, "a\n" FRAME },
		{ "-----BEGIN X Y-----\r\nZm9v\r\nYmFy\r\n-----END X Y-----\r\n", FRAME },
		{ "-----BEGIN X Y-----\rZm9v\rYmFy\r-----END X Y-----\r", FRAME },
		{ "  -----BEGIN X Y-----\n\tZm9v\n  \tYmFy\n    -----END X Y-----\n", FRAME },
		{ "-----BEGIN X Y----- Zm9v YmFy -----END X Y----- ", FRAME },
		{ "-----BEGIN X Y-----Zm9v\tYmFy-----END X Y-----", FRAME },
		{ "-----BEGIN X Y-----\\nZm9v\\nYmFy\\n-----END X Y-----\\n", FRAME },
		{ "-----BEGIN X Y-----\\r\\nZm9v\\\\nYmFy\\n-----END X Y-----", FRAME },
		{ "{\"key\": \"-----BEGIN X Y-----\\nZm9v\\nYmFy\\n-----END X Y-----\\n\"}",
		  "{\"key\": \"\n" FRAME "\"}" },
		{ "-----BEGIN X Y-----\n\xc2\xa0Zm9v\nYmFy\n-----END X Y-----", FRAME },
		/* Headers keep the blank behind their colon. */
		{ "-----BEGIN K----- Proc-Type: 4,ENCRYPTED DEK-Info: A,00 Zm9v -----END K-----",
		  "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,00\nZm9v\n"
		  "-----END K-----\n" },
		/* What only looks like a rule is left as it is. */
		{ "the -----BEGIN of it\nand -----END\n", "the -----BEGIN of it\nand -----END\n" },
		{ "\\x \\ \\", "\\x \\ \\" },
		{ "", "" },
		/* As many rules as there can be. */
		{ "-----END -----"
		  "-----END -----"
		  "-----END -----",
		  "-----END -----\n-----END -----\n-----END -----\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret *clean CLEANUP_SECRET = NULL;
		assert_ok(key_text_clean(cases[i].text, strlen(cases[i].text), &clean, err));
		assert_string_equal((const char *)secret_bytes(clean), cases[i].clean);
		assert_int_equal(secret_size(clean), strlen(cases[i].clean) + 1);
	}
	static char large[PEM_TEXT_MAX + 1];
	struct secret *clean = NULL;
	assert_fails(ERROR_KEY_INVALID, key_text_clean(large, sizeof(large), &clean, err));
}

static void what_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
		enum key_use use;
		const char *words, *hint;
	} cases[] = {
#define TEXT(t) t, sizeof(t) - 1
		{ TEXT("\xff\xfe-\0-\0-"), KEY_FOR_RUN, "UTF-16", "iconv -f UTF-16" },
		{ TEXT("-\0-\0-\0"), KEY_FOR_RUN, "UTF-16", "iconv -f UTF-16" },
		{ TEXT("PuTTY-User-Key-File-3: ssh-rsa\n"), KEY_FOR_RUN, "PuTTY",
		  "puttygen FILE -O private-openssh" },
		{ TEXT("PuTTY-User-Key-File-3: ssh-rsa\n"), KEY_FOR_BUILD, "PuTTY",
		  "puttygen FILE -O public-openssh" },
		{ TEXT("---- BEGIN SSH2 PUBLIC KEY ----\n"), KEY_FOR_BUILD, "RFC 4716",
		  "ssh-keygen -i -f FILE" },
		{ TEXT("---- BEGIN SSH2 PUBLIC KEY ----\n"), KEY_FOR_RUN, "RFC 4716",
		  "private key" },
		{ TEXT("AGE-SECRET-KEY-1QQQ"), KEY_FOR_RUN, "age key", NULL },
		{ TEXT("ssh-ed25519 AAAA a@b"), KEY_FOR_BUILD, "not an RSA key", NULL },
		{ TEXT("sk-ssh-x@openssh.com AAAA"), KEY_FOR_BUILD, "not an RSA key", NULL },
		{ TEXT("ssh-dss AAAA a@b"), KEY_FOR_BUILD, "not an RSA key", NULL },
		{ TEXT("ssh-rsa-cert-v01@openssh.com AAAA"), KEY_FOR_BUILD,
		  "certificate of OpenSSH's", "KEY.pub" },
		{ TEXT("ssh-rsa\tAAAA"), KEY_FOR_BUILD, "OpenSSH's line", "one blank" },
		{ TEXT("c3NoLXJzYSBBQUFBQjN"), KEY_FOR_BUILD, "once more", "base64 -d FILE" },
		{ TEXT("LS0tLS1CRUdJTiBY"), KEY_FOR_RUN, "once more", "base64 -d FILE" },
		{ TEXT("\xe2\x80\x94"
		       "BEGIN RSA PRIVATE KEY\xe2\x80\x94\n"),
		  KEY_FOR_RUN, "five hyphens", "-----BEGIN RSA PRIVATE KEY-----" },
		{ TEXT("anything"), KEY_FOR_RUN, "no PEM data", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error *err CLEANUP_ERROR = NULL;
		assert_int_equal(key_text_is_known(cases[i].text, cases[i].len),
				 strcmp(cases[i].words, "no PEM data") != 0);
		assert_true(key_text_refuse(cases[i].text, cases[i].len, cases[i].use, &err) < 0);
		assert_int_equal(error_kind(err), ERROR_KEY_INVALID);
		const char *hint = error_hint_text(err);
		if (!strstr(error_message(err), cases[i].words) ||
		    (cases[i].hint && (!hint || !strstr(hint, cases[i].hint))))
			fail_msg("case %zu: %s (%s)", i, error_message(err),
				 hint ? hint : "no hint");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_mended),
		cmocka_unit_test(what_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
