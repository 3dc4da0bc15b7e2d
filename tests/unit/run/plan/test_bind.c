/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

#include <unistd.h>

static void check(const struct run_binds *b, size_t i, const char *source, const char *target,
		  bool read_only)
{
	assert_true(i < b->len);
	assert_string_equal(b->items[i].source, source);
	assert_string_equal(b->items[i].target, target);
	assert_int_equal(b->items[i].read_only, read_only);
}

static void source_alone(void **state)
{
	(void)state;
	struct run_binds b = { 0 };
	assert_ok(run_bind_parse("/etc,/usr/../opt/", &b, err));
	assert_int_equal(b.len, 2);
	check(&b, 0, "/etc", "/etc", false);
	check(&b, 1, "/opt", "/opt", false);
	run_binds_free(&b);
}

static void relative_source(void **state)
{
	(void)state;
	struct run_binds b = { 0 };
	assert_int_equal(chdir("/usr"), 0);
	assert_ok(run_bind_parse("bin:/b,lib", &b, err));
	check(&b, 0, "/usr/bin", "/b", false);
	check(&b, 1, "/usr/lib", "/usr/lib", false);
	run_binds_free(&b);
}

static void options(void **state)
{
	(void)state;
	struct run_binds b = { 0 };
	/* "ro" stays once it was said; the next bind is none of its business. */
	assert_ok(run_bind_parse("/a:/b:ro,rw,/c:/d:rw,/e", &b, err));
	assert_int_equal(b.len, 3);
	check(&b, 0, "/a", "/b", true);
	check(&b, 1, "/c", "/d", false);
	check(&b, 2, "/e", "/e", false);
	run_binds_free(&b);
}

static void escapes(void **state)
{
	(void)state;
	struct run_binds b = { 0 };
	assert_ok(run_bind_parse("/a\\:b\\,c:/x,:/only", &b, err));
	assert_int_equal(b.len, 2);
	check(&b, 0, "/a:b,c", "/x", false);
	check(&b, 1, "/only", "/only", false);
	run_binds_free(&b);
}

static void bad_binds(void **state)
{
	(void)state;
	static const char *const bad[] = { "/a:b", "/a:/b:foo", "/a:/b:ro:x", "/a:./x" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct run_binds b = { 0 };
		assert_fails(ERROR_USAGE, run_bind_parse(bad[i], &b, err));
		run_binds_free(&b);
	}
}

static void of_images(void **state)
{
	(void)state;
	static const char *const no_ids[] = { "/a:/b:id=", "/a:/b:id=-1", "/a:/b:id= 1",
					      "/a:/b:id=1x", "/a:/b:ro,id=4294967296" };
	struct run_binds b = { 0 };
	assert_ok(run_bind_parse("/a:/b:image-src=/in,id=3,ro,/c:/d:image-src=,/e", &b, err));
	assert_ok(run_mount_parse("src=/f,dst=/g,image-src=sub\nsrc=/h,dst=/i,id=7", &b, err));
	assert_int_equal(b.len, 5);
	check(&b, 0, "/a", "/b", true);
	check(&b, 1, "/c", "/d", false);
	check(&b, 2, "/e", "/e", false);
	static const struct {
		const char *image_src;
		uint32_t id;
	} want[] = { { "/in", 3 }, { "/", 0 }, { NULL, 0 }, { "sub", 0 }, { "/", 7 } };
	for (size_t i = 0; i < b.len; i++) {
		assert_int_equal(b.items[i].id, want[i].id);
		if (want[i].image_src)
			assert_string_equal(b.items[i].image_src, want[i].image_src);
		else
			assert_null(b.items[i].image_src);
	}
	for (size_t i = 0; i < sizeof(no_ids) / sizeof(*no_ids); i++)
		assert_fails(ERROR_USAGE, run_bind_parse(no_ids[i], &b, err));
	assert_int_equal(b.len, 5);
	run_binds_free(&b);
}

static void mounts(void **state)
{
	(void)state;
	struct run_binds b = { 0 };
	assert_ok(run_mount_parse("type=bind,src=/a,target=/b,ro\n"
				  "\"source=/x,\"\"y\"\"\",dst=/z,nonested\n",
				  &b, err));
	assert_int_equal(b.len, 2);
	check(&b, 0, "/a", "/b", true);
	check(&b, 1, "/x,\"y\"", "/z", false);
	assert_true(b.items[0].nested);
	assert_false(b.items[1].nested);
	run_binds_free(&b);
}

static void bad_mounts(void **state)
{
	(void)state;
	static const char *const bad[] = { "type=tmpfs,dst=/x",
					   "src=/a",
					   "dst=/a",
					   "src=/a,dst=/b,rw",
					   "src=/a,dst=/b,foo=1",
					   "src,dst=/b",
					   "src=/a,dst=relative",
					   "type,src=/a,dst=/b",
					   "src=/a,dst=/b,bind-propagation=shared" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct run_binds b = { 0 };
		assert_fails(ERROR_USAGE, run_mount_parse(bad[i], &b, err));
		run_binds_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_alone), cmocka_unit_test(relative_source),
		cmocka_unit_test(options),	cmocka_unit_test(escapes),
		cmocka_unit_test(bad_binds),	cmocka_unit_test(of_images),
		cmocka_unit_test(mounts),	cmocka_unit_test(bad_mounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
