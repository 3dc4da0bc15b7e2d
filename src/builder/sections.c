/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* How section scripts run: spec deffile.md 6 and 7. */

#define ENVIRONMENT_FILE "/.singularity.d/env/91-environment.sh"
#define LABELS_FILE "/.build.labels"
#define POST_SCRIPT "/.post.script"
#define TEST_SCRIPT "/.singularity.d/test"
#define APT_FILE "/.post.apt.conf"

/* ------------------------------------------------------------------ on the host */

/* The words that start a section's script. */
static int script_words(const struct definition_section *s, const char *script, struct strings *ret,
			struct error **err)
{
	if (strings_add(ret, "/bin/sh", err) < 0 || strings_add(ret, "-ex", err) < 0)
		return -1;
	return definition_script_options(s, script, ret, err);
}

/* This process's environment and what the section is told besides. */
static int host_environment(const struct builder *b, struct strings *ret, struct error **err)
{
	for (char **e = environ; *e; e++)
		if (strings_add(ret, *e, err) < 0)
			return -1;
	static const char *const prefixes[] = { "APPTAINER", "SINGULARITY" };
	for (size_t i = 0; i < 2; i++)
		if (strings_addf(ret, err, "%s_ENVIRONMENT=" ENVIRONMENT_FILE, prefixes[i]) < 0 ||
		    strings_addf(ret, err, "%s_ROOTFS=%s", prefixes[i], b->root_path) < 0)
			return -1;
	return 0;
}

int section_run_on_host(struct builder *b, const char *section, struct error **err)
{
	const struct definition_section *s = definition_section(b->build->definition, section);
	const struct metadata_options chosen = { .sections = &b->build->wish->sections };
	if (!s || !metadata_wants(&chosen, section))
		return 0;
	log_info("Running %s scriptlet", section);
	CLEANUP_STRINGS struct strings words = { 0 }, environment = { 0 };
	CLEANUP_TEXT char *path = path_join(b->scripts_path, section, err);
	if (!path || script_words(s, path, &words, err) < 0 ||
	    host_environment(b, &environment, err) < 0)
		return -1;
	/* A stage before this one may have had its own. */
	(void)unlink(path);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	int r = fd < 0 ? -errno : fd_write(fd, s->body.data, s->body.len);
	if (r < 0)
		return error_errno(err, -r, "write the %%%s script", section);
	fd_close(&fd);
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = (const char *const *)words.items;
	spawn.envp = (const char *const *)environment.items;
	int status = process_run(&spawn, err);
	if (status < 0)
		return error_wrap(err, "failed to run %%%s script", section);
	if (!status)
		return 0;
	error_set(err, ERROR_COMMAND, "failed to run %%%s script: exit status %d", section, status);
	return error_at(err, PLACE_SECTION);
}

/* ------------------------------------------------------------------ in the container */

/* What a shell ends with when a program of it was killed; it may have chosen the same itself. */
#define STATUS_KILLED (128 + SIGKILL)

struct contained {
	struct builder *builder;
	struct run_wish *wish;
	struct strings words;
};

/*
 * In a process of its own, because the filter that answers for chown and mknod stays with the
 * process that loads it.
 */
static int run_contained(void *context, int socket, struct error **err)
{
	struct contained *c = context;
	struct build *b = c->builder->build;
	int status = 0;
	(void)socket;
	CLEANUP_FD int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		return error_errno(err, errno, "open /dev/null");
	fd_close(&c->builder->socket);
	if (!b->real_root && run_pretend_owners(b->map == USERNS_ROOT_ALONE, err) < 0)
		return -1;
	CLEANUP_IMAGE struct image *image = NULL;
	struct key *no_key = NULL;
	if (image_open(c->builder->root_path, &image, err) < 0)
		return -1;
	return run_container(image, &no_key, c->wish, &status, err) < 0 ? -1 : status & 0xff;
}

static void base_wish(const struct builder *b, struct run_wish *wish)
{
	*wish = (struct run_wish){
		.config = b->build->wish->config,
		.cwd = "/",
		.no_home = true,
		.for_build = true,
		.inherit_namespaces = true,
	};
}

static int add_binds(const struct builder *b, struct run_wish *wish, struct error **err)
{
	const struct strings *bind = &b->build->wish->bind;
	for (size_t i = 0; i < bind->len; i++)
		if (strings_add(&wish->bind, bind->items[i], err) < 0)
			return -1;
	return 0;
}

static void free_wish(struct run_wish *wish)
{
	strings_free(&wish->bind);
	strings_free(&wish->env);
}
#define CLEANUP_WISH __attribute__((cleanup(free_wish)))

