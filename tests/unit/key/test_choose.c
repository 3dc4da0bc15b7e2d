/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/key.h"

#define PATH_VARIABLE "APPTAINER_ENCRYPTION_PEM_PATH"
#define DATA_VARIABLE "APPTAINER_ENCRYPTION_PEM_DATA"
#define PASSPHRASE_VARIABLE "APPTAINER_ENCRYPTION_PASSPHRASE"
#define OLD_PATH_VARIABLE "SINGULARITY_ENCRYPTION_PEM_PATH"
#define OLD_PASSPHRASE_VARIABLE "SINGULARITY_ENCRYPTION_PASSPHRASE"

static int set_up(void **state)
{
	assert_int_equal(folder_make(state), 0);
	/* the guide's own commands */
	folder_shell("ssh-keygen -q -t rsa -b 2048 -m pem -N '' -f rsa && "
		     "ssh-keygen -f rsa.pub -e -m pem >rsa_pub.pem && mv rsa rsa_pri.pem");
	folder_shell("openssl pkcs8 -topk8 -nocrypt -in rsa_pri.pem -out pkcs8.pem");
	folder_shell("openssl rsa -in rsa_pri.pem -pubout -out spki.pem");
	folder_shell("cp rsa_pri.pem openssh.pem && ssh-keygen -q -p -N '' -f openssh.pem");
	folder_shell(
		"cp rsa_pri.pem locked.pem && ssh-keygen -q -p -N letmein -m pem -f locked.pem");
	folder_shell("openssl rsa -in rsa_pri.pem -traditional -des3 -passout pass:letmein "
		     "-out des3.pem");
	folder_shell("openssl pkcs8 -topk8 -in rsa_pri.pem -passout pass:letmein -out locked8.pem");
	folder_shell("cp openssh.pem locked-openssh.pem && "
		     "ssh-keygen -q -p -N letmein -f locked-openssh.pem");
	folder_shell("openssl req -x509 -key rsa_pri.pem -subj /CN=x -days 9 -out cert.pem && "
		     "openssl req -new -key rsa_pri.pem -subj /CN=x -out request.pem && "
		     "openssl pkcs12 -export -inkey rsa_pri.pem -in cert.pem -passout pass:x "
		     "-out key.p12");
	/* As people have them: both halves in one file, an elliptic curve's parameters first, no
	 * frame, DER, another's words around, a key cut before the good one. */
	folder_shell("{ echo Bag; cat cert.pem; echo Key; cat rsa_pri.pem; } >both.pem && "
		     "openssl ecparam -name prime256v1 -genkey -out ec-first.pem && "
		     "sed 1d rsa_pri.pem | sed '$d' >bare.pem && "
		     "sed 1d spki.pem | sed '$d' >bare_pub.pem && "
		     "openssl rsa -in rsa_pri.pem -traditional -outform DER -out der.pem && "
		     "{ echo 'the -----BEGIN RSA PRIVATE KEY----- is below'; cat pkcs8.pem; } "
		     ">words.pem && "
		     "tr '\n' ' ' <locked.pem >locked-line.pem && "
		     "{ head -c 900 rsa_pri.pem; echo; cat pkcs8.pem; } >second.pem");
	folder_shell("openssl ecparam -name prime256v1 -genkey -noout -out ec.pem");
	folder_shell("openssl genpkey -algorithm ed25519 -out ed25519.pem");
	folder_shell("openssl genrsa 1024 | openssl rsa -RSAPublicKey_out -out small.pem");
	folder_shell(": >empty.pem; echo text >text.pem; mkdir folder.pem; "
		     "head -c 70000 /dev/zero >large.pem; head -c 900 rsa_pri.pem >cut.pem");
	return 0;
}

static int clear(void **state)
{
	(void)state;
	unsetenv(PATH_VARIABLE);
	unsetenv(DATA_VARIABLE);
	unsetenv(PASSPHRASE_VARIABLE);
	unsetenv(OLD_PATH_VARIABLE);
	unsetenv(OLD_PASSPHRASE_VARIABLE);
	return 0;
}

