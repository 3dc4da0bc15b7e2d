/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --nv and --rocm (runtime.md 14): the parts of a GPU's driver that programs are linked with must
 * be those of this machine's kernel. What they are, a list says: one name a line. A name that ends
 * in .so stands for the libraries that begin with it in ldconfig's cache, a path for that file,
 * another name for a program. Each is a row of its own in the list of mounts, read-only; what this
 * machine lacks is left out, and what the image has no place for is warned of when it is mounted.
 */
#include "run/plan/internal.h"

#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define LIST_LIMIT ((size_t)256 << 10)
#define CACHE_LIMIT ((size_t)16 << 20)
/* Each is a mount. */
#define LIBRARIES_MAX 512

static const struct gpu {
	const char *name, *file, *list;
	const char *devices[4]; /* patterns */
	const char *socket;	/* a path, or NULL */
} nv = { .name = "nv",
	 .file = "nvliblist.conf",
	 .list = COFFER_NV_LIST,
	 .devices = { "/dev/nvidia*", NULL },
	 .socket = "/var/run/nvidia-persistenced/socket" },
  rocm = { .name = "rocm",
	   .file = "rocmliblist.conf",
	   .list = COFFER_ROCM_LIST,
	   .devices = { "/dev/dri", "/dev/kfd", NULL } };

/* ---------------------------------------------------------------- the list and the cache */

static bool ends_in_so(const char *name)
{
	size_t len = strlen(name);
	return len > 3 && !strcmp(name + len - 3, ".so");
}

int run_gpu_read_list(const char *text, struct run_gpu_list *ret, struct error **err)
{
	CLEANUP_TEXT char *copy = text_dup(text, err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n"));) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		/* A path that is none from the root is nothing that could be found. */
		if (!*line || (*line != '/' && strchr(line, '/')))
			continue;
		struct strings *to = *line == '/'	? &ret->files
				     : ends_in_so(line) ? &ret->libraries
							: &ret->programs;
		if (strings_add(to, line, err) < 0)
			return -1;
	}
	return 0;
}

void run_gpu_list_free(struct run_gpu_list *list)
{
	strings_free(&list->libraries);
	strings_free(&list->programs);
	strings_free(&list->files);
}

static bool is_listed(const struct strings *list, const char *name)
{
	for (size_t i = 0; i < list->len; i++)
		if (!strncmp(name, list->items[i], strlen(list->items[i])))
			return true;
	return false;
}

/* "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1" */
int run_gpu_read_cache(const char *text, const struct strings *wanted, struct strings *ret,
		       struct error **err)
{
	static const char arrow[] = " => /";
	CLEANUP_TEXT char *copy = text_dup(text, err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *path = strstr(line, arrow);
		if (*line != '\t' || !path)
			continue;
		path += strlen(arrow) - 1;
		line[1 + strcspn(line + 1, " ")] = '\0';
		if (line[1] && !strchr(line + 1, '/') && is_listed(wanted, line + 1) &&
		    strings_add(ret, path, err) < 0)
			return -1;
	}
	return 0;
}

/* ---------------------------------------------------------------- this machine */

/*
 * This program's own head, which the linker names and the kernel has loaded: the file is not to be
 * read by everybody where it is installed.
 */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* Whether a library is for this program's machine: class, order of bytes and processor. */
static bool is_of_this_machine(const char *path)
{
	ElfW(Ehdr) head;
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && fd_pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
	       !memcmp(head.e_ident, __ehdr_start.e_ident, EI_DATA + 1) &&
	       head.e_machine == __ehdr_start.e_machine;
}

static int read_list(const struct gpu *gpu, struct run_gpu_list *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_TEXT char *path = path_join(COFFER_CONFIG_FOLDER, gpu->file, err);
	if (!path)
		return -1;
	if (!run_path_exists(path))
		return run_gpu_read_list(gpu->list, ret, err);
	if (fd_read_file(AT_FDCWD, path, LIST_LIMIT, &text, err) < 0)
		return -1;
	return run_gpu_read_list(text.data ? text.data : "", ret, err);
}

/* What `ldconfig -p` says; nothing where there is none. */
static int ask_ldconfig(struct buffer *ret, struct error **err)
{
	static const char *const argv[] = { "/sbin/ldconfig", "-p", NULL };
	static const char *const envp[] = { "LC_ALL=C", NULL };
	CLEANUP_ERROR struct error *failed = NULL;
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = argv;
	spawn.envp = envp;
	spawn.out = ret;
	spawn.out_limit = CACHE_LIMIT;
	int status = process_run(&spawn, &failed);
	if (status == 0)
		return buffer_puts(ret, "", err);
	log_warning("No libraries are found, as ldconfig has none: %s",
		    status < 0 ? error_message(failed) : "it failed");
	ret->len = 0;
	return buffer_puts(ret, "", err);
}