/*
 * Where root is alone apt cannot become another user to fetch with, and it looks whether it has:
 * to answer its calls with success is not enough.
 */
static int add_apt_settings(const struct builder *b, struct run_wish *wish, struct error **err)
{
	static const char text[] = "APT::Sandbox::User \"root\";\n";
	if (b->build->map != USERNS_ROOT_ALONE)
		return 0;
	if (tree_write(b->root, APT_FILE, 0644, text, strlen(text), err) < 0)
		return -1;
	return strings_add(&wish->env, "APT_CONFIG=" APT_FILE, err);
}

static int remove_post_files(const struct builder *b, struct error **err)
{
	static const char *const files[] = { POST_SCRIPT, APT_FILE };
	for (size_t i = 0; i < 2; i++)
		if (unlinkat(b->root, files[i] + 1, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "remove %s of the container", files[i]);
	return 0;
}

/* What runs as %post: the section, and after it what installs the apps. */
static int post_text(const struct definition *d, struct buffer *ret, struct error **err)
{
	const struct definition_section *s = definition_section(d, "post");
	if (s && buffer_append(ret, s->body.data, s->body.len, err) < 0)
		return -1;
	return apps_install_text(d, ret, err);
}

int section_run_post(struct builder *b, struct error **err)
{
	static char name[] = "post", no_arguments[] = "";
	static const struct definition_section none = { .name = name, .arguments = no_arguments };
	const struct definition *d = b->build->definition;
	const struct definition_section *s = definition_section(d, "post");
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (post_text(d, &text, err) < 0)
		return -1;
	if (!text.len)
		return 0;
	log_info("Running post scriptlet");
	if (tree_exists(b->root, POST_SCRIPT))
		return error_set(err, ERROR_EXISTS, "%s is in the way in the container",
				 POST_SCRIPT);
	if (tree_write(b->root, POST_SCRIPT, 0755, text.data, text.len, err) < 0)
		return -1;
	CLEANUP_WISH struct run_wish wish;
	CLEANUP_STRINGS struct strings words = { 0 };
	base_wish(b, &wish);
	wish.action = RUN_EXEC;
	wish.writable = true;
	wish.cleanenv = true;
	static const char *const environment[] = { "APPTAINER_LABELS=" LABELS_FILE,
						   "SINGULARITY_LABELS=" LABELS_FILE,
						   "APPTAINER_ENVIRONMENT=" ENVIRONMENT_FILE,
						   "SINGULARITY_ENVIRONMENT=" ENVIRONMENT_FILE };
	for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]); i++)
		if (strings_add(&wish.env, environment[i], err) < 0)
			return -1;
	if (add_apt_settings(b, &wish, err) < 0 || add_binds(b, &wish, err) < 0 ||
	    script_words(s ? s : &none, POST_SCRIPT, &words, err) < 0)
		return -1;
	wish.arguments = (const char *const *)words.items;
	struct contained c = { .builder = b, .wish = &wish };
	int status = remote_run(b->build, run_contained, &c, err);
	if (status < 0)
		return error_wrap(err, "while running engine: while running %%post section");
	if (status) {
		error_set(err, ERROR_COMMAND,
			  "while running engine: while running %%post section: exit status %d",
			  status);
		error_at(err, PLACE_SECTION);
		workspace_explain(b->build, b->root, err);
		if (status == STATUS_KILLED)
			workspace_explain_kill(b->build, err);
		return -1;
	}
	return remove_post_files(b, err);
}

int section_run_test(struct builder *b, struct error **err)
{
	static const char *const no_arguments[] = { NULL };
	if (b->build->wish->notest || !definition_section(b->build->definition, "test"))
		return 0;
	log_info("Running testscript");
	/* With --section it may not have been written; to say so again is of no use. */
	if (!tree_exists(b->root, TEST_SCRIPT))
		return 0;
	CLEANUP_WISH struct run_wish wish;
	base_wish(b, &wish);
	wish.action = RUN_TEST;
	wish.arguments = no_arguments;
	if (add_binds(b, &wish, err) < 0)
		return -1;
	struct contained c = { .builder = b, .wish = &wish };
	int status = remote_run(b->build, run_contained, &c, err);
	if (status < 0)
		return error_wrap(err, "failed to execute %%test script");
	if (!status)
		return 0;
	error_set(err, ERROR_COMMAND, "failed to execute %%test script: exit status %d", status);
	error_at(err, PLACE_SECTION);
	if (status == STATUS_KILLED)
		workspace_explain_kill(b->build, err);
	return -1;
}
