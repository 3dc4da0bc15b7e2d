/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "definition/definition.h"
#include "definition/format.h"

static struct definition_arguments none;

static struct definition *parse(const char *text)
{
	struct definition *d = NULL;
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	return d;
}

/* Parsing fails with this kind and exactly these words. */
static void refuses(const char *text, enum error_kind kind, const char *words)
{
	struct error *err = NULL;
	struct definition *d = NULL;
	if (definition_parse(text, strlen(text), &none, &d, &err) == 0 &&
	    definition_check(d, &err) == 0)
		fail_msg("accepted: %s", text);
	definition_free(&d);
	assert_string_equal(error_message(err), words);
	assert_int_equal(error_kind(err), kind);
	error_free(&err);
}

static void header_is(const char *text, const char *key, const char *value)
{
	CLEANUP_DEFINITION struct definition *d = parse(text);
	const char *got = definition_header(d, key);
	if (!value)
		assert_null(got);
	else
		assert_string_equal(got ? got : "(none)", value);
}

static void body_is(const char *text, const char *section, const char *body)
{
	CLEANUP_DEFINITION struct definition *d = parse(text);
	const struct definition_section *s = definition_section(d, section);
	if (!body)
		assert_null(s);
	else
		assert_string_equal(s ? s->body.data : "(none)", body);
}

#define H "Bootstrap: scratch\n"

static void test_header(void **state)
{
	(void)state;
	header_is("Bootstrap: localimage\nFrom: /base#x\n", "from", "/base");
	header_is("BOOTSTRAP:localimage\n  FROM :  \"/a b\"  \n", "from", "\"/a b\"");
	header_is("  Bootstrap: LocalImage\n", "bootstrap", "LocalImage");
	header_is(H "From: a\n# c\n\nFrom: b:c\n", "from", "b:c");
	header_is(H "From: a\\\n  b # c\n", "from", "ab");
	header_is(H "From: a \\\nFrom: b\n", "from", "a From: b");
	header_is(H "Setopt: a\\n\\\nb\n", "setopt", "a\nb");
	header_is(H "From: a\\\n\nStage: s\n", "from", "a");
	header_is(H "From: a\\\n\nStage: s\n", "stage", "s");
	header_is(H "From: \\\nStage: s\n", "from", NULL);
	header_is(H "OtherURL12: u\n", "otherurl12", "u");
	header_is("Bootstrap: scratch\r\nFrom: x\r\n", "from", "x");
	refuses(H "OtherURL: u\n", ERROR_DAMAGED,
		"failed to parse deffile header: invalid header keyword found: otherurl");
	refuses(H "From2: u\n", ERROR_DAMAGED,
		"failed to parse deffile header: invalid header keyword found: from2");
	refuses(H "Colour: red\n", ERROR_DAMAGED,
		"failed to parse deffile header: invalid header keyword found: colour");
	refuses(H "nonsense\n", ERROR_DAMAGED,
		"failed to parse deffile header: header key nonsense had no val");
	refuses("{\"header\": 1}", ERROR_DAMAGED,
		"failed to parse deffile header: invalid header keyword found: {\"header\"");
}

