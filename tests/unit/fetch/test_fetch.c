/* SPDX-License-Identifier: Apache-2.0 */
/* Sources in skopeo's words, logins that leave no trace, and what skopeo says, by its cause. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetch/fetch.h"
#include "folder.h"

static const struct fetch_options plain = { .login = -1 };

static void is_source(const char *transport, const char *from, const char *want)
{
	const struct fetch_wish wish = { .transport = fetch_transport(transport),
					 .from = from,
					 .arch = "amd64",
					 .options = &plain };
	struct error *err = NULL;
	char *got CLEANUP_TEXT = fetch_source(&wish, &err);
	if (!want) {
		assert_null(got);
		assert_int_equal(error_kind(err), ERROR_USAGE);
		error_free(&err);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_sources(void **state)
{
	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	is_source("docker", "debian:12", "docker://debian:12");
	is_source("docker", "//host:5000/a/b@sha256:00", "docker://host:5000/a/b@sha256:00");
	is_source("docker-daemon", "debian", "docker-daemon:debian:latest");
	is_source("docker-daemon", "host:5000/a", "docker-daemon:host:5000/a:latest");
	is_source("docker-daemon", "debian:12", "docker-daemon:debian:12");
	is_source("docker-archive", "x/../a.tar", "docker-archive:/tmp/a.tar");
	is_source("docker-archive", "/a.tar:name:tag", "docker-archive:/a.tar:name:tag");
	is_source("oci-archive", "//a.tar", "oci-archive:/a.tar");
	is_source("containers-storage", "localhost/a", "containers-storage:localhost/a");
	/* An option of skopeo's it cannot become. */
	is_source("docker", "--all", "docker://--all");
	is_source("docker", "", NULL);
	is_source("docker", "//", NULL);
	is_source("docker", "a b", NULL);
	is_source("https", "//host:1/a%20b?c=@", "https://host:1/a%20b?c=@");
	is_source("http", "//me:word@host/a", NULL);
	is_source("https", "//host/a b", NULL);
	assert_null(fetch_transport("dir"));
	assert_null(fetch_transport("docker://"));
	assert_true(fetch_has_file(fetch_transport("oras")));
	assert_true(fetch_has_file(fetch_transport("library")));
	assert_true(fetch_by_web(fetch_transport("http")));
	assert_false(fetch_by_web(fetch_transport("oras")));
	assert_false(fetch_has_file(fetch_transport("docker")));
	assert_true(fetch_in_place(fetch_transport("oci")));
	assert_false(fetch_in_place(fetch_transport("oci-archive")));
}

