/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

#include "cli/run_options.h"
#include "run/run.h"

/* run, exec, shell and test: one road with four endings. */

static bool on(const struct invocation *in, const char *name)
{
	return invocation_option(in, name)->on;
}

static const char *text(const struct invocation *in, const char *name)
{
	return invocation_option(in, name)->text;
}

/* The word "kernel" among the mounts is no bind mount. */
static int split_mounts(const struct invocation *in, struct run_wish *wish,
			struct strings *ret_mounts, struct error **err)
{
	const struct strings *given = &invocation_option(in, "mount")->list;
	for (size_t i = 0; i < given->len; i++) {
		if (!strcmp(given->items[i], "kernel"))
			wish->kernel_mount = true;
		else if (strings_add(ret_mounts, given->items[i], err) < 0)
			return -1;
	}
	wish->mount = *ret_mounts;
	return 0;
}

static int make_wish(const struct invocation *in, enum run_action action, struct run_wish *wish,
		     struct strings *ret_mounts, struct error **err)
{
	bool compat = on(in, "compat"), all = on(in, "containall") || compat;
	*wish = (struct run_wish){
		.action = action,
		.arguments = in->arguments + 1,
		.bind = invocation_option(in, "bind")->list,
		.env = invocation_option(in, "env")->list,
		.env_file = invocation_option(in, "env-file")->list,
		.no_mount = invocation_option(in, "no-mount")->list,
		.keep_fd = invocation_option(in, "keep-fd")->list,
		.security = invocation_option(in, "security")->list,
		.scratch = invocation_option(in, "scratch")->list,
		.workdir = text(in, "workdir"),
		.home = text(in, "home"),
		.cwd = text(in, "cwd") ? text(in, "cwd") : text(in, "pwd"),
		.app = text(in, "app"),
		.hostname = text(in, "hostname"),
		.shell = action == RUN_SHELL ? text(in, "shell") : NULL,
		.cleanenv = on(in, "cleanenv"),
		.contain = on(in, "contain"),
		.containall = all,
		.no_home = on(in, "no-home"),
		.writable = on(in, "writable"),
		.writable_tmpfs = on(in, "writable-tmpfs") || compat,
		.fakeroot = on(in, "fakeroot"),
		.ignore_subuid = on(in, "ignore-subuid"),
		.userns = on(in, "userns"),
		.pid = on(in, "pid"),
		.ipc = on(in, "ipc"),
		.uts = on(in, "uts"),
		.net = on(in, "net"),
		.nv = on(in, "nv"),
		.rocm = on(in, "rocm"),
		.network = text(in, "network"),
		.no_init = on(in, "no-init") || compat,
		.no_umask = on(in, "no-umask") || compat,
		.no_eval = on(in, "no-eval") || compat,
		.allow_setuid = on(in, "allow-setuid"),
	};
	return split_mounts(in, wish, ret_mounts, err);
}

static int choose_key(const struct invocation *in, struct key **ret, struct error **err)
{
	struct key_request request = {
		.use = KEY_FOR_RUN,
		.use_environment = true,
		.ask = tty_ask,
	};
	if (keys_request(in, &request, err) < 0 || keys_limit(in, err) < 0 || keys_begin(err) < 0)
		return -1;
	if (!request.pem_path && request.ask_passphrase)
		log_verbose("Using interactive passphrase entry for encrypted container");
	int r = key_choose(&request, ret, err);
	keys_end();
	return r;
}

/* What can be said of the key before anything is started: cli-messages 5.3, step 3. */
static int check_key(const struct invocation *in, const struct image *img, struct key **key,
		     struct error **err)
{
	if (image_is_encrypted(img)) {
		if (*key) {
			log_verbose("The key is that of %s", key_origin(*key));
			return 0;
		}
		error_set(err, ERROR_KEY_MISSING,
			  "While checking container encryption: required option --passphrase or "
			  "--pem-path missing");
		return error_hint(
			err,
			"%s is encrypted: give its key with --passphrase, --pem-path=FILE, "
			"or an APPTAINER_ENCRYPTION_ variable",
			img->path);
	}
	/* Who gives a key means an encrypted image: this one may stand in its place. A variable may
	 * be for another. */
	if (*key && keys_given(in)) {
		error_set(err, ERROR_USAGE, "%s is not encrypted, but a key is given for it (%s)",
			  img->path, key_origin(*key));
		return error_hint(err, "it may not be the image that is meant; to run it as it is "
				       "leave the key out");
	}
	if (*key)
		log_warning("%s is not encrypted: the key (%s) is not used", img->path,
			    key_origin(*key));
	key_free(key);
	return 0;
}

/* instance://x, docker://x and the like: a name that no file has. */
static int refuse_uri(const char *name, struct error **err)
{
	const char *end = strstr(name, "://");
	if (!end || strchr(name, '/') < end)
		return 0;
	size_t len = (size_t)(end - name);
	bool instance = len == strlen("instance") && !memcmp(name, "instance", len);
	error_set(err, ERROR_UNSUPPORTED, "coffer runs local images, not %s", name);
	if (instance)
		return error_hint(err, "it has no instances: give the image");
	return error_hint(err, "make an image of it first, and give that: coffer pull IMAGE.sif %s",
			  name);
}