static void test_stages(void **state)
{
	(void)state;
	refuses("", ERROR_DAMAGED, "no stages found in definition file");
	refuses("# nothing\n\n", ERROR_DAMAGED, "no stages found in definition file");
	refuses("%post\n true\n", ERROR_DAMAGED, "multiple stages detected, all must have headers");
	refuses("%post\n true\n" H, ERROR_DAMAGED,
		"multiple stages detected, all must have headers");
	refuses("From: x\n" H, ERROR_DAMAGED, "no bootstrap specification found");
	refuses("From: x\n%post\n", ERROR_DAMAGED, "no bootstrap specification found");
	refuses("Bootstrap:\nFrom: x\n", ERROR_DAMAGED, "no bootstrap specification found");
	refuses(H "From: x\n%help\n" H "%apprun a/b\n", ERROR_DAMAGED,
		"app section apprun: a/b cannot be the name of an app");
	refuses("Bootstrap:\nFrom: x\n" H, ERROR_DAMAGED, "no bootstrap specification found");
	CLEANUP_DEFINITION struct definition *d = parse("# a comment\n\n" H "%help\nx\n");
	assert_string_equal(d->text.data, H "%help\nx\n");
	/* Each has its own header and sections; the text is that of all. */
	CLEANUP_DEFINITION struct definition *three =
		parse("# first\n\n" H "Stage: a\n%post\n one\nBOOTSTRAP: docker\n%test\n two\n"
		      "bootstrap: oras\nStage: c\n");
	assert_ok(definition_check(three, err));
	assert_int_equal(three->stages, 3);
	assert_string_equal(definition_header(three, "stage"), "c");
	assert_null(definition_section(three, "post"));
	const struct definition *first = definition_stage(three, 0),
				*second = definition_stage(three, 1);
	assert_string_equal(definition_header(first, "stage"), "a");
	assert_string_equal(definition_section(first, "post")->body.data, " one\n");
	assert_null(definition_header(second, "stage"));
	assert_string_equal(definition_header(second, "bootstrap"), "docker");
	assert_string_equal(definition_section(second, "test")->body.data, " two\n");
	assert_ptr_equal(definition_stage(three, 2), three);
	assert_int_equal(second->stages, 2);
	assert_string_equal(three->whole->data,
			    H "Stage: a\n%post\n one\nBOOTSTRAP: docker\n%test\n two\n"
			      "bootstrap: oras\nStage: c\n");
	assert_ptr_equal(first->whole, three->whole);
}

static void test_apps(void **state)
{
	(void)state;
	refuses(H "%apprun ..\n", ERROR_DAMAGED,
		"app section apprun: .. cannot be the name of an app");
	refuses(H "%appenv good\n%appenv a/b\n", ERROR_DAMAGED,
		"app section appenv: a/b cannot be the name of an app");
	CLEANUP_DEFINITION struct definition *d =
		parse(H "%appRun X y\na\n%apprun x\nb\n%apprun X\nc\n%appenv X\nd\n");
	assert_ok(definition_check(d, err));
	assert_true(definition_has_apps(d));
	assert_int_equal(d->section_count, 3);
	assert_string_equal(d->sections[0].app, "X");
	assert_string_equal(d->sections[0].body.data, "a\nc\n");
	assert_string_equal(d->sections[1].app, "x");
	CLEANUP_DEFINITION struct definition *without = parse(H "%post\na\n");
	assert_false(definition_has_apps(without));
}

static void files_refused(const char *text, enum error_kind kind, const char *words)
{
	CLEANUP_DEFINITION struct definition *d = parse(text);
	CLEANUP_ERROR struct error *err = NULL;
	assert_int_equal(definition_check_files(d, &err), -1);
	assert_string_equal(error_message(err), words);
	assert_int_equal(error_kind(err), kind);
}

static void test_files_from_stages(void **state)
{
	(void)state;
#define REFUSED "unable to copy files from stage to container fs: "
	files_refused(H "%files from build\n/a /b\n", ERROR_DAMAGED,
		      REFUSED "stage build was not found");
	files_refused(H "%files\na b\n%files  of\tnothing # x y\n", ERROR_DAMAGED,
		      REFUSED "stage nothing was not found");
	files_refused(H "Stage: Build\n%files from build\n/a /b\n", ERROR_DAMAGED,
		      REFUSED "stage build was not found");
	files_refused(H "Stage: a\n%files from b\n/a /b\n" H "Stage: b\n", ERROR_DAMAGED,
		      REFUSED "stage b comes later in the definition");
	/* The first of that name; the stage itself may be. */
	CLEANUP_DEFINITION struct definition *named =
		parse(H "Stage: a\n%files from a\n" H "Stage: b\n" H "Stage: a\n%files from b\n" H
			"%files from a\n");
	assert_ok(definition_check_files(named, err));
	assert_int_equal(definition_find_stage(named, span_of("a", 1)), 0);
	assert_int_equal(definition_find_stage(definition_stage(named, 2), span_of("b", 1)), 1);
	assert_int_equal(definition_find_stage(definition_stage(named, 0), span_of("b", 1)), -1);
	assert_int_equal(definition_find_stage(named, span_of("", 0)), -1);
	/* One word, three of them, and comments name no stage; other sections have options. */
	CLEANUP_DEFINITION struct definition *d =
		parse(H "%files\na b\n%files # from x\nc d\n%files x # y\ne f\n"
			"%files from a b\ng h\n%post -c bash\ntrue\n");
	assert_ok(definition_check_files(d, err));
}

