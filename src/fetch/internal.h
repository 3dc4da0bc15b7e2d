/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_FETCH_INTERNAL_H
#define COFFER_FETCH_INTERNAL_H

#include "fetch/fetch.h"

/* The layer of an image that is a file, as Apptainer pushes it. */
#define FETCH_SIF_TYPE "application/vnd.sylabs.sif.layer.v1.sif"

/* ------------------------------------------------------------------ by HTTP (web.c, transfer.c) */

struct web_request {
	const char *url;
	/* No content: what it says of it, WEB_FACTS, is written instead; nothing where it says no
	 * to the question. */
	bool head;
	int out;	   /* an empty file for the content */
	uint64_t limit;	   /* of its bytes */
	unsigned patience; /* seconds without a byte; 0: as for everybody */
};
/* In one line each: what an answer says that changes with the content; all empty: nothing. */
#define WEB_FACTS "ETag", "Last-Modified"

/*
 * Gets what is there by http:// or https://, in a process of its own, which has the descriptor and
 * none of this one's others. What breaks off goes on where it ended, where the server can do
 * that. The errors name the URL without what follows "?".
 */
int fetch_web(const struct web_request *r, struct error **err);
/* The same, in that process: loads libcurl. */
int fetch_web_transfer(const struct web_request *r, struct error **err);
/*
 * Gives up, for good, what that process has no use for: isolate.c. No file grows beyond size bytes.
 * For a process with one thread, without capabilities and new privileges. ERROR_SYSTEM: it is not
 * safe to go on.
 */
int fetch_isolate(uint64_t size, struct error **err);
/* What it means that an answer has this status (401, 404...) and says to wait so many seconds. */
int fetch_web_refused(const char *url, long status, long wait, struct error **err);
/* A hidden name beside the target that no other file has, of at most 255 bytes: the caller's. */
char *fetch_temporary_name(const char *target, struct error **err);
/* From that name to the target: ERROR_EXISTS where that is there, and not to be replaced. */
int fetch_place(int folder, const char *name, const char *target, bool replace, struct error **err);
/* fetch_file() for http://, https:// and library://. */
int fetch_web_file(const struct fetch_wish *wish, const char *target, mode_t mode, bool replace,
		   struct error **err);

/* fetch_digest() for these. */
int fetch_web_digest(const struct fetch_wish *wish, uint8_t ret[32], struct error **err);

/* ------------------------------------------------------------------ skopeo.c */

/*
 * What all commands of skopeo begin with. `folder` is where archives are unpacked on their way; not
 * where others could see it.
 */
int fetch_put_general(const struct fetch_wish *wish, const char *program, const char *folder,
		      struct strings *w, struct error **err);
/* How it is let in. `side`: "src-" or "dest-" where a command has two sides, or "". */
int fetch_put_access(const struct fetch_options *o, const char *side, struct strings *w,
		     struct error **err);
/* Runs it. `out`: what it prints, NULL: that is part of what it says of errors. */
int fetch_run_skopeo(const struct fetch_wish *wish, const char *folder, const struct strings *words,
		     struct buffer *out, struct error **err);

/* The folder of the cache for image files of that way; NULL: there are none. */
const char *fetch_cache_folder(const struct fetch_transport *transport);

/* ------------------------------------------------------------------ library:// (library.c) */

struct library_image {
	char *url; /* of the file */
	uint8_t digest[32];
	uint64_t size; /* 0: it is not said */
};
/* Asks the library what it has by that name. */
int fetch_library_find(const struct fetch_wish *wish, struct library_image *ret,
		       struct error **err);

#endif
