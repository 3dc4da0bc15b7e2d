/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Whole containers, run by whoever runs the test, on a tree of one static busybox. Everything
 * that a rule is checked by happens inside; the output comes back through a file.
 */

static char tree[] = "/tmp/coffer-run-XXXXXX";
static struct config config;

static void put(const char *name, const char *text, mode_t mode)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", tree, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int make_tree(void **state)
{
	(void)state;
	struct error *err = NULL;
	config_default(&config, &err);
	assert_null(err);
	assert_non_null(mkdtemp(tree));
	assert_int_equal(chmod(tree, 0755), 0);
	shell("cd %s && mkdir -p bin etc proc sys dev tmp var/tmp root .singularity.d/env && "
	      "cp \"$(command -v busybox)\" bin/busybox && for x in sh cat ls id ps env touch "
	      "sleep "
	      "chown mknod cut grep tr sed rm readlink kill; do ln -s busybox bin/$x; done",
	      tree);
	put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0644);
	put("etc/group", "root:x:0:\n", 0644);
	put("etc/hosts", "", 0644);
	put("noexec", "x", 0644);
	put("bin/plain", "echo plain $1\n", 0755);
	put("bin/lost", "#!/nowhere/sh\n", 0755);
	put(".singularity.d/env/10-first.sh",
	    "SAW=$FOO$PATH; export SAW; FROM_IMAGE=i; "
	    "BOTH=image; EMPTIED=; export FROM_IMAGE BOTH EMPTIED\n",
	    0755);
	put(".singularity.d/env/99-base.sh", "PS1='Apptainer> '; export PS1\n", 0755);
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	shell("rm -rf %s", tree);
	config_free(&config);
	return 0;
}

struct result {
	int status;
	char *text;
};