static void test_sections(void **state)
{
	(void)state;
	body_is(H "%POST\n a\n", "post", " a\n");
	body_is(H "%%post\n a", "post", " a\n");
	body_is(H "%post\r\n a\r\n", "post", " a\n");
	body_is(H "%post\n%help\n", "post", NULL);
	body_is(H "%post\n\n%help\n", "post", "\n");
	body_is(H "%post\n a\n%help\nh\n%post -x\n b\n", "post", " a\n b\n");
	/* A keyword in the middle of a line, or indented, begins no stage. */
	body_is(H "%help\n bootstrap: x\n", "help", " bootstrap: x\n");
	refuses(H "  %post\n a\n", ERROR_DAMAGED, "invalid section(s) specified: ");
	refuses(H "%post\tx\n", ERROR_DAMAGED, "invalid section(s) specified: post\tx");
	refuses(H "%\n", ERROR_DAMAGED, "invalid section(s) specified: ");
	refuses(H "%one\n%post\n%Two x\n", ERROR_DAMAGED, "invalid section(s) specified: one, two");
	refuses(H "%apprun\n", ERROR_DAMAGED,
		"app section apprun: could not be split into section name and app name");
	CLEANUP_DEFINITION struct definition *d =
		parse(H "%post  a # b\n 1\n%post\n 2\n%files\na b\n%files from x\nc\n%files\nd\n"
			"%apprun Foo bar\nx\n");
	assert_string_equal(definition_section(d, "post")->arguments, " a # b");
	assert_int_equal(d->section_count, 4);
	assert_string_equal(d->sections[1].body.data, "a b\nd\n");
	assert_string_equal(d->sections[2].arguments, "from x");
	assert_string_equal(d->sections[3].app, "Foo");
}

/* What editors and people of all systems make of a file. */
static void test_odd_input(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d = parse(
		"\xef\xbb\xbf# made elsewhere\r\n\r\nBootstrap:\tscratch\t\r\nFrom : /x # no\r\n"
		"Setopt: a\\n\\\r\n\tb\\\r\n c\r\n\r\n%post -c /bin/bash\r\n\tcat <<EOF\r\n"
		"# in a here-document\r\n100 %\r\nEOF\r\n\r\n%help\r\nno newline at the end");
	assert_ok(definition_check(d, err));
	assert_string_equal(definition_header(d, "bootstrap"), "scratch");
	assert_string_equal(definition_header(d, "from"), "/x");
	assert_string_equal(definition_header(d, "setopt"), "a\nbc");
	assert_string_equal(definition_section(d, "post")->arguments, "-c /bin/bash");
	assert_string_equal(definition_section(d, "post")->body.data,
			    "\tcat <<EOF\n# in a here-document\n100 %\nEOF\n\n");
	assert_string_equal(definition_section(d, "help")->body.data, "no newline at the end\n");
	/* It is stored as it is, but for the mark, and for what stands before all stages. */
	assert_true(d->text.len > 20 &&
		    !strncmp(d->text.data, "Bootstrap:\tscratch\t\r\nFrom", 24));
	/* The mark has no place but the first, and nothing may be wrong with what follows. */
	refuses(H "\xef\xbb\xbf" H, ERROR_DAMAGED,
		"failed to parse deffile header: invalid header keyword found: \xef\xbb\xbf"
		"bootstrap");
	refuses("\xef\xbb\xbf", ERROR_DAMAGED, "no stages found in definition file");
	refuses("\xff\xfe", ERROR_DAMAGED,
		"failed to parse deffile header: header key \xff\xfe had no val");
	refuses(H "%post\tx\ntrue\n", ERROR_DAMAGED, "invalid section(s) specified: post\tx");
	/* In a here-document, too: there is no escape. */
	refuses(H "%post\ncat <<EOF\n %d\nEOF\n", ERROR_DAMAGED, "invalid section(s) specified: ");
}

