/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts are run by a real shell: what arrives is what the image said. */
#include "unit.h"

#include <unistd.h>

#include "oci/oci.h"
#include "os/os.h"

/* Runs the script by sh with arguments, in an environment of these variables; what it prints. */
static char *run(const struct buffer *script, const char *const *arguments,
		 const char *const *variables, bool source)
{
	struct strings words = { 0 };
	struct buffer out = { 0 };
	char path[] = "/tmp/coffer-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, script->data, script->len), 0);
	fd_close(&fd);
	assert_ok(strings_add(&words, "/bin/sh", err));
	if (source) {
		assert_ok(strings_add(&words, "-c", err));
		assert_ok(strings_addf(&words, err, ". %s; exec env", path));
	} else {
		assert_ok(strings_add(&words, path, err));
	}
	for (; arguments && *arguments; arguments++)
		assert_ok(strings_add(&words, *arguments, err));
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = (const char *const *)words.items;
	spawn.envp = variables;
	spawn.out = &out;
	spawn.out_limit = 1 << 20;
	assert_ok(process_run(&spawn, err));
	strings_free(&words);
	(void)unlink(path);
	struct error *err = NULL;
	return buffer_steal(&out, &err);
}

#define PRINT "/usr/bin/printf", "<%s>"

static void add(struct strings *to, const char *const *words)
{
	for (; *words; words++)
		assert_ok(strings_add(to, *words, err));
}
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void prints(const struct oci_config *c, bool literal, const char *const *arguments,
		   const char *want)
{
	CLEANUP_BUFFER struct buffer script = { 0 };
	assert_ok(oci_put_runscript(c, &script, err));
	char *got CLEANUP_TEXT = run(
		&script, arguments,
		WORDS("X=expanded", literal ? "SINGULARITY_NO_EVAL=1" : "Y=", "PATH=/usr/bin:/bin"),
		false);
	assert_string_equal(got, want);
}

static void test_run(void **state)
{
	(void)state;
	struct oci_config c = { 0 };
	/* An entry point alone takes the arguments. */
	add(&c.entrypoint, WORDS(PRINT, "a b", "it's \"$X\" `\\", ""));
	for (int literal = 0; literal < 2; literal++) {
		prints(&c, literal, NULL, "<a b><it's \"$X\" `\\><>");
		prints(&c, literal, WORDS("1 2", "3"), "<a b><it's \"$X\" `\\><><1 2><3>");
	}
	/* The shell looks at arguments once more, unless told not to. */
	prints(&c, false, WORDS("$X"), "<a b><it's \"$X\" `\\><><expanded>");
	prints(&c, true, WORDS("$X"), "<a b><it's \"$X\" `\\><><$X>");
	/* With a command, it is what arguments stand for. */
	add(&c.cmd, WORDS("cmd", "c d"));
	for (int literal = 0; literal < 2; literal++) {
		prints(&c, literal, NULL, "<a b><it's \"$X\" `\\><><cmd><c d>");
		prints(&c, literal, WORDS("1"), "<a b><it's \"$X\" `\\><><1>");
	}
	strings_free(&c.entrypoint);
	strings_free(&c.cmd);
	/* A command alone goes when there are arguments. */
	add(&c.cmd, WORDS(PRINT, "x'y"));
	for (int literal = 0; literal < 2; literal++) {
		prints(&c, literal, NULL, "<x'y>");
		prints(&c, literal, WORDS("/bin/echo", "z"), "z\n");
	}
	strings_free(&c.cmd);
	prints(&c, false, NULL, "");
	prints(&c, false, WORDS("/bin/echo", "z"), "z\n");
}

static void test_environment(void **state)
{
	(void)state;
	struct oci_config c = { 0 };
	CLEANUP_BUFFER struct buffer script = { 0 };
	add(&c.env, WORDS("PATH=/image:/usr/bin:/bin", "PLAIN=value", "SET=other",
			  "EMPTY=", "ALONE", "ODD=a \"b\" $X `c` \\ 'd'", "BRACE=a}b", "1BAD=x",
			  "WITH-HYPHEN=x", "$(id)=x", "=x"));
	assert_ok(oci_put_environment(&c, &script, err));
	char *got CLEANUP_TEXT =
		run(&script, NULL, WORDS("PATH=/host", "SET=kept", "X=expanded"), true);
	static const char *const wanted[] = { "PATH=/image:/usr/bin:/bin\n",
					      "PLAIN=value\n",
					      "SET=kept\n",
					      "EMPTY=\n",
					      "ALONE=\n",
					      "ODD=a \"b\" $X `c` \\ 'd'\n",
					      "BRACE=a}b\n" };
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(got, wanted[i]))
			fail_msg("no %s in %s of %s", wanted[i], got, script.data);
	assert_null(strstr(script.data, "BAD"));
	assert_null(strstr(script.data, "HYPHEN"));
	assert_null(strstr(script.data, "id"));
	strings_free(&c.env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
