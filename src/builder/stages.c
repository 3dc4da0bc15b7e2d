/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/agents/bootstrap.h"
#include "json/json.h"
#include "tree/tree.h"

/* The builder's work, in the order of spec deffile.md 5. */

/* ------------------------------------------------------------------ architecture */

/* The code of an ELF file's machine, or NULL when it is none. */
static const char *elf_architecture(int root, const char *path)
{
	uint8_t head[20];
	struct stat st;
	CLEANUP_FD int at = path_open_in_root(root, path, O_PATH, 0);
	if (at < 0 || fstat(at, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return NULL;
	CLEANUP_FD int fd = path_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0 || fd_pread(fd, head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head, ELFMAG, SELFMAG) != 0)
		return NULL;
	bool big = head[EI_DATA] == ELFDATA2MSB, wide = head[EI_CLASS] == ELFCLASS64;
	struct bytes b = bytes_of(head + 18, 2);
	uint16_t machine = big ? bytes_be16(&b) : bytes_le16(&b);
	static const struct {
		uint16_t machine;
		const char *codes[2][2]; /* [wide][big] */
	} machines[] = {
		{ EM_386, { { "01", NULL }, { NULL, NULL } } },
		{ EM_X86_64, { { NULL, NULL }, { "02", NULL } } },
		{ EM_ARM, { { "03", NULL }, { NULL, NULL } } },
		{ EM_AARCH64, { { NULL, NULL }, { "04", NULL } } },
		{ EM_PPC64, { { NULL, NULL }, { "06", "05" } } },
		{ EM_MIPS, { { "08", "07" }, { "10", "09" } } },
		{ EM_S390, { { NULL, NULL }, { NULL, "11" } } },
		{ EM_RISCV, { { NULL, NULL }, { "12", NULL } } },
		{ 258 /* EM_LOONGARCH */, { { NULL, NULL }, { "13", NULL } } },
	};
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == machine)
			return machines[i].codes[wide][big];
	return NULL;
}

const char *stages_architecture(int root)
{
	static const char *const folders[] = { "/bin", "/usr/bin", "/sbin", "/usr/sbin",
					       "/usr/local/bin" };
	const char *code = elf_architecture(root, "/bin/sh");
	for (size_t i = 0; !code && i < sizeof(folders) / sizeof(folders[0]); i++) {
		CLEANUP_ERROR struct error *err = NULL;
		CLEANUP_STRINGS struct strings names = { 0 };
		if (tree_list(root, folders[i], &names, &err) < 0)
			continue;
		for (size_t k = 0; !code && k < names.len; k++) {
			CLEANUP_TEXT char *path = path_join(folders[i], names.items[k], &err);
			code = path ? elf_architecture(root, path) : NULL;
		}
	}
	return code;
}

/* ------------------------------------------------------------------ the stage */

static bool wants_files(const struct builder *b)
{
	const struct metadata_options chosen = { .sections = &b->build->wish->sections };
	return metadata_wants(&chosen, "files");
}

/* %files with a stage's name: from its tree. */
static int copy_from_stages(struct builder *b, struct error **err)
{
	const struct build *build = b->build;
	const struct definition *d = build->definition;
	const struct copy_rules rules = { .owners = build->map == USERNS_ROOT_SUBIDS,
					  .devices = build->real_root };
	for (size_t i = 0; wants_files(b) && i < d->section_count; i++) {
		const struct definition_section *s = &d->sections[i];
		struct span name = definition_files_stage(s);
		if (strcmp(s->name, "files") != 0 || !name.len)
			continue;
		int stage = definition_find_stage(d, name);
		int from = stage < 0			    ? -1
			   : (size_t)stage + 1 == d->stages ? b->root
							    : b->done[stage].root;
		if (from < 0)
			return error_set(err, ERROR_INTERNAL, "the tree of a stage is gone");
		if (files_copy_from(b->root, from, s, &rules, err) < 0) {
			workspace_explain(build, b->root, err);
			return -1;
		}
	}
	return 0;
}

/* %files with nothing but a comment behind it: from this machine. */
static int copy_files(struct builder *b, struct error **err)
{
	const struct definition *d = b->build->definition;
	for (size_t i = 0; wants_files(b) && i < d->section_count; i++) {
		const struct definition_section *s = &d->sections[i];
		struct span from =
			span_trim(span_before(span_of(s->arguments, strlen(s->arguments)), '#'));
		if (strcmp(s->name, "files") != 0 || definition_files_stage(s).len)
			continue;
		if (from.len)
			log_warning("Ignoring a %%files section: '%.*s' names no stage",
				    (int)from.len, from.text);
		else if (files_copy(b->root, s, err) < 0) {
			workspace_explain(b->build, b->root, err);
			return -1;
		}
	}
	return 0;
}

