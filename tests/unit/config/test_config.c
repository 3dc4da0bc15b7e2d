/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "config/config.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/coffer-config-XXXXXX";
static char path[64], other[64], ecl[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(name, mode), 0);
}

static void defaults(struct config *c)
{
	struct error *e = NULL;
	config_default(c, &e);
	assert_null(e);
}

static int parse_text(struct config *c, const char *text, bool tighten, struct error **err)
{
	struct buffer copy CLEANUP_BUFFER = { 0 };
	if (buffer_puts(&copy, text, err) < 0)
		return -1;
	return tighten ? config_tighten(c, "x.conf", &copy, err)
		       : config_parse(c, "x.conf", &copy, err);
}

/* What the text makes of the defaults. */
static void parsed(struct config *c, const char *text)
{
	defaults(c);
	assert_ok(parse_text(c, text, false, err));
}

static void no_file(void **state)
{
	(void)state;
	struct config c;
	defaults(&c);
	assert_ok(config_read(&c, "/nonexistent/coffer.conf", NULL, err));
	assert_int_equal(c.bind_paths.len, 2);
	assert_string_equal(c.bind_paths.items[1], "/etc/hosts");
	assert_true(c.allow_container_encrypted);
	assert_true(c.mount_slave);
	assert_int_equal(c.mount_dev, CONFIG_DEV_YES);
	assert_false(c.require_encrypted);
	assert_null(c.seccomp_profile);
	assert_false(c.limits_owners);
	assert_int_equal(c.audit, CONFIG_AUDIT_NO);
	assert_int_equal(c.sessiondir_max_mib, 64);
	assert_int_equal(c.image_cache_mib, 14);
	/* One that was asked for may not be missing. */
	assert_fails(ERROR_NOT_FOUND,
		     config_read(&c, "/nonexistent/coffer.conf", "/nonexistent/mine", err));
	config_free(&c);
}

static void directives(void **state)
{
	(void)state;
	struct config c;
	parsed(&c, "# comment\nallow container encrypted = no\n mount dev=minimal \n"
		   "sessiondir max size = 16\nimage cache size = 512\nbind path = /a, /b:/c\n"
		   "bind path = /d\nmount encrypted = kernel\nrequire encrypted = yes\n"
		   "limit container owners = root, 7\nimage driver =\n"
		   "seccomp profile = /etc/coffer/x.json # ours\n"
		   "allow netns paths = /run/..a/a../.../b\n");
	assert_false(c.allow_container_encrypted);
	assert_true(c.allow_container_sif);
	assert_int_equal(c.mount_dev, CONFIG_DEV_MINIMAL);
	assert_int_equal(c.sessiondir_max_mib, 16);
	assert_int_equal(c.image_cache_mib, 512);
	assert_true(c.mount_kernel);
	assert_true(c.mount_home);
	assert_true(c.require_encrypted);
	assert_int_equal(c.bind_paths.len, 3);
	assert_string_equal(c.bind_paths.items[1], "/b:/c");
	assert_true(c.limits_owners);
	assert_int_equal(c.limit_owners.len, 2);
	assert_string_equal(c.seccomp_profile, "/etc/coffer/x.json");
	assert_false(c.limits_paths);
	config_free(&c);

	/* With a file and no `bind path` there is none. */
	parsed(&c, "mount tmp = no\n");
	assert_int_equal(c.bind_paths.len, 0);
	assert_false(c.mount_tmp);
	config_free(&c);
}

/* Each of these is taken for what it means: no. */
static void as_people_write(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"mount tmp = no",
		"mount tmp=no\n",
		"mount tmp = no # why\n",
		"mount  tmp = no\n",
		"mount\ttmp\t=\tno\t\n",
		"mount tmp = \"no\"\n",
		"mount tmp = 'no' # why\n",
		"mount tmp = no\r\n",
		"\xEF\xBB\xBFmount tmp = no\n",
		"  mount tmp = no  \n",
		"#x\r\n\r\nmount tmp = no",
		"mount tmp = no\t#why\n",
		"mount tmp =\"no\"#why\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct config c;
		parsed(&c, lines[i]);
		if (c.mount_tmp)
			fail_msg("allowed: %s", lines[i]);
		config_free(&c);
	}
}

static void fails_with(const char *text, const char *words)
{
	struct config c;
	struct error *e = NULL;
	defaults(&c);
	assert_true(parse_text(&c, text, false, &e) < 0);
	assert_int_equal(error_kind(e), ERROR_POLICY);
	if (!strstr(error_message(e), words))
		fail_msg("%s: %s", text, error_message(e));
	error_free(&e);
	config_free(&c);
}