static void is_login(const char *from, const char *want)
{
	CLEANUP_SECRET struct secret *password = NULL;
	CLEANUP_FD int fd = -1;
	char got[256] = { 0 };
	assert_ok(secret_copy("pa:ss", 5, &password, err));
	assert_ok(fetch_login(from, "me", password, &fd, err));
	assert_true(fd_pread(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, want);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
}

static void test_login(void **state)
{
	(void)state;
	/* "me:pa:ss" */
	is_login("debian", "{\"auths\":{\"docker.io\":{\"auth\":\"bWU6cGE6c3M=\"}}}\n");
	is_login("library/debian", "{\"auths\":{\"docker.io\":{\"auth\":\"bWU6cGE6c3M=\"}}}\n");
	is_login("//host.org/a", "{\"auths\":{\"host.org\":{\"auth\":\"bWU6cGE6c3M=\"}}}\n");
	is_login("localhost/a", "{\"auths\":{\"localhost\":{\"auth\":\"bWU6cGE6c3M=\"}}}\n");
	is_login("host:5000/a", "{\"auths\":{\"host:5000\":{\"auth\":\"bWU6cGE6c3M=\"}}}\n");
	/* Of a second stage, into the same file. */
	CLEANUP_SECRET struct secret *password = NULL;
	char got[256] = { 0 };
	int fd = -1;
	assert_ok(secret_copy("x", 1, &password, err));
	assert_ok(fetch_login("a.org/x", "me", password, &fd, err));
	assert_ok(fetch_login("b.org/x", "me", password, &fd, err));
	assert_true(fd_pread(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, "{\"auths\":{\"a.org\":{\"auth\":\"bWU6eA==\"},"
				 "\"b.org\":{\"auth\":\"bWU6eA==\"}}}\n");
	fd_close(&fd);
	assert_fails(ERROR_USAGE, fetch_login("ho\"st.org/a", "me", password, &fd, err));
	assert_fails(ERROR_USAGE, fetch_login("host.org/a", "m:e", password, &fd, err));
	assert_fails(ERROR_USAGE, fetch_login("host.org/a", "", password, &fd, err));
}

static void test_environment(void **state)
{
	(void)state;
	char *user = NULL;
	struct secret *password = NULL;
	assert_int_equal(setenv("APPTAINER_DOCKER_USERNAME", "first", 1), 0);
	assert_int_equal(setenv("SINGULARITY_DOCKER_USERNAME", "second", 1), 0);
	assert_int_equal(setenv("DOCKER_PASSWORD", "word", 1), 0);
	const char *where = getenv("DOCKER_PASSWORD");
	assert_ok(fetch_take_environment(&user, &password, err));
	assert_string_equal(user, "first");
	assert_int_equal(secret_size(password), 4);
	assert_memory_equal(secret_bytes(password), "word", 4);
	assert_null(getenv("SINGULARITY_DOCKER_USERNAME"));
	assert_null(getenv("DOCKER_PASSWORD"));
	/* Nor is it where it was, for /proc/PID/environ. */
	assert_memory_equal(where, "\0\0\0\0", 4);
	text_free(&user);
	secret_free(&password);
	assert_ok(fetch_take_environment(&user, &password, err));
	assert_null(user);
	assert_null(password);
}

#define FATAL(text) "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"" text "\"\n"

static const struct {
	const char *said;
	enum error_kind kind;
	const char *words, *hint;
} cases[] = {
	{ FATAL("initializing source docker://h/a:b: reading manifest b in h/a: manifest unknown: "
		"manifest unknown"),
	  ERROR_NOT_FOUND, "manifest unknown", "name and the tag" },
	{ FATAL("reading manifest: unauthorized: authentication required"), ERROR_POLICY,
	  "unauthorized", "skopeo login" },
	{ FATAL("Get \\\"https://h/v2/\\\": x509: certificate signed by unknown authority"),
	  ERROR_SYSTEM, "Get \"https://h/v2/\": x509", "certs.d" },
	{ FATAL("dial tcp: lookup h: no such host"), ERROR_NOT_FOUND, "no such host", "network" },
	{ FATAL("http: server gave HTTP response to HTTPS client"), ERROR_SYSTEM, "HTTPS client",
	  "--no-https" },
	{ "time=\"x\" level=warning msg=\"first\"\n" FATAL("toomanyrequests: slow down"),
	  ERROR_LIMIT, "skopeo: toomanyrequests", "wait" },
	{ FATAL("writing blob: no space left on device"), ERROR_MEMORY, "no space", NULL },
	{ FATAL("something else"), ERROR_COMMAND, "skopeo: something else", NULL },
	{ "a line\nand another\n\n", ERROR_COMMAND, "skopeo: and another", NULL },
	{ "", ERROR_COMMAND, "skopeo: it does not say why", NULL },
	{ "level=fatal msg=\"cut off", ERROR_COMMAND, "skopeo: cut off", NULL },
	{ "msg=\"\\", ERROR_COMMAND, "skopeo: \\", NULL },
};

static void test_explain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_ERROR struct error *err = NULL;
		assert_int_equal(fetch_explain(cases[i].said, strlen(cases[i].said), &err), -1);
		if (error_kind(err) != cases[i].kind || !strstr(error_message(err), cases[i].words))
			fail_msg("%s: kind %d, %s", cases[i].said, (int)error_kind(err),
				 error_message(err));
		const char *hint = error_hint_text(err), *given = hint ? hint : "none";
		if (cases[i].hint ? !strstr(given, cases[i].hint) : hint != NULL)
			fail_msg("%s: hint %s", cases[i].said, given);
	}
}

