/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/builder.h"
#include "os/os.h"
#include "tree/tree.h"

/*
 * An image to run that is named by where it is to be had: "docker://debian:12". It is made into a
 * SIF like a file's, which is run then. What a registry has is asked for each time by its digest
 * alone, and what was made of that digest before is taken from the cache (runtime.md 2). What lies
 * in archives and layouts is made anew each time: nothing tells that it has not changed.
 */

/* The word before the colon: the text is the caller's. NULL without *err: there is none. */
static char *scheme_of(const char *name, struct error **err)
{
	size_t len = strcspn(name, ":/");
	return len && name[len] == ':' ? text_dup_len(name, len, err) : NULL;
}

/* Instances where none can stand, and what other programs get images from. */
static int refuse(const char *scheme, const char *name, struct error **err)
{
	static const char *const known[] = { "shub", "ipfs" };
	if (!strcmp(scheme, "instance")) {
		error_set(err, ERROR_USAGE, "%s is an instance, not an image", name);
		return error_hint(err, "run, exec and shell join instances: give the image here");
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(scheme, known[i])) {
			error_set(err, ERROR_UNSUPPORTED, "%s:// is not supported by coffer",
				  scheme);
			return error_hint(err, "fetch the image as a file, and run that");
		}
	error_set(err, ERROR_USAGE, "Unsupported transport type: %s", scheme);
	return error_hint(err, "coffer runs files, folders, " REGISTRY_URIS);
}

/* ------------------------------------------------------------------ folders */

char *registry_make_temporary(const char *given, struct error **err)
{
	const char *usual = getenv("TMPDIR");
	const char *dir = given && *given ? given : usual && *usual ? usual : "/tmp";
	CLEANUP_TEXT char *absolute = path_absolute(dir, err);
	CLEANUP_TEXT char *folder = absolute ? path_join(absolute, "coffer-XXXXXX", err) : NULL;
	if (!folder || mkdtemp(folder))
		return take_pointer(&folder);
	error_errno(err, errno, "make a folder in %s", dir);
	error_hint(err, "name another with --tmpdir");
	return NULL;
}

void registry_drop_temporary(char **folder)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	if (*folder)
		(void)copy_remove(AT_FDCWD, *folder, &ignored);
	text_free(folder);
}

void registry_image_free(struct registry_image *image)
{
	registry_drop_temporary(&image->temporary);
	text_free(&image->path);
}

char *registry_cache_path(struct error **err)
{
	static const char *const variables[] = { "COFFER_CACHEDIR", "APPTAINER_CACHEDIR",
						 "SINGULARITY_CACHEDIR" };
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);
		CLEANUP_TEXT char *dir = value && *value ? path_absolute(value, err) : NULL;
		if (dir || *err)
			return dir ? path_join(dir, "cache", err) : NULL;
	}
	const char *cache = getenv("XDG_CACHE_HOME");
	if (cache && *cache == '/')
		return path_join(cache, "coffer", err);
	const char *home = account_home(getuid());
	if (home)
		return path_join(home, ".cache/coffer", err);
	error_set(err, ERROR_NOT_FOUND,
		  "there is no folder for a cache: HOME is not set, and the account has no home");
	return NULL;
}

/* NULL without *err: without a cache. */
static char *usable_cache(const struct invocation *in, struct error **err)
{
	CLEANUP_ERROR struct error *failed = NULL;
	if (invocation_on(in, "disable-cache"))
		return NULL;
	CLEANUP_TEXT char *path = registry_cache_path(&failed);
	CLEANUP_FD int fd = path ? fetch_cache_open(path, true, &failed) : -1;
	if (fd >= 0)
		return take_pointer(&path);
	if (path && failed && error_kind(failed) == ERROR_POLICY) {
		*err = take_pointer(&failed);
		return NULL;
	}
	if (path)
		log_warning("Cache disabled - cache location %s is not writable.", path);
	return NULL;
}

/* ------------------------------------------------------------------ making the image */

struct job {
	const struct invocation *in;
	const char *uri;
	const struct fetch_transport *transport;
	struct build_wish wish;
	mode_t mode;	 /* of an image file */
	bool no_replace; /* its target */
};

/* Asks the registry for a digest, or gets the image file that is there: `folder`, or `target`. This
 * process is in no namespace of a build. */
static int ask(struct job *j, const char *folder, uint8_t ret[32], const char *target,
	       struct error **err)
{
	struct fetch_options options = j->wish.fetch;
	const struct fetch_wish wish = { .transport = j->transport,
					 .from = strchr(j->uri, ':') + 1,
					 .arch = sif_arch_name(sif_arch_native()),
					 .options = &options };
	options.in_namespace = false;
	if (options.password &&
	    fetch_login(wish.from, options.user, options.password, &options.login, err) < 0)
		return -1;
	int r = target ? fetch_file(&wish, target, j->mode, !j->no_replace, err)
		       : fetch_digest(&wish, folder, ret, err);
	if (options.login != j->wish.fetch.login)
		fd_close(&options.login);
	return r;
}

