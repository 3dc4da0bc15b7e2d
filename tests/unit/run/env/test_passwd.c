/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

static struct run_plan plan(uid_t inside)
{
	return (struct run_plan){
		.user = (char *)"ann",
		.gecos = (char *)"Ann A.",
		.home = (char *)"/h/ann",
		.shell = (char *)"/bin/zsh",
		.inside_uid = inside,
		.inside_gid = 100,
	};
}

static void user_is_added(void **state)
{
	(void)state;
	struct run_plan p = plan(1000);
	struct buffer out = { 0 };
	assert_ok(run_passwd_text("root:x:0:0:root:/root:/bin/sh\n", &p, &out, err));
	assert_string_equal(out.data, "root:x:0:0:root:/root:/bin/sh\n"
				      "ann:x:1000:100:Ann A.:/h/ann:/bin/zsh\n");
	buffer_free(&out);
}

static void entry_is_changed(void **state)
{
	(void)state;
	struct run_plan p = plan(1000);
	struct buffer out = { 0 };
	assert_ok(run_passwd_text("app:*:1000:7:App:/app:/bin/ash\nx:x:1:1:::", &p, &out, err));
	assert_string_equal(out.data, "ann:*:1000:7:Ann A.:/h/ann:/bin/ash\nx:x:1:1:::\n");
	buffer_free(&out);
}

static void root_keeps_its_name(void **state)
{
	(void)state;
	struct run_plan p = plan(0);
	struct buffer out = { 0 };
	assert_ok(run_passwd_text("root:x:0:0:The root:/root:/bin/sh\n", &p, &out, err));
	assert_string_equal(out.data, "root:x:0:0:The root:/h/ann:/bin/sh\n");
	buffer_free(&out);
}

static void broken_lines(void **state)
{
	(void)state;
	static const char *const bad[] = { "root",	  "a:x:0:0:::/x:y",	 "a:x:z:0:::",
					   "a:x:-1:0:::", "a:x:4294967296:0:::", "a:x:0" };
	struct run_plan p = plan(1000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buffer out = { 0 };
		assert_fails(ERROR_DAMAGED, run_passwd_text(bad[i], &p, &out, err));
		buffer_free(&out);
	}
}

static void user_cannot_break_lines(void **state)
{
	(void)state;
	struct run_plan p = plan(1000);
	struct buffer out = { 0 };
	p.gecos = (char *)"x\nevil:x:0:0:::";
	assert_ok(run_passwd_text("", &p, &out, err));
	assert_string_equal(out.data, "ann:x:1000:100::/h/ann:/bin/zsh\n");
	buffer_free(&out);
}

static void groups(void **state)
{
	(void)state;
	struct run_plan p = plan(1000);
	struct buffer out = { 0 };
	assert_ok(strings_add(&p.groups, "users:x:100:ann", err));
	assert_ok(run_group_text("root:x:0:", &p, &out, err));
	assert_string_equal(out.data, "root:x:0:\nusers:x:100:ann\n");
	buffer_free(&out);
	strings_free(&p.groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_is_added),	   cmocka_unit_test(entry_is_changed),
		cmocka_unit_test(root_keeps_its_name),	   cmocka_unit_test(broken_lines),
		cmocka_unit_test(user_cannot_break_lines), cmocka_unit_test(groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