/* A name that has its digest, for which nobody is asked; all else is no digest. */
static void test_digest(void **state)
{
	(void)state;
	static const char hex[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	static const char *const bad[] = { "@sha256:00", "@sha256:0011223344556677889",
					   "@sha1:", "" };
	char from[128];
	uint8_t digest[32] = { 0 };
	struct error *failed = NULL;
	struct fetch_wish wish = { .transport = fetch_transport("docker"),
				   .from = from,
				   .arch = "amd64",
				   .options = &plain };
	char *path CLEANUP_TEXT = text_dup(getenv("PATH"), &failed);
	assert_true(path && setenv("PATH", "/nonexistent", 1) == 0);
	snprintf(from, sizeof(from), "//a/b@sha256:%s", hex);
	assert_ok(fetch_digest(&wish, "/nonexistent", digest, err));
	assert_int_equal(digest[1], 0x11);
	assert_int_equal(digest[31], 0xff);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP_ERROR struct error *err = NULL;
		snprintf(from, sizeof(from), "//a/b%s", bad[i]);
		assert_int_equal(fetch_digest(&wish, "/nonexistent", digest, &err), -1);
	}
	assert_true(setenv("PATH", path, 1) == 0);
}

static int count_one(void *context, int at, const char *name, const struct stat *st,
		     struct error **err)
{
	(void)at;
	(void)name;
	(void)st;
	(void)err;
	return ++*(int *)context == 3 ? -1 : 0;
}