/* Answers one after the other, and what was asked. */
struct answers {
	const char *const *texts;
	char asked[256];
};

static int answer(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	struct answers *a = context;
	const char *text = *a->texts++;
	strncat(a->asked, prompt, sizeof(a->asked) - strlen(a->asked) - 1);
	*ret = NULL;
	return *text ? secret_copy(text, strlen(text), ret, err) : 0;
}

static int choose_file(const char *name, enum key_use use, struct key **ret, struct error **err)
{
	char *path CLEANUP_TEXT = folder_path(name);
	struct key_request request = { .use = use, .pem_path = path };
	return key_choose(&request, ret, err);
}

static void every_form_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum key_use use;
	} files[] = { { "rsa_pub.pem", KEY_FOR_BUILD }, { "spki.pem", KEY_FOR_BUILD },
		      { "rsa.pub", KEY_FOR_BUILD },	{ "cert.pem", KEY_FOR_BUILD },
		      { "both.pem", KEY_FOR_BUILD },	{ "bare_pub.pem", KEY_FOR_BUILD },
		      { "openssh.pem", KEY_FOR_RUN },	{ "both.pem", KEY_FOR_RUN },
		      { "bare.pem", KEY_FOR_RUN },	{ "der.pem", KEY_FOR_RUN },
		      { "words.pem", KEY_FOR_RUN },	{ "second.pem", KEY_FOR_RUN },
		      { "rsa_pri.pem", KEY_FOR_RUN },	{ "pkcs8.pem", KEY_FOR_RUN } };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct key *k CLEANUP_KEY = NULL;
		assert_ok(choose_file(files[i].name, files[i].use, &k, err));
		assert_false(key_is_passphrase(k));
		assert_non_null(strstr(key_origin(k), files[i].name));
	}
}