static int make_image(struct job *j, const char *target, struct error **err)
{
	if (fetch_has_file(j->transport)) {
		log_info("Downloading %s image", fetch_title(j->transport));
		return ask(j, NULL, NULL, target, err);
	}
	j->wish.target = target;
	log_info("Converting OCI blobs to SIF format");
	return build_check_target(&j->wish, NULL, NULL, err) < 0 ? -1 : build_image(&j->wish, err);
}

/* Into image->path: of this run's own. */
static int uncached(struct job *j, struct registry_image *image, struct error **err)
{
	image->path = path_join(image->temporary, "image.sif", err);
	return image->path ? make_image(j, image->path, err) : -1;
}

/* Into image->path: what is in the cache, or is now. */
static int cached(struct job *j, const char *cache, struct registry_image *image,
		  struct error **err)
{
	uint8_t of[32];
	struct stat st;
	int r = ask(j, image->temporary, of, NULL, err);
	if (r)
		return r < 0 ? -1 : uncached(j, image, err);
	CLEANUP_TEXT char *name =
		fetch_has_file(j->transport)
			? fetch_cache_file(j->transport, of, err)
			: fetch_cache_sif(of, sif_arch_name(sif_arch_native()), err);
	image->path = name ? path_join(cache, name, err) : NULL;
	if (!image->path)
		return -1;
	if (lstat(image->path, &st) == 0 && S_ISREG(st.st_mode)) {
		log_info("Using cached SIF image");
		return 0;
	}
	/* A digest of content stands for it, whoever gives that: nothing else may come to be there.
	 * (Of http it is a digest of the address and of what the server tells of its file.) */
	j->wish.fetch.digest = of;
	r = make_image(j, image->path, err);
	j->wish.fetch.digest = NULL;
	return r;
}

static int make(struct job *j, struct registry_image *image, struct error **err)
{
	CLEANUP_TEXT char *cache = NULL;
	image->temporary = registry_make_temporary(invocation_option(j->in, "tmpdir")->text, err);
	if (!image->temporary)
		return -1;
	if (fetch_asks_registry(j->transport))
		cache = usable_cache(j->in, err);
	if (*err)
		return -1;
	return cache ? cached(j, cache, image, err) : uncached(j, image, err);
}

/* Fills the job of a URI: 1, or 0 where the name is none. */
static int begin(const struct invocation *in, const struct config *config, const char *name,
		 struct job *j, struct error **err)
{
	CLEANUP_TEXT char *scheme = scheme_of(name, err);
	if (!scheme)
		return *err ? -1 : 0;
	*j = (struct job){ .in = in,
			   .uri = name,
			   .transport = fetch_transport(scheme),
			   .mode = 0700,
			   .wish = { .spec = name,
				     .force = true,
				     .pull = true,
				     .ignore_subuid = invocation_on(in, "ignore-subuid"),
				     .codec = SQUASH_ZSTD,
				     .config = config } };
	if (j->transport)
		return 1;
	return strncmp(name + strlen(scheme), "://", 3) == 0 ? refuse(scheme, name, err) : 0;
}

/* Into *ret, or to the target where that is NULL. */
static int handle(struct job *j, struct registry_image *ret, const char *target, struct error **err)
{
	struct registry_options registry = { 0 };
	int r = options_registry(j->in, &registry, &j->wish.fetch, err);
	/* A registry's password is no web server's, nor is the process to have it that talks to it.
	 */
	if (fetch_by_web(j->transport)) {
		j->wish.fetch.password = NULL;
		secret_free(&registry.password);
	}
	if (r == 0)
		r = ret ? make(j, ret, err) : make_image(j, target, err);
	options_registry_free(&registry);
	/* What follows "?" may let others in. */
	int len = (int)strcspn(j->uri, "?");
	return r < 0 ? error_wrap(err, "Unable to handle %.*s uri", len, j->uri) : 0;
}

int registry_resolve(const struct invocation *in, const struct config *config, const char *name,
		     struct registry_image *ret, struct error **err)
{
	struct job j;
	int r = begin(in, config, name, &j, err);
	return r <= 0 ? r : handle(&j, ret, NULL, err);
}

static const struct fetch_transport *transport_of(const char *uri)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *scheme = scheme_of(uri, &ignored);
	return scheme ? fetch_transport(scheme) : NULL;
}

bool registry_has_file(const char *uri)
{
	const struct fetch_transport *transport = transport_of(uri);
	return transport && fetch_has_file(transport);
}

bool registry_by_web(const char *uri)
{
	const struct fetch_transport *transport = transport_of(uri);
	return transport && fetch_by_web(transport);
}

int registry_pull_file(const struct invocation *in, const char *uri, const char *target,
		       struct error **err)
{
	struct job j;
	int r = begin(in, NULL, uri, &j, err);
	if (r <= 0)
		return r;
	mode_t mask = umask(0);
	umask(mask);
	j.mode = 0777 & ~mask;
	j.no_replace = !invocation_on(in, "force");
	return handle(&j, NULL, target, err);
}