static void bad_lines(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "mount dev = maybe\n", "x.conf: line 1: value authorized for directive \"mount "
					 "dev\" are [yes no minimal]" },
		{ "\n#\nmount proc = 1\n",
		  "line 3: value authorized for directive \"mount proc\" are [yes no]" },
		{ "mount proc = NO\n", "are [yes no]" },
		{ "mount proc = no yes\n", "are [yes no]" },
		{ "mount proc == no\n", "are [yes no]" },
		{ "mount proc = no#why\n", "are [yes no]" },
		{ "sessiondir max size = 0\n", "from 1 to" },
		{ "sessiondir max size = 18446744073709551615\n", "from 1 to" },
		{ "sessiondir max size = -3\n", "from 1 to" },
		{ "sessiondir max size = 64 MB\n", "is not a number of MiB" },
		{ "max loop devices = x\n", "is not a number" },
		{ "mount encrypted = x\n", "[fuse kernel]" },
		{ "image cache size = 0\n", "from 1 to 512" },
		{ "image cache size = 513\n", "from 1 to 512" },
		{ "mount home =\n", "\"mount home\" has no value" },
		{ "mount home = # no\n", "\"mount home\" has no value" },
		{ "mount home = \"\"\n", "\"mount home\" has no value" },
		{ "limit container owners =\n", "has no value" },
		{ "limit container owners = a,,b\n", "empty item" },
		{ "limit container paths = data\n", "\"data\" of \"limit container paths\" is no "
						    "absolute path" },
		{ "limit container paths = /srv, /srv/images/../../home\n",
		  "\"/srv/images/../../home\" of \"limit container paths\" goes up with \"..\"" },
		{ "limit container paths = /srv/..\n", "goes up" },
		{ "allow netns paths = /../run\n", "goes up" },
		{ "bind path = etc\n", "no absolute path" },
		{ "seccomp profile = x.json\n",
		  "\"x.json\" of \"seccomp profile\" is no absolute" },
		{ "seccomp profile = /etc/../home/x.json\n", "is no absolute path without \"..\"" },
		{ "seccomp profile =\n", "has no value" },
		{ "seccomp profile = /a\nseccomp profile = /b\n",
		  "line 2: \"seccomp profile\" was" },
		{ "mount tmp: no\n", "\"mount tmp: no\" is no \"directive = value\"" },
		{ "mount tmp no\n", "is no \"directive = value\"" },
		{ "mount tmp\n", "is no \"directive = value\"" },
		{ "= no\n", "there is no directive \"\"" },
		{ "Mount Tmp = no\n", "\"mount tmp\" is meant?" },
		{ "mount_tmp = no\n", "\"mount tmp\" is meant?" },
		{ "alow container encrypted = no\n", "\"allow container encrypted\" is meant?" },
		{ "mount tmp: = no\n", "\"mount tmp\" is meant?" },
		{ "no such thing at all = 7\n", "there is no directive \"no such thing at all\"" },
		{ "mount tmp = no\nmount tmp = yes\n", "line 2: \"mount tmp\" was said in line 1" },
		{ "mount tmp = \"no\n", "not closed" },
		{ "mount tmp = \"no\" yes\n", "behind the quotation marks" },
		{ "mount tmp = n\"o\"\n", "round the whole value" },
		{ "mount tmp = no\rmount proc = no\n", "control character" },
		{ "mount tmp = no\vx\n", "control character" },
		{ "mount hostfs = yes\n", "coffer cannot do \"mount hostfs = yes\"" },
		{ "enable overlay = driver\n", "are [yes try no]" },
		{ "root default capabilities = file\n", "full no" },
		{ "memory fs type = ramfs\n", "coffer cannot do" },
		{ "use nvidia-container-cli = yes\n", "coffer cannot do" },
		{ "image driver = x\n", "coffer has no \"image driver\" to set" },
		{ "allow setuid = maybe\n", "are [yes no]" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		fails_with(bad[i].text, bad[i].words);
	struct config c;
	struct buffer nul CLEANUP_BUFFER = { 0 };
	defaults(&c);
	assert_ok(buffer_append(&nul, "mount tmp = yes\0\nmount tmp = no\n", 32, err));
	assert_fails(ERROR_POLICY, config_parse(&c, "x.conf", &nul, err));
	config_free(&c);
}

