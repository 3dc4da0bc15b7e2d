/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "config/config.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/coffer-config-XXXXXX";

static void write_config(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void defaults(struct config *c)
{
	struct error *e = NULL;
	config_default(c, &e);
	assert_null(e);
}

static void no_file(void **state)
{
	(void)state;
	struct config c;
	defaults(&c);
	assert_ok(config_read(&c, "/nonexistent/coffer.conf", err));
	assert_int_equal(c.bind_paths.len, 2);
	assert_true(c.allow_container_encrypted);
	assert_int_equal(c.sessiondir_max_mib, 64);
	assert_int_equal(c.image_cache_mib, 14);
	config_free(&c);
}

/* Only a file of root's is honoured, so only root can see it work. */
static void directives(void **state)
{
	(void)state;
	struct config c;
	defaults(&c);
	write_config("# comment\nallow container encrypted = no\n mount dev=minimal \n"
		     "unknown thing = 7\nsessiondir max size = 16\nimage cache size = 512\nbind "
		     "path = /a, /b:/c\n"
		     "bind path = /d\nmount encrypted = kernel\nmount home =\n",
		     0644);
	if (geteuid() != 0) {
		assert_fails(ERROR_POLICY, config_read(&c, path, err));
		config_free(&c);
		return;
	}
	assert_ok(config_read(&c, path, err));
	assert_false(c.allow_container_encrypted);
	assert_true(c.allow_container_sif);
	assert_int_equal(c.mount_dev, CONFIG_DEV_MINIMAL);
	assert_int_equal(c.sessiondir_max_mib, 16);
	assert_int_equal(c.image_cache_mib, 512);
	assert_true(c.mount_kernel);
	assert_true(c.mount_home);
	assert_int_equal(c.bind_paths.len, 3);
	assert_string_equal(c.bind_paths.items[1], "/b:/c");
	config_free(&c);

	/* With a file and no `bind path` there is none. */
	defaults(&c);
	write_config("mount tmp = no\n", 0644);
	assert_ok(config_read(&c, path, err));
	assert_int_equal(c.bind_paths.len, 0);
	assert_false(c.mount_tmp);
	config_free(&c);
}

static void bad_values(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"mount dev = maybe\n",	      "mount proc = 1\n",
		"sessiondir max size = 0\n",  "sessiondir max size = 18446744073709551615\n",
		"sessiondir max size = -3\n", "mount encrypted = x\n",
		"image cache size = 0\n",     "image cache size = 513\n"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct config c;
		defaults(&c);
		write_config(bad[i], 0644);
		assert_fails(ERROR_POLICY, config_read(&c, path, err));
		config_free(&c);
	}
}

static void others_may_write(void **state)
{
	(void)state;
	static const mode_t modes[] = { 0664, 0646, 0666 };
	for (size_t i = 0; i < 3; i++) {
		struct config c;
		defaults(&c);
		write_config("allow container encrypted = no\n", modes[i]);
		assert_fails(ERROR_POLICY, config_read(&c, path, err));
		assert_true(c.allow_container_encrypted);
		config_free(&c);
	}
	if (geteuid() == 0) {
		struct config c;
		defaults(&c);
		write_config("mount tmp = no\n", 0644);
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_fails(ERROR_POLICY, config_read(&c, path, err));
		assert_int_equal(chown(path, 0, 0), 0);
		config_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file),
		cmocka_unit_test(directives),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(others_may_write),
	};
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	(void)close(fd);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return r;
}
