/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_FETCH_FETCH_H
#define COFFER_FETCH_FETCH_H

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

/* What a user says about registries. All of it is borrowed. */
struct fetch_options {
	const char *authfile;	 /* --authfile, or NULL */
	const char *daemon_host; /* --docker-host, or NULL */
	bool no_https;
	const char *user; /* with a password: a login for this image alone */
	const struct secret *password;
	int login; /* the memory file with it, that fetch_login() makes; -1: none */
	/* Who the user is outside a namespace that was made for the build; false: there is none. */
	bool in_namespace;
	uid_t uid;
	gid_t gid;
};

struct fetch_wish {
	const struct fetch_transport *transport;
	const char *from; /* as in the definition, with what goes before it */
	const char *arch; /* Go's name */
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

/* Makes an error of what skopeo has written: its kind by the cause, and what to do. Returns -1. */
int fetch_explain(const char *text, size_t len, struct error **err);

#endif