static void count(void *context, const struct error *fault)
{
	size_t *lines = context;
	assert_non_null(strstr(error_message(fault), *lines ? "line 4" : "line 1"));
	++*lines;
}

static void every_fault(void **state)
{
	(void)state;
	size_t told = 0;
	struct config c;
	struct error *e = NULL;
	defaults(&c);
	write_file(path, "mount tmp\nmount proc = no\n\nmount dev = x\n", 0644);
	assert_int_equal(config_check(&c, path, count, &told, &e), 2);
	assert_int_equal(told, 2);
	write_file(path, "mount proc = no\n", 0644);
	assert_int_equal(config_check(&c, path, count, &told, &e), 0);
	assert_fails(ERROR_NOT_FOUND, config_check(&c, "/nonexistent/x", count, &told, err));
	config_free(&c);
}

static void tightens(const char *site, const char *asked, const char *words)
{
	struct config c;
	struct error *e = NULL;
	parsed(&c, site);
	int r = parse_text(&c, asked, true, &e);
	if ((r == 0) != !words || (words && !strstr(error_message(e), words)))
		fail_msg("%s over %s: %s", asked, site, e ? error_message(e) : "taken");
	error_free(&e);
	config_free(&c);
}

/* --config of somebody who is not the administrator. */
static void only_tighter(void **state)
{
	(void)state;
	tightens("allow container sif = no\n", "allow container sif = yes\n",
		 "not as tight as the site has it (no)");
	tightens("mount proc = yes\n", "mount proc = no\n", NULL);
	tightens("mount proc = no\n", "mount proc = no\n", NULL);
	tightens("require encrypted = yes\n", "require encrypted = no\n", "(yes)");
	tightens("require encrypted = no\n", "require encrypted = yes\n", NULL);
	tightens("mount dev = minimal\n", "mount dev = yes\n", "(minimal)");
	tightens("mount dev = minimal\n", "mount dev = no\n", NULL);
	tightens("audit log = syslog\n", "audit log = no\n", "(syslog)");
	tightens("audit log = syslog\n", "audit log = required\n", NULL);
	tightens("mount encrypted = fuse\n", "mount encrypted = kernel\n", "(fuse)");
	tightens("sessiondir max size = 16\n", "sessiondir max size = 17\n", "(16)");
	tightens("sessiondir max size = 16\n", "sessiondir max size = 15\n", NULL);

	tightens("seccomp profile = /a\n", "seccomp profile = /a\n", NULL);
	tightens("seccomp profile = /a\n", "seccomp profile = /b\n", "(/a)");
	tightens("mount tmp = no\n", "seccomp profile = /a\n", "(none)");

	tightens("mksquashfs procs = 0\n", "mksquashfs procs = 2\n", NULL);
	tightens("mksquashfs procs = 2\n", "mksquashfs procs = 0\n", "(2)");

	/* What it does not speak of stays. */
	struct config c;
	parsed(&c, "allow container sif = no\nbind path = /a, /b\nlimit container owners = x\n"
		   "limit container paths = /data, /srv/images\n");
	assert_ok(parse_text(&c, "mount tmp = no\n", true, err));
	assert_false(c.allow_container_sif);
	assert_false(c.mount_tmp);
	assert_int_equal(c.bind_paths.len, 2);
	assert_true(c.limits_owners);
	/* Lists come down to what both have. */
	assert_ok(parse_text(&c,
			     "bind path = /c, /b\nlimit container owners = y\n"
			     "limit container paths = /data/mine, /srv, /database\n"
			     "limit container groups = g\n",
			     true, err));
	assert_int_equal(c.bind_paths.len, 1);
	assert_string_equal(c.bind_paths.items[0], "/b");
	assert_true(c.limits_owners);
	assert_int_equal(c.limit_owners.len, 0);
	assert_int_equal(c.limit_paths.len, 2);
	assert_string_equal(c.limit_paths.items[0], "/data/mine");
	assert_string_equal(c.limit_paths.items[1], "/srv/images");
	assert_true(c.limits_groups);
	assert_int_equal(c.limit_groups.len, 1);
	config_free(&c);
}