static void what_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum key_use use;
		enum error_kind kind;
		const char *words, *hint;
	} files[] = {
		{ "none.pem", KEY_FOR_BUILD, ERROR_NOT_FOUND, "does not exist.", NULL },
		{ "none.pem", KEY_FOR_RUN, ERROR_NOT_FOUND, "Specified PEM file ", NULL },
		{ "text.pem/x", KEY_FOR_RUN, ERROR_NOT_FOUND, "does not exist.", NULL },
		{ "folder.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "folder.pem: is a directory",
		  NULL },
		{ "empty.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "empty.pem: no PEM data", NULL },
		{ "text.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID,
		  "Invalid encryption public key: ", NULL },
		{ "text.pem", KEY_FOR_RUN, ERROR_KEY_INVALID,
		  "Invalid encryption private key: ", NULL },
		{ "request.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "certificate signing request",
		  "openssl req" },
		{ "request.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "certificate signing request",
		  "private key" },
		{ "cert.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "this is a certificate", "private" },
		{ "key.p12", KEY_FOR_BUILD, ERROR_KEY_INVALID, "PKCS#12", "-clcerts -nokeys" },
		{ "key.p12", KEY_FOR_RUN, ERROR_KEY_INVALID, "PKCS#12", "-nocerts" },
		{ "ec-first.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "not an RSA key",
		  "that belongs to" },
		{ "large.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "too long", NULL },
		{ "cut.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "damaged", NULL },
		{ "rsa_pri.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key",
		  "openssl rsa" },
		{ "pkcs8.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key",
		  "openssl rsa" },
		{ "openssh.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key",
		  "ssh-keygen" },
		{ "locked.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key", NULL },
		{ "locked8.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key", NULL },
		{ "rsa_pub.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "this is a public key",
		  "private" },
		{ "spki.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "this is a public key", "private" },
		{ "locked-openssh.pem", KEY_FOR_RUN, ERROR_KEY_MISSING,
		  "protected with a passphrase", "ssh-keygen -p" },
		{ "locked-openssh.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "this is a private key",
		  "ssh-keygen" },
		{ "rsa.pub", KEY_FOR_RUN, ERROR_KEY_INVALID, "no PEM data", "private key that" },
		{ "ec.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "not an RSA key", "that belongs to" },
		{ "ed25519.pem", KEY_FOR_RUN, ERROR_KEY_INVALID, "not an RSA key",
		  "that belongs to" },
		{ "small.pem", KEY_FOR_BUILD, ERROR_KEY_INVALID, "1024 bits", "ssh-keygen" },
		{ "locked.pem", KEY_FOR_RUN, ERROR_KEY_MISSING, "protected", "openssl rsa" },
		{ "locked8.pem", KEY_FOR_RUN, ERROR_KEY_MISSING, "protected", "openssl rsa" },
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct key *k CLEANUP_KEY = NULL;
		struct error *err CLEANUP_ERROR = NULL;
		if (choose_file(files[i].name, files[i].use, &k, &err) >= 0)
			fail_msg("%s was taken", files[i].name);
		const char *hint = error_hint_text(err);
		if (error_kind(err) != files[i].kind ||
		    !strstr(error_message(err), files[i].words) ||
		    (files[i].hint && (!hint || !strstr(hint, files[i].hint))))
			fail_msg("%s: %d: %s (%s)", files[i].name, (int)error_kind(err),
				 error_message(err), hint ? hint : "no hint");
	}
}

static void protected_keys(void **state)
{
	(void)state;
	static const char *const names[] = { "locked.pem", "des3.pem", "locked8.pem",
					     "locked-line.pem" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		static const char *const texts[] = { "letmein", "letmeout", "" };
		struct answers answers = { .texts = texts };
		char *path CLEANUP_TEXT = folder_path(names[i]);
		struct key_request request = {
			.use = KEY_FOR_RUN, .pem_path = path, .ask = answer, .ask_context = &answers
		};
		struct key *k = NULL;
		assert_ok(key_choose(&request, &k, err));
		assert_non_null(strstr(answers.asked, names[i]));
		key_free(&k);
		assert_fails(ERROR_KEY_WRONG, key_choose(&request, &k, err));
		assert_fails(ERROR_KEY_MISSING, key_choose(&request, &k, err));
	}
}

/* encryption.md 2.1: the first that is present wins, and one that is set to nothing is present. */
static void the_order(void **state)
{
	(void)state;
	static const char *const texts[] = { "typed" };
	struct answers answers = { .texts = texts };
	char *private CLEANUP_TEXT = folder_path("rsa_pri.pem");
	char *pkcs8 CLEANUP_TEXT = folder_path("pkcs8.pem");
	struct buffer data CLEANUP_BUFFER = folder_load("rsa_pri.pem");
	struct key_request request = { .use = KEY_FOR_RUN,
				       .pem_path = private,
				       .ask_passphrase = true,
				       .use_environment = true,
				       .ask = answer,
				       .ask_context = &answers };
	struct key *k = NULL;
	setenv(PATH_VARIABLE, pkcs8, 1);
	setenv(DATA_VARIABLE, data.data, 1);
	setenv(PASSPHRASE_VARIABLE, "secret", 1);
	assert_true(key_environment_set());

	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), private);
	assert_string_equal(answers.asked, "");
	key_free(&k);

	request.pem_path = NULL;
	assert_ok(key_choose(&request, &k, err));
	assert_true(key_is_passphrase(k));
	assert_string_equal(answers.asked, "Enter encryption passphrase: ");
	key_free(&k);

	request.ask_passphrase = false;
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), pkcs8);
	key_free(&k);

	setenv(PATH_VARIABLE, "", 1);
	assert_fails(ERROR_NOT_FOUND, key_choose(&request, &k, err));
	unsetenv(PATH_VARIABLE);
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), DATA_VARIABLE);
	key_free(&k);

	setenv(DATA_VARIABLE, "", 1);
	assert_fails(ERROR_KEY_INVALID, key_choose(&request, &k, err));
	unsetenv(DATA_VARIABLE);
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), PASSPHRASE_VARIABLE);
	key_free(&k);

	setenv(PASSPHRASE_VARIABLE, "", 1);
	assert_fails(ERROR_KEY_INVALID, key_choose(&request, &k, err));
	assert_true(key_environment_set());
	unsetenv(PASSPHRASE_VARIABLE);
	assert_false(key_environment_set());
	assert_ok(key_choose(&request, &k, err));
	assert_null(k);

	setenv(PASSPHRASE_VARIABLE, "secret", 1);
	request.use_environment = false;
	assert_ok(key_choose(&request, &k, err));
	assert_null(k);
}