static void test_many_lines(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(buffer_puts(&text, H "%post\n", err));
	for (int i = 0; i < 10000; i++)
		assert_ok(buffer_printf(&text, err, "    echo line %d {{ A }}\n", i));
	assert_ok(buffer_puts(&text, "%arguments\nA=b", err));
	CLEANUP_DEFINITION struct definition *d = parse(text.data);
	const struct definition_section *s = definition_section(d, "post");
	size_t lines = 0;
	for (size_t i = 0; i < s->body.len; i++)
		lines += s->body.data[i] == '\n';
	assert_int_equal(lines, 10000);
	assert_non_null(strstr(s->body.data, "    echo line 9999 b\n"));
}

static void test_long_section(void **state)
{
	(void)state;
	/* The original stops at 64 KiB. */
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(buffer_puts(&text, H "%post\n", err));
	for (int i = 0; i < 20000; i++)
		assert_ok(buffer_puts(&text, "echo twelve\n", err));
	CLEANUP_DEFINITION struct definition *d = parse(text.data);
	assert_int_equal(definition_section(d, "post")->body.len, 20000 * 12);
}

static void test_limits(void **state)
{
	(void)state;
	struct definition *d = NULL;
	static const char with_nul[] = "Bootstrap: scratch\n%post\n\0 a";
	assert_fails(ERROR_DAMAGED, definition_parse(with_nul, sizeof(with_nul), &none, &d, err));
	char *large = calloc(1, DEFINITION_BYTES_MAX + 1);
	assert_non_null(large);
	memset(large, 'a', DEFINITION_BYTES_MAX + 1);
	assert_fails(ERROR_LIMIT,
		     definition_parse(large, DEFINITION_BYTES_MAX + 1, &none, &d, err));
	free(large);
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(buffer_puts(&text, H, err));
	for (int i = 0; i <= DEFINITION_SECTIONS_MAX; i++)
		assert_ok(buffer_printf(&text, err, "%%apprun a%d\n", i));
	assert_fails(ERROR_LIMIT, definition_parse(text.data, text.len, &none, &d, err));
}

static void substitutes(const char *given_text, const char *text, const char *want)
{
	struct definition_arguments given = { 0 }, defaults = { 0 };
	struct span rest = span_of(given_text, strlen(given_text)), line;
	CLEANUP_BUFFER struct buffer out = { 0 };
	while (span_line(&rest, &line))
		assert_ok(definition_arguments_add(&given, line, err));
	struct error *err = NULL;
	int result =
		definition_substitute(span_of(text, strlen(text)), &given, &defaults, &out, &err);
	assert_string_equal(result == 0 ? out.data : error_message(err), want);
	error_free(&err);
	definition_arguments_free(&given);
}