/* The cache is the user's own, and only files count. */
static void test_cache(void **state)
{
	(void)state;
	static const uint8_t one[32] = { 1 }, other[32] = { 2 };
	struct error *failed = NULL;
	char *deep CLEANUP_TEXT = folder_path("cache/a");
	assert_fails(ERROR_NOT_FOUND, fetch_cache_open(deep, false, err));
	int fd = fetch_cache_open(deep, true, &failed);
	assert_true(fd >= 0);
	const struct fetch_cache_kind *oci = fetch_cache_kinds;
	while (strcmp(oci->name, "oci") != 0)
		oci++;
	int n = 0;
	assert_ok(fetch_cache_each(fd, oci, count_one, &n, err));
	assert_ok(fetch_cache_each(fd, fetch_cache_kinds, count_one, &n, err));
	assert_int_equal(n, 0);
	char *a = fetch_cache_sif(one, "amd64", &failed),
	     *b = fetch_cache_sif(other, "amd64", &failed),
	     *c = fetch_cache_sif(one, "arm64", &failed),
	     *d = fetch_cache_sif(one, "amd64", &failed);
	assert_true(a && b && c && d);
	assert_string_equal(a, d);
	assert_string_not_equal(a, b);
	assert_string_not_equal(a, c);
	static const char *const names[] = { "oci-tmp/1", "oci-tmp/2" };
	for (int i = 0; i < 2; i++)
		close(openat(fd, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(mkdirat(fd, "oci-tmp/folder", 0700) |
				 symlinkat("/etc/passwd", fd, "oci-tmp/link"),
			 0);
	assert_ok(fetch_cache_each(fd, oci, count_one, &n, err));
	assert_int_equal(n, 2);
	/* The third one: an error of the caller's ends it. */
	assert_int_equal(fetch_cache_each(fd, oci, count_one, &n, &failed), -1);
	assert_int_equal(fchmod(fd, 0770), 0);
	assert_fails(ERROR_POLICY, fetch_cache_open(deep, true, err));
	close(fd);
	text_free(&a);
	text_free(&b);
	text_free(&c);
	text_free(&d);
}

/* skopeo would write to "layout" beside it, or wherever the rest leads. */
static void test_colon(void **state)
{
	(void)state;
	const struct fetch_wish wish = { .transport = fetch_transport("docker-archive"),
					 .from = "/nonexistent.tar",
					 .arch = "amd64",
					 .options = &plain };
	assert_fails(ERROR_USAGE, fetch_run(&wish, "/tmp/a:b/fetched", err));
}

/* Where no policy of the machine is: whether the user's is passed over by a skopeo of ours. */
static int policy_is_passed_over(const char *home)
{
	const struct fetch_wish wish = { .transport = fetch_transport("docker"),
					 .from = "debian",
					 .arch = "amd64",
					 .options = &plain };
	CLEANUP_BUFFER struct buffer words = { 0 };
	struct error *err = NULL;
	if (home ? setenv("HOME", home, 1) : unsetenv("HOME"))
		return -1;
	if (fetch_run(&wish, folder, &err) < 0 ||
	    fd_read_file(AT_FDCWD, "words", 65536, &words, &err) < 0)
		return -1;
	return strstr(words.data, "--insecure-policy") ? 1 : 0;
}

static const char *policies(void)
{
	const uid_t user = geteuid();
	char map[32];
	int len = snprintf(map, sizeof(map), "0 %u 1", (unsigned)user);
	if (unshare(CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) < 0)
		return "no namespace";
	CLEANUP_FD int users = user ? open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC) : -1;
	if ((user && fd_write(users, map, (size_t)len) < 0) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    (mount("none", "/etc/containers", "tmpfs", 0, NULL) < 0 && errno != ENOENT))
		return "no namespace";
	if (chdir(folder) < 0 || setenv("PATH", folder, 1) < 0 || mkdir("empty", 0700) < 0 ||
	    mkdir("home", 0700) < 0 || mkdir("home/.config", 0700) < 0 ||
	    symlink("containers", "home/.config/containers") < 0)
		return "no folder";
	if (policy_is_passed_over("empty") != 1)
		return "none is there";
	if (policy_is_passed_over("skopeo") != 1)
		return "none can be there";
	if (policy_is_passed_over("home") != 0)
		return "one that cannot be looked at";
	if (unlink("home/.config/containers") < 0 || mkdir("home/.config/containers", 0700) < 0)
		return "no folder";
	close(open("home/.config/containers/policy.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return policy_is_passed_over("home") != 0 ? "one is there" : NULL;
}

static void test_policy(void **state)
{
	(void)state;
	int status;
	folder_shell("printf '#!/bin/sh\nprintf \"%%s\\n\" \"$@\" >words\n' >skopeo;"
		     "chmod 0755 . skopeo");
	pid_t pid = fork();
	if (pid == 0) {
		const char *wrong = policies();
		if (wrong)
			print_error("%s\n", wrong);
		_exit(wrong ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What is asked of a registry when a digest is known: in place of the tag, if there is one. */
static const struct {
	const char *transport, *from;
	const char *words; /* NULL: as it is given */
} exact[] = {
	{ "docker", "//debian:12", "docker://debian@sha256:0700" },
	{ "oras", "//host:5000/a/b", "docker://host:5000/a/b@sha256:0700" },
	{ "oras", "//host:5000/a/b:1", "docker://host:5000/a/b@sha256:0700" },
	{ "docker", "//a@sha256:12", NULL },
	{ "docker-archive", "/there.tar", NULL },
};

static bool asks_exactly(size_t i)
{
	static const uint8_t digest[32] = { 7 };
	struct fetch_options options = plain;
	options.digest = digest;
	const struct fetch_wish wish = { .transport = fetch_transport(exact[i].transport),
					 .from = exact[i].from,
					 .arch = "amd64",
					 .options = &options };
	CLEANUP_BUFFER struct buffer words = { 0 };
	struct error *err = NULL;
	if (fetch_run(&wish, folder, &err) < 0 ||
	    fd_read_file(AT_FDCWD, "words", 65536, &words, &err) < 0)
		return false;
	return exact[i].words ? strstr(words.data, exact[i].words) != NULL
			      : !strstr(words.data, "sha256:07");
}

static void test_exact(void **state)
{
	(void)state;
	int status;
	folder_shell(
		"printf '#!/bin/sh\nprintf \"%%s\\n\" \"$@\" >words\n' >skopeo; chmod 0755 skopeo");
	pid_t pid = fork();
	if (pid == 0) {
		size_t wrong = 0;
		if (chdir(folder) < 0 || setenv("PATH", folder, 1) < 0)
			_exit(99);
		for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
			wrong += !asks_exactly(i);
		_exit((int)wrong);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),	    cmocka_unit_test(test_login),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_explain),
		cmocka_unit_test(test_digest),	    cmocka_unit_test(test_cache),
		cmocka_unit_test(test_colon),	    cmocka_unit_test(test_policy),
		cmocka_unit_test(test_exact),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