/* Only a file of root's is honoured, so only root can see it work. */
static void others_may_write(void **state)
{
	(void)state;
	static const mode_t modes[] = { 0664, 0646, 0666 };
	for (size_t i = 0; i < 3; i++) {
		struct config c;
		defaults(&c);
		write_file(path, "allow container encrypted = no\n", modes[i]);
		assert_fails(ERROR_POLICY, config_read(&c, path, NULL, err));
		assert_fails(ERROR_POLICY, config_read(&c, "/nonexistent/x", path, err));
		assert_true(c.allow_container_encrypted);
		config_free(&c);
	}
	struct config c;
	defaults(&c);
	write_file(path, "mount tmp = no\n", 0644);
	if (geteuid() == 0) {
		assert_ok(config_read(&c, path, NULL, err));
		assert_false(c.mount_tmp);
		assert_int_equal(chown(path, 12345, 0), 0);
	}
	assert_fails(ERROR_POLICY, config_read(&c, path, NULL, err));
	config_free(&c);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, 0), 0);
}

/* The first namespace's root replaces the site's file, everybody else adds to it. */
static void who_may_loosen(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return; /* his files are not honoured at all: others_may_write */
	write_file(path, "mount tmp = no\n", 0644);
	write_file(other, "mount tmp = yes\n", 0644);
	struct config c;
	defaults(&c);
	assert_ok(config_read(&c, path, other, err));
	assert_true(c.mount_tmp);
	config_free(&c);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *e = NULL;
		config_default(&c, &e);
		_exit(setuid(65533) < 0 || config_read(&c, path, other, &e) == 0 || c.mount_tmp ||
		      !strstr(error_message(e), "not as tight"));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* In a namespace of one's own, root is who one says: nobody's file but real root's counts. */
static void own_namespace(void **state)
{
	(void)state;
	write_file(path, "mount tmp = no\n", 0644);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct config c;
		struct error *e = NULL;
		char map[64];
		struct stat st;
		/* As `unshare -r` does, by somebody who owns the file. */
		if (geteuid() == 0 && (chown(path, 65533, 65533) < 0 || setuid(65533) < 0))
			_exit(1);
		snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
		/* After setuid its /proc is root's. */
		if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
			_exit(2);
		FILE *f = fopen("/proc/self/uid_map", "w");
		if (!f || fputs(map, f) < 0 || fclose(f) != 0)
			_exit(3);
		if (geteuid() != 0 || stat(path, &st) < 0 || st.st_uid != 0)
			_exit(4);
		config_default(&c, &e);
		if (config_read(&c, path, NULL, &e) == 0 || error_kind(e) != ERROR_POLICY)
			_exit(5);
		error_free(&e);
		if (config_read(&c, "/nonexistent/x", path, &e) == 0)
			_exit(6);
		error_free(&e);
		/* Real root's file is nobody's here: as the site's it counts, as a guest's not. */
		if (stat("/etc/passwd", &st) < 0 || st.st_uid != 65534)
			_exit(7);
		if (config_read(&c, "/etc/passwd", NULL, &e) == 0 ||
		    !strstr(error_message(e), "line 1"))
			_exit(8);
		error_free(&e);
		if (config_read(&c, "/nonexistent/x", "/etc/passwd", &e) == 0 ||
		    !strstr(error_message(e), "not root's alone"))
			_exit(9);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, 0), 0);
}

static void control_list(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool active;
	} lists[] = {
		{ "", false },
		{ "#activated = true\nactivated = false\n", false },
		{ "activated=false # for now\r\n", false },
		{ "activated = true\n", true },
		{ "  \"activated\" = true\n", true },
		{ "activated = falsetto\n", true },
		{ "activated\n", true },
		{ "activated = false\nactivated = true\n", true },
	};
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		struct config c;
		struct error *e = NULL;
		defaults(&c);
		(void)unlink(path);
		write_file(ecl, lists[i].text, 0644);
		int r = config_read(&c, path, NULL, &e);
		if ((r < 0) != lists[i].active ||
		    (r < 0 && !strstr(error_message(e), "execution control list")))
			fail_msg("%s", lists[i].text);
		error_free(&e);
		config_free(&c);
	}
	assert_int_equal(unlink(ecl), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file),	    cmocka_unit_test(directives),
		cmocka_unit_test(as_people_write),  cmocka_unit_test(bad_lines),
		cmocka_unit_test(every_fault),	    cmocka_unit_test(only_tighter),
		cmocka_unit_test(others_may_write), cmocka_unit_test(who_may_loosen),
		cmocka_unit_test(own_namespace),    cmocka_unit_test(control_list),
	};
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/coffer.conf", folder);
	snprintf(other, sizeof(other), "%s/other.conf", folder);
	snprintf(ecl, sizeof(ecl), "%s/ecl.toml", folder);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)unlink(other);
	(void)rmdir(folder);
	return r;
}