static void test_arguments(void **state)
{
	(void)state;
	substitutes("P=1", "a {{ P }} {{P}}\n{{\tP }}", "a 1 1\n1");
	substitutes("P=1", "{{P-x}} {{ }} {P} {{P} {{{P}}}", "{{P-x}} {{ }} {P} {{P} {1}");
	substitutes("P=1", "echo x#y {{ NO }}\n{{P}}", "echo x#y {{ NO }}\n1");
	substitutes("P=1", "#!{{ P }}", "#!1");
	substitutes("P=1", "#{{ NO }}",
		    "build var NO is not defined through either --build-arg (--build-arg-file) or "
		    "'arguments' section");
	substitutes("P={{ Q }}\nQ={{ R }}\nR=x", "{{P}}", "{{ R }}");
	substitutes("P={{ NO }}y", "{{P}}", "{{ NO }}y");
	substitutes(" P = a=b \nP=c=d ", "{{P}}", "c=d");
	struct definition_arguments a = { 0 };
	assert_fails(ERROR_USAGE, definition_arguments_add(&a, span_of("V", 1), err));
	assert_fails(ERROR_USAGE, definition_arguments_add(&a, span_of(" =V", 3), err));
	definition_arguments_free(&a);
}

static void test_arguments_of_a_stage(void **state)
{
	(void)state;
	static const char text[] = "Bootstrap: {{ B }}\n%arguments\n# c\n B=scratch\nC=1\n"
				   "%post\necho {{ C }}{{D}}\n";
	struct definition_arguments given = { 0 };
	CLEANUP_DEFINITION struct definition *d = NULL;
	assert_ok(definition_arguments_add(&given, span_of("C=2", 3), err));
	assert_ok(definition_arguments_add(&given, span_of("D=3", 3), err));
	assert_ok(definition_arguments_add(&given, span_of("E=4", 3), err));
	assert_ok(definition_parse(text, strlen(text), &given, &d, err));
	assert_string_equal(definition_header(d, "bootstrap"), "scratch");
	assert_string_equal(definition_section(d, "post")->body.data, "echo 23\n");
	assert_non_null(strstr(d->text.data, "Bootstrap: scratch\n"));
	assert_true(given.items[0].used && given.items[1].used);
	assert_false(given.items[2].used);
	definition_arguments_free(&given);
	/* Section lines are looked at before the replacement too. */
	refuses(H "%{{ S }}\n", ERROR_DAMAGED, "invalid section(s) specified: {{");
}

static void options_are(const char *arguments, const char *want)
{
	CLEANUP_STRINGS struct strings got = { 0 };
	CLEANUP_BUFFER struct buffer joined = { 0 };
	CLEANUP_TEXT char *text = NULL;
	struct error *err = NULL;
	assert_int_not_equal(asprintf(&text, H "%%post %s\n true\n", arguments), -1);
	CLEANUP_DEFINITION struct definition *d = parse(text);
	if (definition_script_options(definition_section(d, "post"), "/S", &got, &err) == 0)
		for (size_t i = 0; i < got.len; i++)
			assert_int_equal(buffer_printf(&joined, &err, "[%s]", got.items[i]), 0);
	assert_string_equal(err ? error_message(err) : joined.data, want);
	error_free(&err);
}

static void test_script_options(void **state)
{
	(void)state;
	options_are("", "[/S]");
	options_are(" -u  -v # -c", "[-u][-v][/S]");
	options_are("-c /bin/bash -e", "[-c][/bin/bash -e /S]");
	options_are("-c", "while processing section %post arguments: bad post section '-c' "
			  "parameter: missing arguments");
}

static void test_check_scripts(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *good =
		parse(H "%pre -c bash\n a\n%setup\n b\n%post -c\n%runscript -c\n c\n");
	assert_ok(definition_check_scripts(good, err));
	CLEANUP_DEFINITION struct definition *bad =
		parse(H "%setup -e -c # bash\n b\n" H "%post\n a\n");
	CLEANUP_ERROR struct error *failed = NULL;
	assert_int_equal(definition_check_scripts(bad, &failed), -1);
	assert_string_equal(error_message(failed),
			    "while processing section %setup arguments: bad setup section '-c' "
			    "parameter: missing arguments");
}

