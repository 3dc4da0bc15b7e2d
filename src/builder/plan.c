/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "builder/agents/bootstrap.h"
#include "tree/tree.h"

/* What is looked at before anything is done: spec deffile.md 1, 12 and 13. */

/* ------------------------------------------------------------------ what the spec is */

/* What is a URI to Apptainer, and not yet to coffer. */
static const char *const transports[] = { "shub", "buildkit", "dockerfile", "ipfs" };

/* 1 where the spec is a URI, with the definition that it stands for; 0 where it is none. */
static int read_uri(const char *spec, struct definition **ret, struct error **err)
{
	size_t len = strcspn(spec, ":");
	if (!spec[len])
		return 0;
	CLEANUP_TEXT char *name = text_dup_len(spec, len, err);
	if (!name)
		return -1;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		if (strcmp(transports[i], name) != 0)
			continue;
		error_set(
			err, ERROR_UNSUPPORTED,
			"Unable to build from %s: building from %s is not supported by coffer yet",
			spec, name);
		return error_hint(err, "make a SIF of it with Apptainer (apptainer pull), and "
				       "build from that");
	}
	if (!fetch_transport(name))
		return 0;
	const char *from = spec + len + 1;
	from += strncmp(from, "//", 2) == 0 ? 2 : 0;
	/* What follows "?" may let others in, and the definition is in the image for all to read.
	 */
	size_t shown = fetch_by_web(fetch_transport(name)) ? strcspn(from, "?#") : strlen(from);
	return definition_generate(name, from, shown, ret, err) < 0 ? -1 : 1;
}

/* Whether the file is an image by its first bytes, or a folder: not whether it is a good one. */
static int look_at_file(int fd, struct image_probe *ret, struct error **err)
{
	struct stat st;
	uint8_t head[IMAGE_HEAD_LEN];
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at it");
	*ret = (struct image_probe){ .format = &image_sandbox };
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_USAGE, "it is no file and no folder");
	ssize_t n = fd_pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_errno(err, (int)-n, "read it");
	image_probe(head, (size_t)n, ret);
	return 0;
}

