/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <json.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/metadata.h"

static struct definition_arguments none;
static char directory[64];
static int root = -1;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/coffer-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int remove_root(void **state)
{
	(void)state;
	fd_close(&root);
	return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void content_is(const char *path, mode_t mode, const char *want)
{
	CLEANUP_BUFFER struct buffer got = { 0 };
	struct stat st;
	assert_ok(tree_read(root, path, 1 << 20, &got, err));
	assert_string_equal(got.data ? got.data : "", want);
	assert_int_equal(fstatat(root, path + 1, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void put(const char *path, const char *text)
{
	assert_ok(tree_write(root, path, 0755, text, strlen(text), err));
}

static void test_labels(void **state)
{
	(void)state;
	struct labels l = { 0 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	static const char lines[] = "  b two words \n# c\n\na\nl\tv\nq \"x\" # y\nb again\n";
	static const char text[] = "{\"z\": \"1\", \"a\": \"old\", \"z\": \"2\"}";
	assert_ok(labels_read_json(&l, text, strlen(text), err));
	assert_ok(labels_read_json(&l, "null", 4, err));
	assert_ok(labels_read_lines(&l, span_of(lines, strlen(lines)), err));
	assert_ok(labels_put_json(&l, true, &out, err));
	assert_string_equal(out.data,
			    "{\n\t\"a\": \"\",\n\t\"b\": \"again\",\n\t\"l\\tv\": \"\",\n\t"
			    "\"q\": \"\\\"x\\\" # y\",\n\t\"z\": \"2\"\n}");
	static const char *const bad[] = { "",		 "{",	  "[]",
					   "{\"a\": 1}", "\"x\"", "{\"a\": {\"b\": \"c\"}}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(ERROR_DAMAGED, labels_read_json(&l, bad[i], strlen(bad[i]), err));
	CLEANUP_BUFFER struct buffer deep = { 0 };
	for (int i = 0; i < 100000; i++)
		assert_ok(buffer_puts(&deep, "{\"a\":", err));
	assert_fails(ERROR_DAMAGED, labels_read_json(&l, deep.data, deep.len, err));
	labels_free(&l);
}

/* The object that the original made, from the texts that are in it. */
static void test_inspect_reference(void **state)
{
	(void)state;
	CLEANUP_TEXT char *path = NULL;
	char want[2106 + 1] = { 0 };
	assert_int_not_equal(asprintf(&path, "%s/plain.sif", getenv("COFFER_FIXTURES")), -1);
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_pread(fd, want, sizeof(want) - 1, 32388), sizeof(want) - 1);
	struct json_object *all = json_tokener_parse(want), *data, *attributes, *o;
	assert_true(json_object_object_get_ex(all, "data", &data));
	assert_true(json_object_object_get_ex(data, "attributes", &attributes));
	assert_ok(tree_make_directory(root, "/.singularity.d/env", 0755, err));
	static const char *const files[][2] = { { "runscript", "runscript" },
						{ "helpfile", "runscript.help" },
						{ "deffile", "Singularity" },
						{ "startscript", "startscript" } };
	for (size_t i = 0; i < 4; i++) {
		CLEANUP_TEXT char *text = NULL, *to = NULL;
		assert_true(json_object_object_get_ex(attributes, files[i][0], &o));
		assert_int_not_equal(asprintf(&text, "%s\n\n", json_object_get_string(o)), -1);
		assert_int_not_equal(asprintf(&to, "/.singularity.d/%s", files[i][1]), -1);
		put(to, text);
	}
	assert_true(json_object_object_get_ex(attributes, "labels", &o));
	put("/.singularity.d/labels.json", json_object_to_json_string(o));
	assert_true(json_object_object_get_ex(attributes, "environment", &o));
	json_object_object_foreach(o, key, value) put(key, json_object_get_string(value));
	/* What is not one of the files does not show. */
	put("/.singularity.d/env/99-base.sh", "x");
	put("/.singularity.d/env/10-other.sh", "x");
	json_object_put(all);
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(metadata_inspect(root, &got, err));
	assert_string_equal(got.data, want);
}

/* A file and a label of letters that JSON writes with six each. */
static void test_inspect_too_much(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 }, letters = { 0 }, label = { 0 };
	assert_ok(tree_make_directory(root, "/.singularity.d", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/a/scif", 0755, err));
	for (size_t i = 0; i < METADATA_TEXTS_MAX / 5; i++)
		assert_ok(buffer_append(&letters, "<", 1, err));
	put("/.singularity.d/test", letters.data);
	assert_fails(ERROR_LIMIT, metadata_inspect(root, &got, err));
	CLEANUP_FD int fd = openat(root, ".singularity.d/test", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, METADATA_TEXTS_MAX / 7), 0);
	buffer_free(&got);
	assert_ok(metadata_inspect(root, &got, err));
	assert_int_equal(unlinkat(root, ".singularity.d/test", 0), 0);
	buffer_free(&got);
	assert_ok(buffer_printf(&label, err, "{\"a\":\"%s\"}", letters.data));
	put("/scif/apps/a/scif/labels.json", label.data);
	assert_fails(ERROR_LIMIT, metadata_inspect(root, &got, err));
}

/* NULs are dropped, as the peer's shell does it; a folder is an app where it has a folder scif. */
static void test_inspect_apps_and_nul(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(tree_make_directory(root, "/.singularity.d", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/.hidden/scif", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/none", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/one/scif/env", 0755, err));
	put("/scif/apps/one/scif/env/10-docker.sh", "x");
	put("/scif/apps/one/scif/Singularity", "x");
	assert_ok(tree_write(root, "/.singularity.d/test", 0755, "a\0b\n\0", 5, err));
	assert_ok(metadata_inspect(root, &got, err));
	assert_string_equal(got.data, "{\"data\":{\"attributes\":{\"apps\":{\"one\":{}},"
				      "\"test\":\"ab\"}},\"type\":\"container\"}");
}

/* What is shown now: labels where they are asked for, an app's own definition. */
static void test_show(void **state)
{
	(void)state;
	static const struct {
		struct metadata_asked asked;
		const char *app, *image;
	} cases[] = {
		{ { 0 }, "\"deffile\":\"d\"", "" },
		{ { .labels = true }, "\"deffile\":\"d\"", "\"labels\":{\"i\":\"\"}" },
		{ { .labels = true, .app = "a" },
		  "\"labels\":{\"l\":\"1\"},\"deffile\":\"d\"",
		  "" },
		{ { .labels = true, .app = "b" }, "\"deffile\":\"d\"", "" },
		{ { .all = true },
		  "\"labels\":{\"l\":\"1\"},\"deffile\":\"d\"",
		  "\"labels\":{\"i\":\"\"}" },
	};
	assert_ok(tree_make_directory(root, "/.singularity.d", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/a/scif", 0755, err));
	put("/scif/apps/a/scif/Singularity", "d");
	put("/scif/apps/a/scif/labels.json", "{\"l\":\"1\"}");
	put("/.singularity.d/labels.json", "{\"i\":1}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP_BUFFER struct buffer got = { 0 };
		CLEANUP_TEXT char *want = NULL;
		assert_int_not_equal(
			asprintf(&want,
				 "{\"data\":{\"attributes\":{\"apps\":{\"a\":{%s}}%s%s}},"
				 "\"type\":\"container\"}",
				 cases[i].app, *cases[i].image ? "," : "", cases[i].image),
			-1);
		assert_ok(metadata_show_folder(root, &cases[i].asked, &got, err));
		assert_string_equal(got.data, want);
	}
}

/* As Go's decoder complains: runtime.md 16. */
static void test_labels_shown(void **state)
{
	(void)state;
	static const struct {
		const char *text, *labels, *complaint;
	} cases[] = {
		{ "{\"a\":\"b\",\"n\":null}", "{\"a\":\"b\",\"n\":\"\"}", "" },
		{ "null", "{}", "" },
		{ "{\"a\":[1],\"b\":2,\"c\":\"x\"}", "{\"a\":\"\",\"b\":\"\",\"c\":\"x\"}",
		  "json: cannot unmarshal array into Go value of type string" },
		{ "{\"a\":true}", "{\"a\":\"\"}",
		  "json: cannot unmarshal bool into Go value of type string" },
		{ "[]", "{}",
		  "json: cannot unmarshal array into Go value of type map[string]string" },
		{ "", "{}", "unexpected end of JSON input" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct labels l = { 0 };
		CLEANUP_BUFFER struct buffer complaint = { 0 }, json = { 0 };
		assert_ok(labels_read_shown(&l, cases[i].text, strlen(cases[i].text), &complaint,
					    err));
		assert_ok(labels_put_json(&l, false, &json, err));
		assert_string_equal(json.data, cases[i].labels);
		assert_string_equal(complaint.data ? complaint.data : "", cases[i].complaint);
		labels_free(&l);
	}
	struct labels l = { 0 };
	CLEANUP_BUFFER struct buffer complaint = { 0 };
	assert_ok(labels_read_shown(&l, "{\"a\":", 5, &complaint, err));
	assert_int_equal(l.count, 0);
	assert_true(complaint.len > 0);
}

static void test_inspect_parts(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(metadata_inspect(root, &got, err));
	assert_string_equal(got.data, "{\"data\":{\"attributes\":{}},\"type\":\"container\"}");
	buffer_free(&got);
	assert_ok(tree_make_directory(root, "/.singularity.d/env", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/b/scif/env", 0755, err));
	assert_ok(tree_make_directory(root, "/scif/apps/a/scif", 0755, err));
	put("/.singularity.d/env/91-environment.sh", "");
	put("/.singularity.d/env/10-docker2singularity.sh", "d");
	put("/.singularity.d/test", "t\n");
	put("/scif/apps/b/scif/env/90-environment.sh", "e");
	put("/scif/apps/b/scif/runscript", "r");
	/* A pipe in the place of a file must not make the builder wait. */
	assert_int_equal(mkfifoat(root, ".singularity.d/runscript", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", root, ".singularity.d/startscript"), 0);
	assert_ok(metadata_inspect(root, &got, err));
	assert_string_equal(
		got.data,
		"{\"data\":{\"attributes\":{\"apps\":{\"a\":{},\"b\":{\"environment\":{"
		"\"/scif/apps/b/scif/env/90-environment.sh\":\"e\"},\"runscript\":\"r\"}},"
		"\"environment\":{\"/.singularity.d/env/10-docker2singularity.sh\":\"d\","
		"\"/.singularity.d/env/91-environment.sh\":\"\"},\"test\":\"t\"}},"
		"\"type\":\"container\"}");
}

static void test_base(void **state)
{
	(void)state;
	struct stat st;
	char target[64] = { 0 };
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	put("/etc/hosts", "mine");
	assert_int_equal(fchmodat(root, "etc/hosts", 0600, 0), 0);
	assert_int_equal(symlinkat("elsewhere", root, "singularity"), 0);
	put("/environment", "kept");
	assert_ok(metadata_write_base(root, false, err));
	content_is("/etc/hosts", 0644, "mine");
	content_is("/environment", 0755, "kept");
	assert_int_equal(readlinkat(root, "singularity", target, 63), 24);
	assert_string_equal(target, ".singularity.d/runscript");
	assert_int_equal(fstatat(root, "var/tmp", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	for (const struct standard_script *s = standard_scripts; s->path; s++) {
		CLEANUP_TEXT char *command = NULL;
		content_is(s->path, 0755, s->text);
		assert_int_not_equal(asprintf(&command, "/bin/sh -n %s%s", directory, s->path), -1);
		assert_int_equal(system(command), 0);
	}
	put("/.singularity.d/runscript", "own");
	assert_ok(metadata_write_base(root, false, err));
	content_is("/.singularity.d/runscript", 0755, "own");
	assert_ok(metadata_write_base(root, true, err));
	content_is("/etc/hosts", 0644, "");
}

/* Links of a hostile tree lead nowhere but into the tree. */
static void test_base_hostile(void **state)
{
	(void)state;
	char victim[96];
	snprintf(victim, sizeof(victim), "%s/outside", directory);
	assert_int_equal(mkdirat(root, "outside", 0755), 0);
	assert_int_equal(mkdirat(root, "tree", 0755), 0);
	CLEANUP_FD int whole = root;
	root = openat(whole, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat(victim, root, ".singularity.d"), 0);
	assert_int_equal(symlinkat("../outside", root, "etc"), 0);
	struct error *why = NULL;
	/* A link that leads nowhere in the tree cannot be a folder: an error, nothing written. */
	assert_int_equal(metadata_write_base(root, true, &why), -1);
	error_free(&why);
	CLEANUP_STRINGS struct strings names = { 0 };
	assert_ok(tree_list(whole, "/outside", &names, err));
	assert_int_equal(names.len, 0);
}

static void test_write(void **state)
{
	(void)state;
	static const char text[] = "Bootstrap: scratch\n%help\nh\n%labels\na 1\norg.label-schema."
				   "schema-version 2\n%environment\nA=1\n%runscript\n#!/bin/x\nr\n"
				   "%test\nt\n%startscript\ns\n";
	CLEANUP_DEFINITION struct definition *d = NULL;
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	struct metadata_options o = { .arch = "amd64", .time = 1795460797 };
	setenv("TZ", "UTC", 1);
	log_set_level(LOG_FATAL);
	assert_ok(metadata_write_base(root, true, err));
	put("/.singularity.d/labels.json", "{\"base\": \"b\", \"a\": \"0\"}");
	put("/.build.labels", "post p\nbase q\norg.label-schema.build-arch x\n");
	put("/.singularity.d/Singularity", "old");
	assert_ok(metadata_write(root, d, &o, err));
	assert_false(tree_exists(root, "/.build.labels"));
	content_is("/.singularity.d/bootstrap_history/Apptainer0", 0755, "old");
	content_is("/.singularity.d/Singularity", 0644, text);
	content_is("/.singularity.d/runscript.help", 0644, "h\n\n");
	content_is("/.singularity.d/runscript", 0755, "#!/bin/x\n\nr\n\n");
	content_is("/.singularity.d/test", 0755, "#!/bin/sh\n\nt\n\n");
	content_is("/.singularity.d/startscript", 0755, "#!/bin/sh\n\ns\n\n");
	CLEANUP_BUFFER struct buffer labels = { 0 }, environment = { 0 };
	assert_ok(tree_read(root, "/.singularity.d/labels.json", 4096, &labels, err));
	assert_non_null(strstr(labels.data, "{\n\t\"a\": \"0\",\n\t\"base\": \"q\",\n\t\"org."));
	assert_non_null(strstr(labels.data, "build-arch\": \"amd64\""));
	/* A number that others compare. */
	assert_non_null(strstr(labels.data, "usage.apptainer.version\": \"1.4.5+coffer."));
	assert_non_null(strstr(labels.data, "schema-version\": \"1.0\""));
	assert_non_null(strstr(labels.data, "date\": \"Monday_23_November_2026_19:6:37_UTC\""));
	assert_non_null(strstr(labels.data, "deffile.bootstrap\": \"scratch\""));
	assert_non_null(strstr(labels.data, "usage\": \"/.singularity.d/runscript.help\""));
	assert_non_null(strstr(labels.data, "\"post\": \"p\"\n}"));
	assert_ok(
		tree_read(root, "/.singularity.d/env/90-environment.sh", 4096, &environment, err));
	assert_string_equal(environment.data + environment.len - 6, "\nA=1\n\n");
	/* Once more, by force: the labels are replaced. */
	o.force = true;
	labels.len = 0;
	assert_ok(metadata_write(root, d, &o, err));
	assert_ok(tree_read(root, "/.singularity.d/labels.json", 4096, &labels, err));
	assert_non_null(strstr(labels.data, "\"a\": \"1\""));
	assert_non_null(strstr(labels.data, "schema-version\": \"2\""));
	content_is("/.singularity.d/bootstrap_history/Apptainer1", 0644, text);
	log_set_level(LOG_INFO);
}

static void test_sections_chosen(void **state)
{
	(void)state;
	static const char text[] = "Bootstrap: scratch\n%help\nh\n%runscript\nr\n%test\nt\n";
	CLEANUP_DEFINITION struct definition *d = NULL;
	CLEANUP_STRINGS struct strings chosen = { 0 };
	assert_ok(definition_parse(text, strlen(text), &none, &d, err));
	assert_ok(strings_add(&chosen, "runscript", err));
	struct metadata_options o = { .arch = "amd64", .sections = &chosen };
	log_set_level(LOG_FATAL);
	assert_ok(metadata_write_base(root, true, err));
	assert_ok(metadata_write(root, d, &o, err));
	log_set_level(LOG_INFO);
	content_is("/.singularity.d/runscript", 0755, "#!/bin/sh\n\nr\n\n");
	assert_false(tree_exists(root, "/.singularity.d/test"));
	assert_false(tree_exists(root, "/.singularity.d/runscript.help"));
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_labels_shown),
		IN_ROOT(test_show),
		IN_ROOT(test_inspect_apps_and_nul),
		IN_ROOT(test_inspect_reference),
		IN_ROOT(test_inspect_parts),
		IN_ROOT(test_base),
		IN_ROOT(test_base_hostile),
		IN_ROOT(test_write),
		IN_ROOT(test_sections_chosen),
		IN_ROOT(test_inspect_too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
