/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "tree/apps.h"
#include "tree/metadata.h"
#include "tree.h"

static int root = -1;

static int enter(void **state)
{
	if (enter_directory(state) < 0 || mkdir("root", 0755) < 0)
		return -1;
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int leave(void **state)
{
	fd_close(&root);
	return leave_directory(state);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, enter, leave)

static struct definition *parse(const char *sections)
{
	struct definition_arguments none = { 0 };
	struct definition *d = NULL;
	CLEANUP_TEXT char *text = NULL;
	assert_int_not_equal(asprintf(&text, "Bootstrap: scratch\n%s", sections), -1);
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	return d;
}

static void test_install_text(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d =
		parse("%apprun one\n true\n%appinstall two\n make\n%appinstall one\n cmake\n"
		      "%appinstall two\n install\n");
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(apps_install_text(d, &text, err));
	assert_string_equal(text.data, "\ncd /\n. /scif/apps/one/scif/env/01-base.sh\n"
				       "cd /scif/apps/one\n cmake\n\ncd /\n"
				       "\ncd /\n. /scif/apps/two/scif/env/01-base.sh\n"
				       "cd /scif/apps/two\n make\n install\n\ncd /\n");
	/* What a shell would take for something else. */
	CLEANUP_DEFINITION struct definition *odd = parse("%apphelp $(touch\tx)'y\nz\n");
	CLEANUP_BUFFER struct buffer quoted = { 0 };
	assert_ok(apps_install_text(odd, &quoted, err));
	assert_string_equal(quoted.data,
			    "\ncd /\n. '/scif/apps/$(touch\tx)'\\''y/scif/env/01-base.sh'\n"
			    "cd '/scif/apps/$(touch\tx)'\\''y'\n\ncd /\n");
	CLEANUP_DEFINITION struct definition *without = parse("%post\n true\n");
	CLEANUP_BUFFER struct buffer nothing = { 0 };
	assert_ok(apps_install_text(without, &nothing, err));
	assert_int_equal(nothing.len, 0);
}

static void files_line_is(const char *line, const char *source, const char *destination)
{
	CLEANUP_TEXT char *first = NULL, *second = NULL;
	assert_ok(apps_files_line(span_of(line, strlen(line)), &first, &second, err));
	assert_string_equal(first ? first : "none", source);
	assert_string_equal(second ? second : "none", destination);
}

static void test_files_line(void **state)
{
	(void)state;
	files_line_is("", "none", "none");
	files_line_is("  # a b", "none", "none");
	files_line_is("\ta", "a", "a");
	files_line_is("a b c # d", "a", "b c");
	files_line_is("a   b", "a", "b");
	files_line_is("a#b c", "a", "a");
	files_line_is("\"a b\"", "\"a", "b\"");
}

static void test_write(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d = parse(
		"%appenv one\n export A=1\n%apprun one\n#!/bin/bash\n run\n%appstart one\n start\n"
		"%apptest one\n test\n%apphelp one\n help\n%applabels one\n# no\n k v w\n only\n"
		"%appfiles one\n file\n file bin/f\n%appfiles h\xc3\xa9-2\n\n");
	put_file("file", 0640, "F");
	assert_ok(tree_make_directory(root, "/.singularity.d/env", 0755, err));
	assert_ok(tree_write(root, "/.singularity.d/env/94-appsbase.sh", 0755, "# base\n", 7, err));
	assert_ok(apps_write(root, d, err));
	file_is("root/scif/apps/one/scif/env/01-base.sh", 0755,
		"#!/bin/sh\n# Where this app and its data are.\nexport SCIF_DATA=/scif/data\n"
		"export SCIF_APPNAME=one\nexport SCIF_APPROOT=/scif/apps/one\n"
		"export SCIF_APPMETA=/scif/apps/one/scif\nexport SCIF_APPDATA=/scif/data/one\n"
		"export SCIF_APPINPUT=/scif/data/one/input\n"
		"export SCIF_APPOUTPUT=/scif/data/one/output\n");
	file_is("root/scif/apps/one/scif/env/90-environment.sh", 0755, " export A=1\n");
	file_is("root/scif/apps/one/scif/runscript", 0755, "#!/bin/sh\n\n#!/bin/bash\n run\n\n");
	file_is("root/scif/apps/one/scif/startscript", 0755, "#!/bin/sh\n\n start\n\n");
	file_is("root/scif/apps/one/scif/test", 0755, "#!/bin/sh\n\n test\n\n");
	file_is("root/scif/apps/one/scif/runscript.help", 0644, " help\n");
	file_is("root/scif/apps/one/scif/labels.json", 0644,
		"{\n\t\"SCIF_APP_NAME\": \"one\",\n\t\"k\": \"v w\",\n\t\"only\": \"\"\n}");
	file_is("root/scif/apps/one/file", 0640, "F");
	file_is("root/scif/apps/one/bin/f", 0640, "F");
	assert_int_equal(access("root/scif/apps/one/lib", F_OK), 0);
	assert_int_equal(access("root/scif/data/one/input", F_OK), 0);
	assert_int_equal(access("root/scif/data/one/output", F_OK), 0);
	assert_int_equal(access("root/scif/apps/h\xc3\xa9-2/scif/runscript", F_OK), -1);
	/* Variables of its name with _ for what none may have, a _ a character; those of the base
	 * stay. */
	file_is("root/.singularity.d/env/94-appsbase.sh", 0755,
		"# base\n# The app one\nexport SCIF_APPDATA_one=/scif/data/one\n"
		"export SCIF_APPMETA_one=/scif/apps/one/scif\n"
		"export SCIF_APPROOT_one=/scif/apps/one\nexport "
		"SCIF_APPBIN_one=/scif/apps/one/bin\n"
		"export SCIF_APPLIB_one=/scif/apps/one/lib\n"
		"export SCIF_APPENV_one=/scif/apps/one/scif/env/90-environment.sh\n"
		"export SCIF_APPLABELS_one=/scif/apps/one/scif/labels.json\n"
		"export SCIF_APPRUN_one=/scif/apps/one/scif/runscript\n"
		"export SCIF_APPSTART_one=/scif/apps/one/scif/startscript\n"
		"# The app h\xc3\xa9-2\nexport SCIF_APPDATA_h__2='/scif/data/h\xc3\xa9-2'\n"
		"export SCIF_APPMETA_h__2='/scif/apps/h\xc3\xa9-2/scif'\n"
		"export SCIF_APPROOT_h__2='/scif/apps/h\xc3\xa9-2'\n"
		"export SCIF_APPBIN_h__2='/scif/apps/h\xc3\xa9-2/bin'\n"
		"export SCIF_APPLIB_h__2='/scif/apps/h\xc3\xa9-2/lib'\n"
		"export SCIF_APPLABELS_h__2='/scif/apps/h\xc3\xa9-2/scif/labels.json'\n");
}

/* A base image of a stranger has a link where the app is to be. */
static void test_link_in_the_way(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d = parse("%apphelp one\n help\n");
	assert_int_equal(mkdir("outside", 0755), 0);
	assert_int_equal(mkdir("root/scif", 0755), 0);
	assert_int_equal(symlink("../../outside", "root/scif/apps"), 0);
	CLEANUP_ERROR struct error *err = NULL;
	(void)apps_write(root, d, &err);
	assert_int_equal(access("outside/one", F_OK), -1);
}

static void test_missing_file(void **state)
{
	(void)state;
	CLEANUP_DEFINITION struct definition *d = parse("%appfiles one\n nothing\n");
	CLEANUP_ERROR struct error *err = NULL;
	assert_int_equal(apps_write(root, d, &err), -1);
	assert_string_equal(error_message(err), "while copying nothing to /scif/apps/one/nothing: "
						"nothing: no such file or directory");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_install_text),
		cmocka_unit_test(test_files_line),
		IN_ROOT(test_write),
		IN_ROOT(test_link_in_the_way),
		IN_ROOT(test_missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
