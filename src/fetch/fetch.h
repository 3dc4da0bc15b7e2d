/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_FETCH_FETCH_H
#define COFFER_FETCH_FETCH_H

#include <sys/stat.h>

#include "base/base.h"
#include "secret/secret.h"

/*
 * The door of fetch/: images that lie in registries, archives and other programs' stores. skopeo(1)
 * knows the transports and the authentication; it puts what it gets into an image layout, which
 * oci/ reads.
 */

/* How an image is got, in the words of definition files: "docker", "oci-archive"... */
struct fetch_transport;
/* NULL where there is none of that name. */
const struct fetch_transport *fetch_transport(const char *name);
/* Whether the source is an image layout that can be read where it is, by oci/ alone. */
bool fetch_in_place(const struct fetch_transport *transport);
/* Whether it lies where a digest is told for a name, or what else changes with it. */
bool fetch_asks_registry(const struct fetch_transport *transport);

/* Whether what lies there is an image file already, and no layers: fetch_file. */
bool fetch_has_file(const struct fetch_transport *transport);
/* Whether it is got by HTTP, and not by skopeo. */
bool fetch_by_web(const struct fetch_transport *transport);
/* Whether it lies in a library, library://: fetch_options has which. */
bool fetch_is_library(const struct fetch_transport *transport);
/* Refuses --arch-variant for it: nobody is asked for another image of that name. Returns -1. */
int fetch_refuse_variant(const char *transport, struct error **err);
/* What Apptainer calls such an image: "oras", "library", "network"; NULL where it has no file. */
const char *fetch_title(const struct fetch_transport *transport);

/* What a user says about registries. All of it is borrowed. */
struct fetch_options {
	const char *authfile;	 /* --authfile, or NULL */
	const char *daemon_host; /* --docker-host, or NULL */
	const char *library;	 /* --library: a URL, or NULL */
	bool no_https;
	const char *user; /* with a password: a login for this image alone */
	const struct secret *password;
	int login; /* the memory file with it, that fetch_login() makes; -1: none */
	/* What fetch_digest() has said of it, 32 bytes: by that it is got from a registry, and it
	 * is an error where a library tells of another one now. NULL: whatever is there. */
	const uint8_t *digest;
	/* Who the user is outside a namespace that was made for the build; false: there is none. */
	bool in_namespace;
	uid_t uid;
	gid_t gid;
};

struct fetch_wish {
	const struct fetch_transport *transport;
	const char *from;    /* as in the definition, with what goes before it */
	const char *arch;    /* Go's name */
	const char *variant; /* of that, "v7", or NULL: any */
	const struct fetch_options *options;
};

/*
 * The source in skopeo's words: "docker://host/name". ERROR_USAGE where it cannot be one. The text
 * is the caller's.
 */
char *fetch_source(const struct fetch_wish *wish, struct error **err);
/* What can be refused before anything is done: a bad reference; skopeo is not there. */
int fetch_check(const struct fetch_wish *wish, struct error **err);
/*
 * Gets the image into `folder`, an empty one of this process's own: a layout in folder/layout.
 * Nothing else is written, but what skopeo notes of where layers are to be had, when root runs it.
 * ERROR_USAGE where the path has a colon, which skopeo cannot be told of.
 */
int fetch_run(const struct fetch_wish *wish, const char *folder, struct error **err);
/*
 * Gets an image file, as it is; `replace`: in the place of what is there, if anything, else
 * ERROR_EXISTS, also of what appears meanwhile. For oras:// a folder
 * beside it is made for that, and removed; from elsewhere it has no name before it is whole.
 * ERROR_UNSUPPORTED where the registry has something else there, ERROR_DAMAGED the server.
 */
int fetch_file(const struct fetch_wish *wish, const char *target, mode_t mode, bool replace,
	       struct error **err);
/*
 * The digest of what the source is now, its manifest or the list of several: from the reference
 * where it is in there, else asked for. Of a library that of the file; of a web server one of the
 * URL and of what it says of the file. `folder`: as of fetch_run; nothing is left in it but by
 * skopeo. 0; 1 where nothing tells whether it has changed; or -1.
 */
int fetch_digest(const struct fetch_wish *wish, const char *folder, uint8_t ret[32],
		 struct error **err);

/*
 * Puts a SIF, as it is, into the registry that wish->from names, as Apptainer does: a manifest
 * whose only layer it is. What else skopeo is told lies in `folder`, an empty one of this process's
 * own.
 */
int fetch_push(const struct fetch_wish *wish, const char *image, const char *folder,
	       struct error **err);

/*
 * A login for the registry that `from` names (a reference of docker://): into the memory file *ret,
 * as skopeo reads it, which is made where it is -1. The password is in no argument, no environment
 * and no file with a name.
 */
int fetch_login(const char *from, const char *user, const struct secret *password, int *ret,
		struct error **err);
/* Takes what was said by PREFIX_DOCKER_USERNAME and _PASSWORD out of the environment: NULL:
 * nothing.
 */
int fetch_take_environment(char **ret_user, struct secret **ret_password, struct error **err);

/* ------------------------------------------------------------------ the cache (cache.c) */

/* What is kept, each kind in a folder of its own. */
struct fetch_cache_kind {
	const char *name; /* as users say it */
	const char *folder;
	bool blobs; /* layers and the like; else images */
};
extern const struct fetch_cache_kind fetch_cache_kinds[]; /* ends with a NULL name */

/*
 * Opens the folder, which is made where it is missing and `make` is set, and must be this user's
 * own: ERROR_POLICY where others may write to it. A descriptor of the caller's, or -1.
 */
int fetch_cache_open(const char *path, bool make, struct error **err);
/* The place in the cache of the image that is made of this digest for a machine ("amd64"). */
char *fetch_cache_sif(const uint8_t digest[32], const char *arch, struct error **err);
/* That of an image file, by what fetch_digest() says. */
char *fetch_cache_file(const struct fetch_transport *transport, const uint8_t digest[32],
		       struct error **err);
/* Calls each() for every file of a kind, in no order, until one fails. `folder` is where it is. */
typedef int fetch_cache_entry(void *context, int folder, const char *name, const struct stat *st,
			      struct error **err);
int fetch_cache_each(int cache, const struct fetch_cache_kind *kind, fetch_cache_entry *each,
		     void *context, struct error **err);

/* What a library says of an image: the digest of its file, and its size, or 0. */
int fetch_library_read(const char *text, size_t len, uint8_t ret[32], uint64_t *ret_size,
		       struct error **err);

/* Makes an error of what skopeo has written: its kind by the cause, and what to do. Returns -1. */
int fetch_explain(const char *text, size_t len, struct error **err);

#endif
