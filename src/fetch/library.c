/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json/json.h"

/*
 * library://: Sylabs' protocol for libraries of SIF images, whoever runs one. An image is
 * [HOST/]ENTITY/COLLECTION/NAME[:TAG]; its facts are asked for by v1/images/..., among them the
 * SHA-256 of the file, which v1/imagefile/... then gives or sends on to. Without a host it is the
 * library that the user names, and there is none that everybody has.
 */

#define FACTS_MAX ((size_t)1 << 20)
#define TAG_USUAL "latest"

/* What may stand in a URL as it is, and means nothing there. */
static bool is_plain(const char *text, size_t len, const char *more)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(more, text[i]))
			return false;
	return len > 0;
}

static int bad_name(const char *from, struct error **err)
{
	error_set(err, ERROR_USAGE, "could not parse reference: %s", from);
	return error_hint(err, "a reference is library://[HOST/]ENTITY/COLLECTION/NAME[:TAG]");
}

/* Where the library is, with a slash at its end: the text is the caller's. *name: what follows. */
static char *base_of(const struct fetch_wish *wish, const char **name, struct error **err)
{
	const char *given = wish->options->library, *at = *name;
	size_t slashes = 0;
	for (const char *s = at; *s && *s != ':'; s++)
		slashes += *s == '/';
	/* A port makes a host of it, too. */
	const char *slash = strchr(at, '/'), *colon = strchr(at, ':');
	if (slash && (slashes > 2 || (colon && colon < slash))) {
		size_t len = (size_t)(slash - at);
		*name = slash + 1;
		if (is_plain(at, len, ".-:[]"))
			return text_printf(err, "%s://%.*s/",
					   wish->options->no_https ? "http" : "https", (int)len,
					   at);
		(void)bad_name(wish->from, err);
		return NULL;
	}
	const char *server = given ? strstr(given, "://") : NULL;
	server = server ? server + 3 : given;
	if (server && memchr(server, '@', strcspn(server, "/?#"))) {
		error_set(err, ERROR_USAGE,
			  "a password in a URL is seen by everybody on the machine");
		error_hint(err, "name the library without it: coffer logs in to none");
		return NULL;
	}
	if (given && *given) {
		if (!strncmp(given, "https://", 8) || !strncmp(given, "http://", 7))
			return text_printf(err, "%s%s", given,
					   given[strlen(given) - 1] == '/' ? "" : "/");
		error_set(err, ERROR_USAGE, "the library %s is no URL", given);
		error_hint(err, "--library https://HOST");
		return NULL;
	}
	error_set(err, ERROR_USAGE,
		  "Unable to get library client configuration: remote has no library client (see "
		  "https://apptainer.org/docs/user/latest/endpoint.html#no-default-remote)");
	error_hint(err, "there is no library that everybody has: name one with --library "
			"https://HOST, or as library://HOST/ENTITY/COLLECTION/NAME");
	return NULL;
}

/* "BASEv1/KIND/PATH:TAG?arch=ARCH" */
static char *url_of(const struct fetch_wish *wish, const char *kind, struct error **err)
{
	const char *name = wish->from;
	name += strspn(name, "/");
	CLEANUP_TEXT char *base = base_of(wish, &name, err);
	if (!base)
		return NULL;
	size_t len = strcspn(name, ":");
	const char *tag = name[len] ? name + len + 1 : TAG_USUAL;
	/* Of several the first, as Apptainer does. */
	size_t tag_len = strcspn(tag, ",");
	if (!is_plain(name, len, "._-/") || !is_plain(tag, tag_len, "._-") || strstr(name, "..")) {
		(void)bad_name(wish->from, err);
		return NULL;
	}
	return text_printf(err, "%sv1/%s/%.*s:%.*s?arch=%s", base, kind, (int)len, name,
			   (int)tag_len, tag, wish->arch);
}

int fetch_library_read(const char *text, size_t len, uint8_t ret[32], uint64_t *ret_size,
		       struct error **err)
{
	static const struct json_limits limits = { .what = "the library's answer",
						   .bytes = FACTS_MAX,
						   .depth = 16,
						   .values = 100000,
						   .last_counts = true };
	CLEANUP_JSON struct json *j = NULL;
	const char *hash = NULL;
	struct json_at root, data;
	*ret_size = 0;
	if (json_read(text, len, &limits, &j, err) < 0)
		return -1;
	root = json_root(j);
	if (json_get(&root, "data", JSON_OBJECT, &data, err) < 0 ||
	    json_get_text(&data, "hash", &hash, err) < 0)
		return -1;
	if (json_find(&data, "size", NULL) &&
	    json_get_number(&data, "size", 0, UINT64_MAX - 1, ret_size, err) < 0)
		return -1;
	if ((!strncmp(hash, "sha256.", 7) || !strncmp(hash, "sha256:", 7)) &&
	    strlen(hash) == 7 + 64 && text_hex(hash + 7, ret, 32))
		return 0;
	error_set(err, ERROR_UNSUPPORTED, "the library gives the image no SHA-256 to know it by");
	return error_hint(err, "have it pushed there once more");
}

int fetch_library_find(const struct fetch_wish *wish, struct library_image *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer facts = { 0 };
	CLEANUP_FD int fd = memfd_create("coffer-library", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a memory file");
	CLEANUP_TEXT char *ask = url_of(wish, "images", err);
	const struct web_request request = { .url = ask, .out = fd, .limit = FACTS_MAX };
	if (!ask || fetch_web(&request, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "read what the library says");
	if (fd_read_all(fd, FACTS_MAX, "the library's answer", &facts, err) < 0 ||
	    fetch_library_read(facts.data ? facts.data : "", facts.len, ret->digest, &ret->size,
			       err) < 0)
		return -1;
	ret->url = url_of(wish, "imagefile", err);
	return ret->url ? 0 : -1;
}