/* Runs one and gathers its standard output. */
static struct result run(struct run_wish *wish, const char *const *argv, struct error **err)
{
	struct image *image = NULL;
	struct result result = { .status = -1 };
	struct buffer text = { 0 };
	wish->config = &config;
	wish->arguments = argv;
	if (image_open(tree, &image, err) < 0)
		return result;
	(void)fflush(stdout);
	int kept = dup(STDOUT_FILENO), file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	assert_true(kept >= 0 && file >= 0);
	assert_int_equal(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
	int r = run_container(image, NULL, wish, &result.status, err);
	(void)dup2(kept, STDOUT_FILENO);
	(void)close(kept);
	image_free(&image);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	struct error *failed = NULL;
	assert_int_equal(fd_read_all(file, 1 << 20, "output", &text, &failed), 0);
	result.text = buffer_steal(&text, &failed);
	(void)close(file);
	if (r < 0)
		result.status = -1;
	return result;
}

static struct result sh(struct run_wish *wish, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct error *err = NULL;
	wish->action = RUN_EXEC;
	struct result r = run(wish, argv, &err);
	if (err)
		fail_msg("%s", error_message(err));
	return r;
}

#define assert_prints(wish, script, output)            \
	do {                                           \
		struct result got = sh(wish, script);  \
		assert_string_equal(got.text, output); \
		free(got.text);                        \
	} while (0)

static void status_is_the_payloads(void **state)
{
	(void)state;
	struct run_wish wish = { 0 };
	struct result r = sh(&wish, "exit 7");
	assert_int_equal(r.status, 7);
	free(r.text);
	wish = (struct run_wish){ .pid = true };
	r = sh(&wish, "kill -9 $$");
	assert_int_equal(r.status, 137);
	free(r.text);
}

static void assert_refused(const char *name, enum error_kind kind, const char *words)
{
	const char *const argv[] = { name, NULL };
	struct run_wish wish = { .action = RUN_EXEC };
	struct error *err = NULL;
	struct result r = run(&wish, argv, &err);
	assert_non_null(err);
	assert_string_equal(error_message(err), words);
	assert_int_equal(error_kind(err), kind);
	error_free(&err);
	free(r.text);
}

static void commands_that_cannot_run(void **state)
{
	(void)state;
	assert_refused("nope", ERROR_NOT_FOUND, "\"nope\": executable file not found in $PATH");
	assert_refused("/nope", ERROR_NOT_FOUND, "stat /nope: no such file or directory");
	assert_refused("/etc", ERROR_COMMAND, "is a directory");
	assert_refused("/noexec", ERROR_COMMAND, "permission denied");
	assert_refused(
		"lost", ERROR_COMMAND,
		"exec /bin/lost failed: its interpreter /nowhere/sh does not exist in the image");
}

static void script_without_first_line(void **state)
{
	(void)state;
	struct run_wish wish = { 0 };
	assert_prints(&wish, "exec plain word", "plain word\n");
	const char *const argv[] = { "plain", "word", NULL };
	struct error *err = NULL;
	wish.action = RUN_EXEC;
	struct result r = run(&wish, argv, &err);
	assert_null(err);
	assert_string_equal(r.text, "plain word\n");
	free(r.text);
}

static void environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("FOO", "host", 1), 0);
	assert_int_equal(setenv("BOTH", "host", 1), 0);
	assert_int_equal(setenv("EMPTIED", "host", 1), 0);
	assert_int_equal(setenv("LINES2", "a\nexport FOO=evil\nb", 1), 0);
	assert_int_equal(setenv("APPTAINER_ENCRYPTION_PASSPHRASE", "secret", 1), 0);
	struct run_wish wish = { 0 };
	struct error *err = NULL;
	assert_int_equal(strings_add(&wish.env, "V=$FROM_IMAGE $(echo x) \"q\" \\$y '", &err), 0);
	assert_int_equal(strings_add(&wish.env, "END=x\\", &err), 0);
	assert_int_equal(strings_add(&wish.env, "PREPEND_PATH=/first", &err), 0);
	/* Scripts see nothing of the host; its variables come back unless the image set them. */
	assert_prints(&wish, "echo \"$SAW|$FOO|$BOTH|${EMPTIED-unset}|$FROM_IMAGE\"",
		      "|host|image|unset|i\n");
	assert_prints(&wish, "echo \"$V|$END\"", "i x \"q\" $y '|x\\\n");
	assert_prints(&wish, "echo \"$LINES2\"", "a\nexport FOO=evil\nb\n");
	assert_prints(&wish, "echo $PATH",
		      "/first:/usr/local/sbin:/usr/local/bin:/usr/sbin:"
		      "/usr/bin:/sbin:/bin\n");
	assert_prints(&wish, "env | grep -c secret; env | grep -i -c coffer_[vs][0-9c]", "0\n0\n");
	wish.no_eval = true;
	assert_prints(&wish, "echo \"$V\"", "$FROM_IMAGE $(echo x) \"q\" \\$y '\n");
	strings_free(&wish.env);
	assert_int_equal(unsetenv("APPTAINER_ENCRYPTION_PASSPHRASE"), 0);
}

static void script_ends_everything(void **state)
{
	(void)state;
	put(".singularity.d/env/20-exit.sh", "exit 9\n", 0755);
	struct run_wish wish = { 0 };
	struct result r = sh(&wish, "echo never");
	assert_int_equal(r.status, 9);
	assert_string_equal(r.text, "");
	free(r.text);
	shell("rm %s/.singularity.d/env/20-exit.sh", tree);
}

static void root_is_read_only_and_alone(void **state)
{
	(void)state;
	struct run_wish wish = { 0 };
	assert_prints(&wish, "touch /x 2>/dev/null || echo ro; ls -d /usr /boot 2>/dev/null",
		      "ro\n");
	/* Nothing of the host's root is left in the table of mounts. */
	assert_prints(&wish, "cut -d' ' -f5 /proc/self/mountinfo | grep -c '^/$'", "1\n");
	wish.writable_tmpfs = true;
	assert_prints(&wish, "echo y > /x; cat /x", "y\n");
	char path[256];
	snprintf(path, sizeof(path), "%s/x", tree);
	assert_int_equal(access(path, F_OK), -1);
}

static void binds(void **state)
{
	(void)state;
	struct run_wish wish = { .contain = true };
	struct error *err = NULL;
	char bind[512];
	snprintf(bind, sizeof(bind), "%s/etc:/made/in/layer:ro,%s/noexec:/home/file", tree, tree);
	assert_int_equal(strings_add(&wish.bind, bind, &err), 0);
	assert_prints(&wish,
		      "cat /made/in/layer/group; touch /made/in/layer/x 2>/dev/null || echo ro; "
		      "cat /home/file; echo; echo $APPTAINER_BIND",
		      "root:x:0:\nro\nx\n/made/in/layer,/home/file\n");
	strings_free(&wish.bind);
}