/* ---------------------------------------------------------------- rows */

static int add_file(struct run_plan *plan, const char *source, const char *target, bool of_system,
		    struct error **err)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		if (!strcmp(plan->mounts[i].target, target))
			return 0;
	if (run_add_bind(plan, source, target, "files", err) < 0)
		return -1;
	plan->mounts[plan->mount_count - 1].read_only = true;
	/* Replaced when a driver is, by root alone. */
	if (of_system)
		plan->mounts[plan->mount_count - 1].witnessed = false;
	return 0;
}

static int add_libraries(struct run_plan *plan, const struct strings *wanted, size_t *count,
			 struct error **err)
{
	CLEANUP_BUFFER struct buffer cache = { 0 };
	CLEANUP_STRINGS struct strings found = { 0 };
	if (!wanted->len)
		return 0;
	if (ask_ldconfig(&cache, err) < 0 ||
	    run_gpu_read_cache(cache.data, wanted, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.len && *count < LIBRARIES_MAX; i++) {
		/* The cache has those of other processors, too. */
		if (!is_of_this_machine(found.items[i]))
			continue;
		CLEANUP_TEXT char *target =
			path_join("/.singularity.d/libs", path_base_name(found.items[i]), err);
		if (!target || add_file(plan, found.items[i], target, true, err) < 0)
			return -1;
		++*count;
	}
	return 0;
}

static int add_program(struct run_plan *plan, const char *name, size_t *count, struct error **err)
{
	const char *path = getenv("PATH");
	CLEANUP_TEXT char *copy = text_dup(path ? path : "/usr/bin:/bin", err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *folder; (folder = strsep(&rest, ":"));) {
		CLEANUP_TEXT char *full = *folder == '/' ? path_join(folder, name, err) : NULL;
		if (*err)
			return -1;
		if (!full || access(full, X_OK) < 0)
			continue;
		CLEANUP_TEXT char *target = path_join("/usr/bin", name, err);
		++*count;
		/* The caller's $PATH may lead to what others can replace. */
		return target ? add_file(plan, full, target, false, err) : -1;
	}
	return 0;
}

static int add_devices(struct run_plan *plan, const struct gpu *gpu, struct error **err)
{
	for (const char *const *d = gpu->devices; plan->minimal_dev && *d; d++) {
		glob_t found = { 0 };
		int r = 0;
		if (glob(*d, GLOB_NOSORT, NULL, &found) == 0) {
			for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
				const char *path = found.gl_pathv[i];
				r = run_add_bind(plan, path, path, "dev", err);
				if (r == 0)
					plan->mounts[plan->mount_count - 1].restricted = false;
			}
		}
		globfree(&found);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int add_gpu(struct run_plan *plan, const struct gpu *gpu, struct error **err)
{
	__attribute__((cleanup(run_gpu_list_free))) struct run_gpu_list list = { 0 };
	size_t libraries = 0, others = 0;
	if (read_list(gpu, &list, err) < 0)
		return error_wrap(err, "read %s", gpu->file);
	if (add_libraries(plan, &list.libraries, &libraries, err) < 0)
		return -1;
	for (size_t i = 0; i < list.programs.len; i++)
		if (add_program(plan, list.programs.items[i], &others, err) < 0)
			return -1;
	for (size_t i = 0; i < list.files.len; i++) {
		const char *path = list.files.items[i];
		if (!run_path_exists(path))
			continue;
		others++;
		if (add_file(plan, path, path, true, err) < 0)
			return -1;
	}
	if (!libraries)
		log_warning("Could not find any %s %s on this host!", gpu->name,
			    others ? "libraries" : "files");
	if (gpu->socket && run_path_exists(gpu->socket) &&
	    add_file(plan, gpu->socket, gpu->socket, true, err) < 0)
		return -1;
	return add_devices(plan, gpu, err);
}

int run_add_gpus(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	bool site = !wish->for_build;
	bool with_nv = wish->nv || (site && plan->config->always_nv);
	bool with_rocm = wish->rocm || (site && plan->config->always_rocm);
	if (!with_nv && !with_rocm)
		return 0;
	if (!plan->config->user_bind_control) {
		log_warning("Ignoring --%s: user bind control disabled by system administrator",
			    with_nv ? nv.name : rocm.name);
		return 0;
	}
	if (with_nv && add_gpu(plan, &nv, err) < 0)
		return -1;
	return with_rocm ? add_gpu(plan, &rocm, err) : 0;
}