static void files_line_is(const char *line, const char *source, const char *destination)
{
	CLEANUP_TEXT char *s = NULL, *t = NULL;
	assert_ok(definition_files_line(span_of(line, strlen(line)), &s, &t, err));
	if (!source) {
		assert_null(s);
		return;
	}
	assert_string_equal(s, source);
	assert_string_equal(t, destination);
}

static void test_files_line(void **state)
{
	(void)state;
	files_line_is("", NULL, NULL);
	files_line_is("  # a b", NULL, NULL);
	files_line_is(" a\tb # c", "a", "b");
	files_line_is("a", "a", "");
	files_line_is("a # c", "a", "#");
	files_line_is("\"a b\" \"/c d\"", "a b", "/c d");
	files_line_is("\"\" /x", "", "/x");
	files_line_is("'a b' /x", "'a b'", "/x");
	files_line_is("{{ A }}/x /y", "{{ A }}/x", "/y");
	files_line_is("a\"b\"", "a", "b");
	files_line_is("\"open", "open", "");
}

static void script_is(const char *text, const char *want)
{
	CLEANUP_DEFINITION struct definition *d = parse(text);
	CLEANUP_BUFFER struct buffer out = { 0 };
	assert_ok(definition_script_text(definition_section(d, "runscript"), &out, err));
	assert_string_equal(out.data, want);
}

static void test_script_text(void **state)
{
	(void)state;
	script_is(H "%runscript\n  echo\n", "#!/bin/sh\n\n  echo\n\n");
	script_is(H "%runscript\n#!/bin/bash  \necho\n", "#!/bin/bash\n\necho\n\n");
	script_is(H "%runscript\n\n#!/bin/bash\necho\n", "\n\n#!/bin/bash\necho\n\n");
	script_is(H "%runscript -e  # c\necho\n", "#!/bin/sh -e  \n\necho\n\n");
}

static void test_generate(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d = NULL;
	assert_ok(definition_generate("localimage", "plain.sif", 9, &d, err));
	assert_string_equal(d->text.data, "bootstrap: localimage\nfrom: plain.sif\n\n");
	assert_int_equal(d->text.len, 39);
	assert_string_equal(definition_header(d, "from"), "plain.sif");
	definition_free(&d);
	assert_ok(definition_generate("https", "host/a.sif?key=word", 10, &d, err));
	assert_string_equal(d->text.data, "bootstrap: https\nfrom: host/a.sif\n\n");
	assert_string_equal(definition_header(d, "from"), "host/a.sif");
	assert_string_equal(d->unshown, "?key=word");
}

/* Any cut and any changed byte of a definition: an error or a definition, and no more. */
static void test_mangled(void **state)
{
	(void)state;
	static const char text[] = "#c\nBootstrap: localimage\nFrom: a\\\nb\n%arguments\nA=1\n"
				   "%files from x\n\"a b\" c\n%post -c x\n{{ A }}\n%apprun y\nz\n";
	char copy[sizeof(text)];
	CLEANUP_DEFINITION struct definition *whole = NULL;
	log_set_level(LOG_ERROR);
	assert_ok(definition_parse(text, sizeof(text) - 1, &none, &whole, err));
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (unsigned c = 0; c < 256; c += i % 3 + 1) {
			struct error *err = NULL;
			CLEANUP_DEFINITION struct definition *d = NULL;
			memcpy(copy, text, sizeof(text));
			copy[i] = (char)c;
			if (definition_parse(copy, sizeof(text) - 1, &none, &d, &err) < 0)
				assert_true(error_kind(err) == ERROR_DAMAGED ||
					    error_kind(err) == ERROR_USAGE);
			else
				assert_true(d->stages > 0);
			error_free(&err);
		}
	}
	log_set_level(LOG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_apps),
		cmocka_unit_test(test_files_from_stages),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_odd_input),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_long_section),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_arguments_of_a_stage),
		cmocka_unit_test(test_script_options),
		cmocka_unit_test(test_check_scripts),
		cmocka_unit_test(test_files_line),
		cmocka_unit_test(test_script_text),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_mangled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