static int read_arguments(const struct build_wish *wish, struct definition_arguments *ret,
			  struct error **err)
{
	if (wish->build_arg_file) {
		CLEANUP_BUFFER struct buffer text = { 0 };
		if (fd_read_file(AT_FDCWD, wish->build_arg_file, DEFINITION_ARGUMENT_FILE_MAX,
				 &text, err) < 0)
			return error_wrap(err, "error while opening file \"%s\"",
					  wish->build_arg_file);
		if (definition_arguments_add_file(ret, span_of(text.data, text.len), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < wish->build_args.len; i++) {
		const char *item = wish->build_args.items[i];
		if (definition_arguments_add(ret, span_of(item, strlen(item)), err) < 0)
			return -1;
	}
	return 0;
}

static int check_unused(const struct build_wish *wish, const struct definition_arguments *given,
			struct error **err)
{
	CLEANUP_BUFFER struct buffer names = { 0 };
	for (size_t i = 0; i < given->count; i++)
		if (!given->items[i].used &&
		    buffer_printf(&names, err, "%s%s", names.len ? " " : "", given->items[i].name) <
			    0)
			return -1;
	if (!names.len)
		return 0;
	if (!wish->warn_unused_build_args)
		return error_set(err, ERROR_USAGE,
				 "unused build args: %s. Use option --warn-unused-build-args to "
				 "show a warning instead of a fatal message",
				 names.data);
	log_warning("Unused build args: %s", names.data);
	return 0;
}

static int parse_file(const struct build_wish *wish, int fd, const struct image_probe *probe,
		      struct definition_arguments *given, struct definition **ret,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "Unable to build from %s", wish->spec);
	if (fd_read_all(fd, DEFINITION_BYTES_MAX, wish->spec, &text, err) < 0 ||
	    definition_parse(text.data, text.len, given, ret, err) < 0) {
		/* Nothing is wrong with the text: an argument is missing. */
		if (error_kind(*err) == ERROR_USAGE)
			return error_wrap(err, "Unable to build from %s", wish->spec);
		error_wrap(err, "Unable to build from %s: while parsing definition: %s", wish->spec,
			   wish->spec);
		/* Where no text was meant that has a slip in it, but another file. */
		if (probe->what && !probe->definition)
			return error_hint(err, "it is %s: %s", probe->what, probe->advice);
		return error_hint(err, "coffer-build(1) describes definition files");
	}
	return 0;
}

static int find_definition(struct build *b, struct error **err)
{
	const struct build_wish *wish = b->wish;
	struct definition_arguments given = { 0 };
	struct image_probe probe;
	int uri = read_uri(wish->spec, &b->last, err);
	if (uri)
		return uri < 0 ? -1 : 0;
	CLEANUP_FD int fd = open(*wish->spec ? wish->spec : ".", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "Unable to build from %s: open %s", wish->spec,
				   wish->spec);
	if (look_at_file(fd, &probe, err) < 0)
		return error_wrap(err, "Unable to build from %s", wish->spec);
	if (probe.format)
		return definition_generate("localimage", wish->spec, strlen(wish->spec), &b->last,
					   err);
	int result = read_arguments(wish, &given, err);
	if (result < 0)
		error_wrap(err, "While processing the definition file");
	else
		result = parse_file(wish, fd, &probe, &given, &b->last, err);
	if (result == 0)
		result = check_unused(wish, &given, err);
	definition_arguments_free(&given);
	return result;
}

/* ------------------------------------------------------------------ other questions */

static int find_time(struct build *b, struct error **err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char *end;
	b->time = (int64_t)time(NULL);
	if (!epoch || !*epoch)
		return 0;
	errno = 0;
	long long value = strtoll(epoch, &end, 10);
	if (errno || *end || value < 0 || value > UINT32_MAX)
		return error_set(err, ERROR_USAGE, "could not parse SOURCE_DATE_EPOCH \"%s\"",
				 epoch);
	b->time = value;
	b->deterministic = true;
	return 0;
}

/* "7" or "v7": images of registries call it v7. */
static int find_variant(struct build *b, struct error **err)
{
	const char *name = b->wish->arch_variant;
	if (!name || !*name)
		return 0;
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	if (name[len] || len > 16) {
		error_set(err, ERROR_USAGE,
			  "While processing the arch and arch variant: %s is no variant", name);
		return error_hint(err, "of arm there are 5, 6 and 7, of arm64 8");
	}
	b->variant = text_printf(err, "%s%s", *name >= '0' && *name <= '9' ? "v" : "", name);
	return b->variant ? 0 : -1;
}

static int find_architecture(struct build *b, struct error **err)
{
	const char *name = b->wish->arch ? b->wish->arch : sif_arch_name(sif_arch_native());
	static const char *const known[] = { "arm",	"arm64", "amd64",   "386",
					     "ppc64le", "s390x", "riscv64", "loong64" };
	bool found = !b->wish->arch;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found = found || !strcmp(known[i], name);
	if (!found)
		return error_set(err, ERROR_USAGE,
				 "While processing the arch and arch variant: arch: %s is not "
				 "valid, supported archs are: [arm arm64 amd64 386 ppc64le s390x "
				 "riscv64 loong64]",
				 name);
	b->arch = text_dup(name, err);
	return b->arch ? find_variant(b, err) : -1;
}

/* Whether uid 0 here is uid 0 of the machine. */
static bool in_first_user_namespace(void)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	unsigned long numbers[3] = { 1, 1, 1 };
	if (fd_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &text, &err) < 0 || !text.len)
		return false;
	char *at = text.data;
	for (size_t i = 0; i < 3; i++)
		numbers[i] = strtoul(at, &at, 10);
	return numbers[0] == 0 && numbers[1] == 0 && numbers[2] == UINT32_MAX;
}

static int find_privilege(struct build *b, struct error **err)
{
	b->user_namespace = geteuid() != 0;
	b->real_root = !b->user_namespace && in_first_user_namespace();
	/* Root of a namespace that was made before us has as many ids as that one. */
	b->map = userns_single_id() ? USERNS_ROOT_ALONE : USERNS_ROOT_SUBIDS;
	if (b->user_namespace && userns_best_root(b->wish->ignore_subuid, &b->map, err) < 0)
		return -1;
	/* Not a matter of taste: -q does not hide that the image is another one. */
	if (b->map == USERNS_ROOT_ALONE)
		log_warning("All files will belong to root: owners and devices that are asked for "
			    "are not made");
	return 0;
}

static int check_sections(const struct build_wish *wish, struct error **err)
{
	for (size_t i = 0; wish->sections.len > 1 && i < wish->sections.len; i++) {
		const char *name = wish->sections.items[i];
		if (!strcmp(name, "all") || !strcmp(name, "none"))
			return error_set(err, ERROR_USAGE,
					 "Could not check build sections: section specification "
					 "error: cannot have %s and any other option",
					 name);
	}
	return 0;
}