/* The old names count where no new one is there; set to nothing they do not. */
static void old_names(void **state)
{
	(void)state;
	char *private CLEANUP_TEXT = folder_path("rsa_pri.pem");
	struct key_request request = { .use = KEY_FOR_RUN, .use_environment = true };
	struct key *k = NULL;
	setenv(OLD_PASSPHRASE_VARIABLE, "secret", 1);
	assert_true(key_environment_set());
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), OLD_PASSPHRASE_VARIABLE);
	key_free(&k);
	setenv(OLD_PATH_VARIABLE, private, 1);
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), private);
	key_free(&k);
	setenv(PASSPHRASE_VARIABLE, "other", 1);
	assert_ok(key_choose(&request, &k, err));
	assert_string_equal(key_origin(k), PASSPHRASE_VARIABLE);
	key_free(&k);
	setenv(PASSPHRASE_VARIABLE, "", 1);
	assert_fails(ERROR_KEY_INVALID, key_choose(&request, &k, err));
	clear(NULL);
	setenv(OLD_PASSPHRASE_VARIABLE, " ", 1);
	assert_false(key_environment_set());
	assert_ok(key_choose(&request, &k, err));
	assert_null(k);
}

static void prompts(void **state)
{
	(void)state;
	static const struct {
		const char *texts[2];
		bool confirm, good;
	} cases[] = {
		{ { "a", NULL }, false, true }, { { "", NULL }, false, false },
		{ { "a", "a" }, true, true },	{ { "a", "b" }, true, false },
		{ { "a", "" }, true, false },	{ { "", NULL }, true, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answers answers = { .texts = cases[i].texts };
		struct key_request request = { .use = KEY_FOR_BUILD,
					       .ask_passphrase = true,
					       .confirm = cases[i].confirm,
					       .ask = answer,
					       .ask_context = &answers };
		struct key *k CLEANUP_KEY = NULL;
		if (cases[i].good)
			assert_ok(key_choose(&request, &k, err));
		else
			assert_fails(ERROR_KEY_INVALID, key_choose(&request, &k, err));
	}
	struct key_request alone = { .use = KEY_FOR_RUN, .ask_passphrase = true };
	struct key *k = NULL;
	assert_fails(ERROR_KEY_MISSING, key_choose(&alone, &k, err));
}

/* A descriptor of ours is none of the caller's, whatever its number. */
static void descriptors(void **state)
{
	(void)state;
	char *path CLEANUP_TEXT = folder_path("rsa_pri.pem");
	struct key *k = NULL;
	struct key_request request = { .use = KEY_FOR_RUN, .has_key_fd = true };
	request.key_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(request.key_fd > 2);
	assert_fails(ERROR_USAGE, key_choose(&request, &k, err));
	assert_int_equal(fcntl(request.key_fd, F_SETFD, 0), 0);
	assert_ok(key_choose(&request, &k, err));
	assert_false(key_is_passphrase(k));
	key_free(&k);
	/* It was closed. */
	assert_fails(ERROR_USAGE, key_choose(&request, &k, err));
	request = (struct key_request){ .use = KEY_FOR_RUN, .key_command = "exit 7" };
	assert_fails(ERROR_SYSTEM, key_choose(&request, &k, err));
	request.key_command = "exec yes";
	assert_fails(ERROR_LIMIT, key_choose(&request, &k, err));
	request.key_command = "echo typed";
	setenv(PASSPHRASE_VARIABLE, "secret", 1);
	assert_ok(key_choose(&request, &k, err));
	assert_true(key_is_passphrase(k));
	assert_null(getenv(PASSPHRASE_VARIABLE));
	key_free(&k);
}

/* What a command prints is a key wherever it would be one in a file, and what a file is refused for
 * by name is no passphrase: public texts, most of them. */
static void no_key_is_a_passphrase(void **state)
{
	(void)state;
	enum { PASSPHRASE, KEY, REFUSED };
	static const struct {
		const char *command;
		enum key_use use;
		int what;
	} cases[] = {
		{ "cat rsa_pub.pem", KEY_FOR_BUILD, KEY },
		{ "sed '/---/d' spki.pem", KEY_FOR_BUILD, KEY },
		{ "sed '/---/d' spki.pem | tr -d '\n'", KEY_FOR_BUILD, KEY },
		{ "sed '/---/d' rsa_pub.pem | tr -d '\n'; echo", KEY_FOR_BUILD, KEY },
		{ "sed '/---/d' cert.pem | tr -d '\n'; echo", KEY_FOR_BUILD, KEY },
		{ "sed '/---/d' rsa_pri.pem | tr -d '\n'; echo", KEY_FOR_RUN, KEY },
		{ "cat der.pem", KEY_FOR_RUN, KEY },
		{ "cat rsa.pub", KEY_FOR_BUILD, KEY },
		{ "printf '\357\273\277'; cat rsa.pub", KEY_FOR_BUILD, KEY },
		{ "printf ' \t'; cat rsa.pub", KEY_FOR_BUILD, KEY },
		{ "printf 'no-pty '; cat rsa.pub", KEY_FOR_BUILD, KEY },
		{ "cat rsa.pub", KEY_FOR_RUN, REFUSED },
		{ "sed '/---/d' spki.pem | tr -d '\n'", KEY_FOR_RUN, REFUSED },
		{ "sed '/---/d' request.pem | tr -d '\n'", KEY_FOR_BUILD, REFUSED },
		{ "sed '/---/d' ec.pem | tr -d '\n'", KEY_FOR_BUILD, REFUSED },
		{ "tr ' ' '\t' <rsa.pub", KEY_FOR_BUILD, REFUSED },
		{ "base64 -w 0 rsa.pub", KEY_FOR_BUILD, REFUSED },
		{ "base64 -w 0 rsa_pub.pem", KEY_FOR_BUILD, REFUSED },
		{ "echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA a@b'", KEY_FOR_BUILD, REFUSED },
		{ "echo 'ecdsa-sha2-nistp256 AAAA a@b'", KEY_FOR_BUILD, REFUSED },
		{ "echo 'sk-ssh-ed25519@openssh.com AAAA a@b'", KEY_FOR_BUILD, REFUSED },
		{ "echo 'ssh-dss AAAA a@b'", KEY_FOR_BUILD, REFUSED },
		{ "echo 'ssh-rsa-cert-v01@openssh.com AAAA a@b'", KEY_FOR_BUILD, REFUSED },
		{ "echo AGE-SECRET-KEY-1QQQQ", KEY_FOR_RUN, REFUSED },
		{ "echo '--BEGIN PUBLIC KEY-- MIIB --END PUBLIC KEY--'", KEY_FOR_BUILD, REFUSED },
		{ "echo text | iconv -t UTF-16", KEY_FOR_BUILD, REFUSED },
		{ "echo typed", KEY_FOR_RUN, PASSPHRASE },
		{ "echo 'four words of it'", KEY_FOR_BUILD, PASSPHRASE },
		/* Letters that are base64, and some of them DER of nothing. */
		{ "echo TG9yZW0gaXBzdW0=", KEY_FOR_RUN, PASSPHRASE },
		{ "echo MAMEAWE=", KEY_FOR_RUN, PASSPHRASE },
		{ "printf '0(%040d' 0", KEY_FOR_RUN, PASSPHRASE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *command CLEANUP_TEXT = NULL;
		struct error *err CLEANUP_ERROR = NULL;
		struct key *k CLEANUP_KEY = NULL;
		assert_true(asprintf(&command, "cd %s && { %s; }", folder, cases[i].command) > 0);
		struct key_request request = { .use = cases[i].use, .key_command = command };
		int r = key_choose(&request, &k, &err);
		int what = r < 0 ? REFUSED : key_is_passphrase(k) ? PASSPHRASE : KEY;
		if (what != cases[i].what || (r < 0 && error_kind(err) != ERROR_KEY_INVALID))
			fail_msg("%s: %d: %s", cases[i].command, what,
				 err ? error_message(err) : "no error");
	}
}

/* Apptainer shows the whole text of the variable; it may be a private key. */
static void errors_show_no_key(void **state)
{
	(void)state;
	struct key_request request = { .use = KEY_FOR_RUN, .use_environment = true };
	struct key *k = NULL;
	static const char *const texts[] = {
		"SECRETTEXT",
		"-----BEGIN SECRETTEXT-----\nSECRETTEXT\n-----END SECRETTEXT-----\n",
		"-----BEGIN SECRETTEXT-----\nSECRETTEXT==\n-----END OTHER-----\n",
		"-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
		"SECRETTEXT,00\n\nSECRETTEXT==\n"
		"-----END X-----\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error *err CLEANUP_ERROR = NULL;
		setenv(DATA_VARIABLE, texts[i], 1);
		assert_true(key_choose(&request, &k, &err) < 0);
		assert_null(strstr(error_message(err), "SECRETTEXT"));
		assert_non_null(strstr(error_message(err), DATA_VARIABLE));
		assert_true(!error_hint_text(err) || !strstr(error_hint_text(err), "SECRETTEXT"));
	}
}

/* The text is gone from where it stood, which is what the kernel shows of us. */
static void the_environment_is_wiped(void **state)
{
	(void)state;
	setenv(PASSPHRASE_VARIABLE, "secret", 1);
	setenv(PATH_VARIABLE, "path", 1);
	const char *stood = getenv(PASSPHRASE_VARIABLE);
	key_environment_wipe();
	static const char zeros[6];
	assert_memory_equal(stood, zeros, 6);
	assert_null(getenv(PASSPHRASE_VARIABLE));
	assert_null(getenv(PATH_VARIABLE));
	assert_false(key_environment_set());
	/* A caller may have given a name twice: getenv finds the first alone. */
	char first[] = PASSPHRASE_VARIABLE "=secret", second[] = PASSPHRASE_VARIABLE "=secret";
	char *twice[] = { first, second, NULL }, **kept = environ;
	environ = twice;
	key_environment_wipe();
	environ = kept;
	assert_memory_equal(first + sizeof(PASSPHRASE_VARIABLE), zeros, 6);
	assert_memory_equal(second + sizeof(PASSPHRASE_VARIABLE), zeros, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_form_is_read, clear),
		cmocka_unit_test_setup(what_is_refused, clear),
		cmocka_unit_test_setup(protected_keys, clear),
		cmocka_unit_test_setup(the_order, clear),
		cmocka_unit_test_setup(old_names, clear),
		cmocka_unit_test_setup(prompts, clear),
		cmocka_unit_test_setup(descriptors, clear),
		cmocka_unit_test_setup(no_key_is_a_passphrase, clear),
		cmocka_unit_test_setup(errors_show_no_key, clear),
		cmocka_unit_test_setup(the_environment_is_wiped, clear),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