/* A wrong RSA key is said in Apptainer's words: cli-messages 5.2. */
static int explain_key(const struct image *img, bool passphrase, struct error **err)
{
	if (!passphrase && dialect_is_of_key(*err))
		log_say(LOG_ERROR, "Please check you are providing the correct key for decryption");
	return dialect_frame(DIALECT_DECRYPT, img->path, err);
}

static int start(const struct invocation *in, enum run_action action, struct error **err)
{
	CLEANUP_CONFIG struct config config = { 0 };
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_STRINGS struct strings mounts = { 0 };
	struct run_wish wish;
	int status = 0;
	if (settings_read_config(in, &config, err) < 0)
		return -1;
	if (make_wish(in, action, &wish, &mounts, err) < 0 || choose_key(in, &key, err) < 0)
		return -1;
	wish.config = &config;
	if (refuse_uri(in->arguments[0], err) < 0)
		return -1;
	if (image_open(in->arguments[0], &img, err) < 0)
		return dialect_frame(DIALECT_OPEN, in->arguments[0], err);
	/* These say no as the site does. */
	config.require_encrypted |= on(in, "require-encrypted");
	config.allow_container_luks2 &= !on(in, "no-luks2");
	if (run_policy_encrypted(&config, img, err) < 0 || check_key(in, img, &key, err) < 0)
		return -1;
	bool passphrase = key && key_is_passphrase(key);
	struct run_audit audit;
	if (run_audit_start(&config, img, key, action, &audit, err) < 0)
		return -1;
	int r = run_container(img, &key, &wish, &status, err);
	run_audit_end(&audit, status, r < 0 ? *err : NULL);
	return r < 0 ? explain_key(img, passphrase, err) : status;
}

static int run_exec(const struct invocation *in, struct error **err)
{
	return start(in, RUN_EXEC, err);
}

static int run_run(const struct invocation *in, struct error **err)
{
	return start(in, RUN_RUN, err);
}

static int run_shell(const struct invocation *in, struct error **err)
{
	if (in->argument_count > 1)
		log_warning("Parameters to shell command are ignored");
	return start(in, RUN_SHELL, err);
}

static int run_test(const struct invocation *in, struct error **err)
{
	return start(in, RUN_TEST, err);
}

#define DESCRIPTION_IMAGE                                                                  \
	"The container is a SIF image, plain or encrypted, a bare squashfs image, or a\n"  \
	"sandbox (a folder). An encrypted one needs its key; the first of these counts:\n" \
	"--pem-path, --passphrase, and the variables APPTAINER_ENCRYPTION_PEM_PATH,\n"     \
	"APPTAINER_ENCRYPTION_PEM_DATA and APPTAINER_ENCRYPTION_PASSPHRASE.\n"             \
	"Options stand before the container: what follows it belongs to the command.\n"

static const struct option exec_options[] = { RUN_OPTIONS, OPTION_HELP, { 0 } };

const struct command cli_exec = {
	.name = "exec",
	.summary = "Run a command in a container",
	.usage = "exec [exec options...] <container> <command>",
	.description = DESCRIPTION_IMAGE,
	.examples = "$ %s exec image.sif cat /etc/os-release\n"
		    "$ %s exec --passphrase secret.sif ls /\n"
		    "$ %s exec --bind /data secret.sif ls /data\n",
	.options = exec_options,
	.min_arguments = 2,
	.max_arguments = -1,
	.run = run_exec,
};

static const struct option run_options[] = {
	RUN_OPTIONS,
	MISSING_("runscript-timeout", 0, OPTION_TEXT, "time", "RUNSCRIPT_TIMEOUT"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_run = {
	.name = "run",
	.summary = "Run the container's own command",
	.usage = "run [run options...] <container> [args...]",
	.description = "Runs the runscript that the container was built with.\n" DESCRIPTION_IMAGE,
	.examples = "$ %s run image.sif one two\n"
		    "$ %s run --pem-path=rsa_pri.pem secret.sif\n",
	.options = run_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run_run,
};

static const struct option shell_options[] = {
	RUN_OPTIONS,
	VALUE_("shell", 's', OPTION_TEXT, "path", "SHELL", "the shell's path in the container"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_shell = {
	.name = "shell",
	.summary = "Start a shell in a container",
	.usage = "shell [shell options...] <container>",
	.description = DESCRIPTION_IMAGE,
	.examples = "$ %s shell --passphrase secret.sif\n",
	.options = shell_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run_shell,
};

static const struct option test_options[] = { RUN_OPTIONS, OPTION_HELP, { 0 } };

const struct command cli_test = {
	.name = "test",
	.summary = "Run the container's own tests",
	.usage = "test [test options...] <container> [args...]",
	.description =
		"Runs the %%test section that the container was built with.\n" DESCRIPTION_IMAGE,
	.examples = "$ %s test image.sif\n",
	.options = test_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run_test,
};