static int check_key(const struct build_wish *wish, struct error **err)
{
	if (!wish->encrypt)
		return 0;
	if (wish->sandbox) {
		error_set(err, ERROR_UNSUPPORTED, "a sandbox cannot be encrypted");
		return error_hint(err, "leave out --sandbox or --encrypt");
	}
	if (wish->key)
		return 0;
	error_set(err, ERROR_KEY_MISSING,
		  "Missing encryption info, please add `--passphrase` or `--pem-path` or "
		  "corresponding environment variable");
	return error_hint(err, "nothing was built");
}

void build_enter_stage(struct build *b, size_t number)
{
	b->definition = definition_stage(b->last, number);
	b->base = &b->bases[number];
}

/* What each of the stages begins with. */
static int check_stages(struct build *b, struct error **err)
{
	b->bases = calloc(b->last->stages, sizeof(*b->bases));
	if (!b->bases)
		return error_no_memory(err);
	for (size_t i = 0; i < b->last->stages; i++)
		b->bases[i].fd = -1;
	for (size_t i = 0; i < b->last->stages; i++) {
		build_enter_stage(b, i);
		if (bootstrap_check(b, err) < 0)
			return -1;
	}
	build_enter_stage(b, 0);
	return 0;
}

/* Before anything is done: what runs in the tree, and an image's own programs, would not start. */
static int check_exec(const struct build_wish *wish, struct error **err)
{
	struct statvfs fs;
	if (!wish->tmpdir || statvfs(wish->tmpdir, &fs) < 0 || !(fs.f_flag & ST_NOEXEC))
		return 0;
	error_set(err, ERROR_SYSTEM,
		  "%s is on a file system that is mounted noexec: no program of the container "
		  "could run there while it is built",
		  wish->tmpdir);
	return error_hint(err,
			  "name a folder of another file system with --tmpdir, or leave it out: "
			  "the container is then built in memory");
}

static int prepare(struct build *b, struct error **err)
{
	if (check_key(b->wish, err) < 0 || check_sections(b->wish, err) < 0 ||
	    find_time(b, err) < 0 || find_definition(b, err) < 0 || find_architecture(b, err) < 0)
		return -1;
	if (definition_check(b->last, err) < 0 || check_stages(b, err) < 0) {
		error_wrap(err, "Unable to create build: %s", b->wish->spec);
		return error_hint(err, "coffer-build(1) describes definition files");
	}
	if (b->wish->no_cleanup && !b->wish->tmpdir)
		log_warning("--no-cleanup keeps nothing without --tmpdir: the container is built "
			    "in memory");
	if (run_policy_profile(b->wish->config, err) < 0 || check_exec(b->wish, err) < 0 ||
	    find_privilege(b, err) < 0)
		return -1;
	return b->user_namespace ? run_policy_user_namespace(b->wish->config, err) : 0;
}

/* Before %pre, and an hour of %post, although Apptainer says so after them. */
static int check_sections_of(const struct build *b, struct error **err)
{
	if (definition_check_scripts(b->last, err) < 0)
		return error_wrap(err, "while running engine");
	const struct metadata_options chosen = { .sections = &b->wish->sections };
	return metadata_wants(&chosen, "files") ? definition_check_files(b->last, err) : 0;
}

int build_image(struct build_wish *wish, struct error **err)
{
	struct build b = { .wish = wish };
	b.umask = umask(0);
	umask(b.umask);
	int result = prepare(&b, err);
	if (result == 0) {
		result = check_sections_of(&b, err);
		if (result == 0)
			result = bootstrap_find_key(&b, err);
		/* Before the first section runs: none of them finds a key in its environment. */
		key_environment_wipe();
		if (result == 0)
			result = interrupt_hold(err);
		if (result == 0)
			result = build_as_command(&b, err);
		interrupt_release();
		if (result < 0)
			error_wrap(err, "While performing build");
	}
	if (result == 0 && !wish->pull)
		log_info("Build complete: %s", wish->target);
	key_free(&b.base_key);
	for (size_t i = 0; b.bases && i < b.last->stages; i++) {
		fd_close(&b.bases[i].fd);
		text_free(&b.bases[i].path);
	}
	free(b.bases);
	definition_free(&b.last);
	text_free(&b.arch);
	text_free(&b.variant);
	text_free(&b.disk);
	return result;
}
