/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

#include <unistd.h>

static struct run_env prepare(const char *const *host, const struct run_wish *wish)
{
	struct run_env env = { 0 };
	struct run_binds binds = { 0 };
	assert_ok(run_bind_parse("/etc:/x", &binds, err));
	assert_ok(run_mount_parse("src=/a,dst=/b\nsrc=/a,dst=/hidden,nonested", &binds, err));
	struct run_env_source source = {
		.host = host, .wish = wish, .image = "/d/x.sif", .home = "/home/u", .binds = &binds
	};
	assert_ok(run_env_prepare(&source, &env, err));
	run_binds_free(&binds);
	return env;
}

static const char *injected(const struct run_env *env, const char *name)
{
	for (size_t i = 0; i < env->injections.len; i++) {
		if (!strcmp(env->injections.items[i].name, name))
			return env->injections.items[i].value;
	}
	return NULL;
}

#define assert_value(env, name, value)                            \
	do {                                                      \
		const char *got = run_env_get(&(env).base, name); \
		assert_non_null(got);                             \
		assert_string_equal(got, value);                  \
	} while (0)

static void own_variables(void **state)
{
	(void)state;
	static const char *const host[] = { "PATH=/h", NULL };
	struct run_wish wish = { .action = RUN_SHELL, .app = "foo", .no_eval = true };
	struct run_env env = prepare(host, &wish);
	assert_value(env, "APPTAINER_CONTAINER", "/d/x.sif");
	assert_value(env, "SINGULARITY_CONTAINER", "/d/x.sif");
	assert_value(env, "APPTAINER_NAME", "x.sif");
	assert_value(env, "APPTAINER_BIND", "/x,/b");
	assert_value(env, "APPTAINER_COMMAND", "shell");
	assert_null(run_env_get(&env.base, "SINGULARITY_COMMAND"));
	assert_value(env, "APPTAINER_APPNAME", "foo");
	assert_value(env, "SINGULARITY_APPNAME", "foo");
	assert_value(env, "SINGULARITY_NO_EVAL", "1");
	assert_value(env, "HOME", "/home/u");
	assert_value(env, "USER_PATH",
		     "/h:/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/usr/local/sbin");
	assert_null(run_env_get(&env.base, "PATH"));
	run_env_free(&env);
}

static void host_variables(void **state)
{
	(void)state;
	static const char *const host[] = { "FOO=bar",
					    "HOME=/nowhere",
					    "LD_LIBRARY_PATH=/x",
					    "APPTAINER_ENCRYPTION_PASSPHRASE=secret",
					    "SINGULARITY_X=y",
					    "BASH_FUNC_f%%=() { :; }",
					    "TERM=vt100",
					    "EMPTY=",
					    NULL };
	struct run_wish wish = { 0 };
	struct run_env env = prepare(host, &wish);
	assert_value(env, "FOO", "bar");
	assert_value(env, "EMPTY", "");
	assert_value(env, "TERM", "vt100");
	assert_value(env, "HOME", "/home/u");
	/* No name of a variable, but it arrives, as with Apptainer. */
	assert_value(env, "BASH_FUNC_f%%", "() { :; }");
	for (size_t i = 0; i < env.base.len; i++)
		assert_null(strstr(env.base.items[i], "secret"));
	assert_null(run_env_get(&env.base, "SINGULARITY_X"));
	assert_null(run_env_get(&env.base, "LD_LIBRARY_PATH"));
	assert_null(run_env_get(&env.base, "LANG"));
	run_env_free(&env);

	wish.cleanenv = true;
	env = prepare(host, &wish);
	assert_null(run_env_get(&env.base, "FOO"));
	assert_null(run_env_get(&env.base, "USER_PATH"));
	assert_value(env, "TERM", "vt100");
	assert_value(env, "LANG", "C");
	run_env_free(&env);
}

static void injections(void **state)
{
	(void)state;
	static const char *const host[] = { "SINGULARITYENV_A=old", "APPTAINERENV_A=new",
					    "APPTAINERENV_B=b",	    "B=host",
					    "APPTAINERENV_HOME=/x", "APPTAINERENV_UID=0",
					    "APPTAINERENV_PWD=/p",  NULL };
	struct run_wish wish = { 0 };
	assert_ok(strings_add(&wish.env, "C=x=y", err));
	assert_ok(strings_add(&wish.env, "B=option", err));
	assert_ok(strings_add(&wish.env, "1X=bad", err));
	log_set_level(LOG_FATAL);
	struct run_env env = prepare(host, &wish);
	log_set_level(LOG_INFO);
	assert_string_equal(injected(&env, "A"), "new");
	assert_string_equal(injected(&env, "B"), "option");
	assert_string_equal(injected(&env, "C"), "x=y");
	assert_string_equal(injected(&env, "PWD"), "/p");
	assert_null(injected(&env, "HOME"));
	assert_null(injected(&env, "UID"));
	assert_null(injected(&env, "1X"));
	/* An injected name hides the host's variable. */
	assert_null(run_env_get(&env.base, "B"));
	run_env_free(&env);
	strings_free(&wish.env);
}

static void lists(void **state)
{
	(void)state;
	struct strings s = { 0 };
	assert_ok(run_env_set(&s, "A", "1", err));
	assert_ok(run_env_set(&s, "AB", "2", err));
	assert_ok(run_env_set(&s, "A", "3", err));
	assert_int_equal(s.len, 2);
	assert_string_equal(run_env_get(&s, "A"), "3");
	assert_string_equal(run_env_get(&s, "AB"), "2");
	run_env_unset(&s, "A");
	assert_null(run_env_get(&s, "A"));
	assert_int_equal(s.len, 1);
	assert_null(s.items[1]);
	strings_free(&s);
}