/* A link of the image must not lead a mount out of its root. */
static void hostile_links(void **state)
{
	(void)state;
	shell("cd %s && ln -s ../../../../../../etc up && ln -s /proc/self/root/etc magic", tree);
	struct run_wish wish = { .contain = true };
	struct error *err = NULL;
	char bind[512];
	snprintf(bind, sizeof(bind), "%s/noexec:/up/new", tree);
	assert_int_equal(strings_add(&wish.bind, bind, &err), 0);
	assert_prints(&wish, "cat /etc/new", "x");
	assert_int_equal(access("/etc/new", F_OK), -1);
	strings_free(&wish.bind);
	shell("cd %s && rm up magic", tree);
}

static void contained(void **state)
{
	(void)state;
	struct run_wish wish = { .containall = true };
	assert_prints(&wish,
		      "ls -A /tmp ~ | grep -v :; echo \"<$FOO>\"; ls /dev/null /dev/sda 2>&-",
		      "\n<>\n/dev/null\n");
	assert_prints(&wish, "tr '\\0' ' ' < /proc/1/cmdline | sed 's/ *$//'", "appinit");
}

static void fake_root(void **state)
{
	(void)state;
	struct run_wish wish = { .fakeroot = true };
	log_set_level(LOG_WARNING);
	assert_prints(&wish,
		      "id -u; id -g; echo $HOME; cd /tmp; touch coffer-chown.$$; "
		      "chown 5:6 coffer-chown.$$ && echo chown; rm coffer-chown.$$",
		      "0\n0\n/root\nchown\n");
	log_set_level(LOG_INFO);
}

static void no_descriptors_of_ours(void **state)
{
	(void)state;
	struct run_wish wish = { 0 };
	assert_prints(&wish,
		      "for f in /proc/$$/fd/*; do case $(readlink $f) in *coffer-run*|socket:*|"
		      "*memfd*) echo $f;; esac; done",
		      "");
}

/* The image's scripts run while our own process still waits to become the payload. */
static void scripts_see_nothing_of_ours(void **state)
{
	(void)state;
	put(".singularity.d/env/05-look.sh",
	    "LOOK=$(for f in /proc/$PPID/fd/*; do [ -d \"$f/\" ] && readlink $f; done; "
	    "readlink /proc/$PPID/fd/* | grep -v -e 'pipe:' -e memfd -e /dev/null | "
	    "grep coffer-run; [ $(id -u) = 0 ] || cat /proc/$PPID/environ /proc/$PPID/maps "
	    "2>/dev/null); "
	    "export LOOK\n",
	    0755);
	assert_int_equal(setenv("OF_THE_HOST", "of the host", 1), 0);
	struct run_wish wishes[] = { { 0 },
				     { .pid = true },
				     { .cleanenv = true, .containall = true } };
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++)
		assert_prints(&wishes[i], "echo \"[$LOOK]\"", "[]\n");
	shell("rm %s/.singularity.d/env/05-look.sh", tree);
}

static void a_pipe_is_no_script(void **state)
{
	(void)state;
	const char *const argv[] = { "/bin/busybox", "echo", "went on", NULL };
	struct run_wish wish = { .action = RUN_EXEC };
	struct error *err = NULL;
	shell("cd %s && mv bin/sh bin/other && mkfifo .singularity.d/env/20-pipe.sh", tree);
	struct result r = run(&wish, argv, &err);
	shell("cd %s && mv bin/other bin/sh && rm .singularity.d/env/20-pipe.sh", tree);
	assert_null(err);
	assert_string_equal(r.text, "went on\n");
	free(r.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_the_payloads),
		cmocka_unit_test(commands_that_cannot_run),
		cmocka_unit_test(script_without_first_line),
		cmocka_unit_test(environment),
		cmocka_unit_test(script_ends_everything),
		cmocka_unit_test(root_is_read_only_and_alone),
		cmocka_unit_test(binds),
		cmocka_unit_test(hostile_links),
		cmocka_unit_test(contained),
		cmocka_unit_test(fake_root),
		cmocka_unit_test(no_descriptors_of_ours),
		cmocka_unit_test(scripts_see_nothing_of_ours),
		cmocka_unit_test(a_pipe_is_no_script),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