static int send_result(struct builder *b, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *arch = stages_architecture(b->root);
	if (!arch) {
		log_info("Architecture not recognized, use native");
		arch = sif_arch_native();
	} else if (strcmp(sif_arch_name(arch), b->build->arch) != 0) {
		log_warning("Architecture %s does not match build arch %s", sif_arch_name(arch),
			    b->build->arch);
	}
	if (buffer_append(&text, arch, 2, err) < 0 || metadata_inspect(b->root, &text, err) < 0)
		return -1;
	json_decode_bad(&text);
	if (b->oci_config.len && remote_send_text(b->socket, MESSAGE_OCI, b->oci_config.data,
						  b->oci_config.len, err) < 0)
		return -1;
	if (remote_send_text(b->socket, MESSAGE_METADATA, text.data, text.len, err) < 0)
		return -1;
	if (b->grafted && remote_send(b->socket, MESSAGE_GRAFTED, -1, err) < 0)
		return -1;
	return remote_send(b->socket, MESSAGE_TREE, b->root, err);
}

/* All but what runs on the host before it and in the container after it. */
static int make_tree(struct builder *b, struct error **err)
{
	const struct build *build = b->build;
	const struct metadata_options options = {
		.force = build->wish->force,
		.update = build->wish->update && build->definition == build->last,
		.sections = &build->wish->sections,
		.arch = build->arch,
		.time = build->time,
		.url = bootstrap_is_file(build, build->definition),
	};
	if (bootstrap_run(b, err) < 0)
		return -1;
	if (apps_write(b->root, build->definition, err) < 0) {
		workspace_explain(build, b->root, err);
		return error_wrap(err, "Unable to create apps");
	}
	if (copy_from_stages(b, err) < 0 || section_run_on_host(b, "setup", err) < 0 ||
	    copy_files(b, err) < 0 || section_run_post(b, err) < 0)
		return -1;
	if (metadata_write(b->root, build->definition, &options, err) < 0) {
		workspace_explain(build, b->root, err);
		return error_wrap(err, "while inserting metadata");
	}
	return 0;
}

static int build_stage(struct builder *b, struct error **err)
{
	if (section_run_on_host(b, "pre", err) < 0)
		return -1;
	int result = make_tree(b, err);
	/*
	 * A kernel that refuses the mounts, or a tree whose description leads into one of them
	 * (/etc as a link to /usr/etc): what a copy can do is then done with a copy.
	 */
	if (result < 0 && b->grafted) {
		log_verbose("Copying the source: %s", error_message(*err));
		error_free(err);
		b->grafted = false;
		b->no_grafts = true;
		result = workspace_open_tree(b, true, err) < 0 ? -1 : make_tree(b, err);
	}
	return result < 0 ? -1 : section_run_test(b, err);
}

/* Whether a stage after `done` of them copies from the tree of this one. */
static bool needed_after(const struct build *b, size_t stage, size_t done)
{
	for (size_t i = done; i < b->last->stages; i++) {
		const struct definition *d = definition_stage(b->last, i);
		for (size_t k = 0; k < d->section_count; k++) {
			struct span name = definition_files_stage(&d->sections[k]);
			if (name.len && definition_find_stage(d, name) == (int)stage)
				return true;
		}
	}
	return false;
}

/* The tree of the stage is kept for those that ask for it, and that of the next one begun. */
static int next_stage(struct builder *b, struct error **err)
{
	size_t number = b->build->definition->stages;
	struct stage_tree *done = &b->done[number - 1];
	done->root = fd_steal(&b->root);
	done->path = take_pointer(&b->root_path);
	done->grafted = b->grafted;
	b->root = -1;
	b->grafted = b->no_grafts = false;
	buffer_free(&b->oci_config);
	build_enter_stage(b->build, number);
	if (remote_send(b->socket, MESSAGE_STAGE, -1, err) < 0)
		return -1;
	return workspace_open_tree(b, false, err);
}

int stages_build(struct builder *b, struct error **err)
{
	const struct build *build = b->build;
	for (;;) {
		if (build_stage(b, err) < 0)
			return -1;
		bool is_last = build->definition == build->last;
		if (!is_last && next_stage(b, err) < 0)
			return -1;
		size_t done = is_last ? build->last->stages : build->definition->stages - 1;
		for (size_t i = 0; i + is_last < done; i++)
			if (!needed_after(build, i, done))
				workspace_drop_tree(b, &b->done[i]);
		if (is_last)
			break;
	}
	if (build->wish->sandbox && sandbox_close(build, b->root, err) < 0)
		return -1;
	return send_result(b, err);
}