static void env_file(void **state)
{
	(void)state;
	struct strings known = { 0 }, got = { 0 };
	assert_ok(strings_add(&known, "HOST=h st", err));
	assert_ok(run_envfile_parse("# comment\n"
				    "A=1 B='x $HOST' # trailing\n"
				    "export C=\"<$HOST>\" D=${A}b${NONE:-dflt}\n"
				    "E=a\\ b;F=\"q\\\"q\\$x\"\n"
				    "HOME=/x UID=3\n"
				    "G=$HOST\n"
				    "H='multi\nline'\n"
				    "I=\n"
				    "A=2\n"
				    "export A\n",
				    "f", &known, &got, err));
	assert_string_equal(run_env_get(&got, "A"), "2");
	assert_string_equal(run_env_get(&got, "B"), "x $HOST");
	assert_string_equal(run_env_get(&got, "C"), "<h st>");
	assert_string_equal(run_env_get(&got, "D"), "1bdflt");
	assert_string_equal(run_env_get(&got, "E"), "a b");
	assert_string_equal(run_env_get(&got, "F"), "q\"q$x");
	assert_string_equal(run_env_get(&got, "G"), "h st");
	assert_string_equal(run_env_get(&got, "H"), "multi\nline");
	assert_string_equal(run_env_get(&got, "I"), "");
	assert_null(run_env_get(&got, "HOME"));
	assert_null(run_env_get(&got, "UID"));
	/* What is only read is not exported. */
	assert_null(run_env_get(&got, "HOST"));
	strings_free(&got);
	strings_free(&known);
}

static void env_file_runs_nothing(void **state)
{
	(void)state;
	struct strings known = { 0 }, got = { 0 };
	char mark[] = "/tmp/coffer-env-XXXXXX";
	int fd = mkstemp(mark);
	assert_true(fd >= 0);
	(void)close(fd);
	char text[512];
	snprintf(text, sizeof(text),
		 "A=$(rm %s)x\nB=`rm %s`y\nC=\"$(rm %s)z\"\nrm %s\nD=1 | rm %s\nE=2\n", mark, mark,
		 mark, mark, mark);
	log_set_level(LOG_FATAL);
	assert_ok(run_envfile_parse(text, "f", &known, &got, err));
	log_set_level(LOG_INFO);
	assert_int_equal(unlink(mark), 0);
	assert_string_equal(run_env_get(&got, "A"), "x");
	assert_string_equal(run_env_get(&got, "B"), "y");
	assert_string_equal(run_env_get(&got, "C"), "z");
	assert_string_equal(run_env_get(&got, "D"), "1");
	assert_string_equal(run_env_get(&got, "E"), "2");
	strings_free(&got);
}

/* With a colon what is empty counts as not set. */
static void env_file_defaults(void **state)
{
	(void)state;
	struct strings known = { 0 }, got = { 0 };
	assert_ok(run_envfile_parse("A=\nB=${A-no}\nC=${A:-yes}\nD=${NONE-yes}\nE=${NONE}\n", "f",
				    &known, &got, err));
	assert_string_equal(run_env_get(&got, "B"), "");
	assert_string_equal(run_env_get(&got, "C"), "yes");
	assert_string_equal(run_env_get(&got, "D"), "yes");
	assert_string_equal(run_env_get(&got, "E"), "");
	strings_free(&got);
}

static void env_file_deep(void **state)
{
	(void)state;
	struct strings known = { 0 }, got = { 0 };
	struct buffer text = { 0 };
	for (size_t depth = 100; depth <= 200000; depth += 199900) {
		assert_ok(buffer_puts(&text, "A=", err));
		for (size_t i = 0; i < depth; i++)
			assert_ok(buffer_puts(&text, "${B:-", err));
		for (size_t i = 0; i < depth; i++)
			assert_ok(buffer_puts(&text, "}", err));
		if (depth == 100)
			assert_ok(run_envfile_parse(text.data, "f", &known, &got, err));
		else
			assert_fails(ERROR_LIMIT,
				     run_envfile_parse(text.data, "f", &known, &got, err));
		buffer_free(&text);
	}
	strings_free(&got);
}

static void env_file_broken(void **state)
{
	(void)state;
	static const char *const bad[] = { "A='x", "A=\"x", "A=${", "A=${B", "A=${B:-x", "A=${1}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct strings known = { 0 }, got = { 0 };
		struct error *e = NULL;
		assert_int_equal(run_envfile_parse(bad[i], "f", &known, &got, &e), -1);
		error_free(&e);
		strings_free(&got);
	}
	/* Ends in the middle of everything: no read behind the text. */
	static const char *const odd[] = { "A=\\", "A=$", "A=$(", "A=`", "A", "export", "A=$(\\" };
	log_set_level(LOG_FATAL);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct strings known = { 0 }, got = { 0 };
		char *exact = strdup(odd[i]);
		assert_ok(run_envfile_parse(exact, "f", &known, &got, err));
		free(exact);
		strings_free(&got);
	}
	log_set_level(LOG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_variables),     cmocka_unit_test(host_variables),
		cmocka_unit_test(injections),	     cmocka_unit_test(lists),
		cmocka_unit_test(env_file),	     cmocka_unit_test(env_file_runs_nothing),
		cmocka_unit_test(env_file_defaults), cmocka_unit_test(env_file_deep),
		cmocka_unit_test(env_file_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
