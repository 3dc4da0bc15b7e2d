/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include "crypto/crypto.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* skopeo-copy(1), containers-transports(5). */

#define WORDS_MAX ((size_t)1 << 20)    /* of what it says */
#define MANIFEST_MAX ((size_t)4 << 20) /* as registries have to take it */

struct fetch_transport {
	const char *name;   /* in definitions and before the colon of a SPEC */
	const char *prefix; /* of skopeo's source */
	bool file;	    /* what follows is the path of a file */
	bool in_place;
	bool daemon;
	bool registry;
	/* A file that is an image: what Apptainer calls it, and the folder of the cache. */
	const char *title, *cache;
	bool web; /* by HTTP, and not by skopeo */
	bool library;
};

static const struct fetch_transport transports[] = {
	{ .name = "docker", .prefix = "docker://", .registry = true },
	{ .name = "docker-daemon", .prefix = "docker-daemon:", .daemon = true },
	{ .name = "docker-archive", .prefix = "docker-archive:", .file = true },
	{ .name = "oci", .prefix = "oci:", .file = true, .in_place = true },
	{ .name = "oci-archive", .prefix = "oci-archive:", .file = true },
	{ .name = "containers-storage", .prefix = "containers-storage:" },
	{ .name = "oras",
	  .prefix = "docker://",
	  .registry = true,
	  .title = "oras",
	  .cache = "oras" },
	{ .name = "library",
	  .prefix = "library:",
	  .registry = true,
	  .title = "library",
	  .cache = "library",
	  .web = true,
	  .library = true },
	{ .name = "http",
	  .prefix = "http://",
	  .registry = true,
	  .title = "network",
	  .cache = "net",
	  .web = true },
	{ .name = "https",
	  .prefix = "https://",
	  .registry = true,
	  .title = "network",
	  .cache = "net",
	  .web = true },
};

const struct fetch_transport *fetch_transport(const char *name)
{
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (!strcmp(transports[i].name, name))
			return &transports[i];
	return NULL;
}

bool fetch_in_place(const struct fetch_transport *transport)
{
	return transport->in_place;
}

bool fetch_has_file(const struct fetch_transport *transport)
{
	return transport->title;
}

bool fetch_is_library(const struct fetch_transport *transport)
{
	return transport->library;
}

bool fetch_by_web(const struct fetch_transport *transport)
{
	return transport->web;
}

const char *fetch_title(const struct fetch_transport *transport)
{
	return transport->title;
}

const char *fetch_cache_folder(const struct fetch_transport *transport)
{
	return transport->cache;
}

bool fetch_asks_registry(const struct fetch_transport *transport)
{
	return transport->registry;
}

char *fetch_source(const struct fetch_wish *wish, struct error **err)
{
	const struct fetch_transport *t = wish->transport;
	const char *from = wish->from;
	from += strncmp(from, "//", 2) == 0 && !t->file ? 2 : 0;
	if (!*from || strpbrk(from, " \t\r\n")) {
		error_set(err, ERROR_USAGE, "could not parse reference: %s", wish->from);
		error_hint(err, t->web ? "a URL is https://HOST/PATH"
				       : "a reference is [HOST[:PORT]/]NAME[:TAG][@DIGEST]");
		return NULL;
	}
	if (t->web && memchr(from, '@', strcspn(from, "/?#"))) {
		error_set(err, ERROR_USAGE,
			  "a password in a URL is seen by everybody on the machine");
		error_hint(err, "get the file with a program that asks for it, and run that");
		return NULL;
	}
	if (t->file) {
		CLEANUP_TEXT char *path = path_absolute(from, err);
		return path ? text_printf(err, "%s%s", t->prefix, path) : NULL;
	}
	/* Docker's own store is asked for a name with a tag. */
	const char *slash = strrchr(from, '/');
	bool tag = !t->daemon || strchr(slash ? slash : from, ':') || strchr(from, '@');
	return text_printf(err, "%s%s%s", t->prefix, from, tag ? "" : ":latest");
}

int fetch_refuse_variant(const char *transport, struct error **err)
{
	error_set(err, ERROR_UNSUPPORTED, "--arch-variant chooses nothing of %s://", transport);
	return error_hint(err, "leave it out: of layers alone (docker://, oci:) one variant can be "
			       "asked for");
}

int fetch_check(const struct fetch_wish *wish, struct error **err)
{
	CLEANUP_TEXT char *source = fetch_source(wish, err);
	if (!source)
		return -1;
	if (wish->transport->in_place || wish->transport->web)
		return 0;
	CLEANUP_TEXT char *program = process_find_program("skopeo", err);
	if (program || *err)
		return *err ? -1 : 0;
	error_set(err, ERROR_NOT_FOUND, "skopeo, which gets images from %s, is not in PATH",
		  wish->transport->name);
	return error_hint(err, "apt-get install skopeo");
}

/* What cannot be looked at may be a rule. */
static bool may_be_there(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Where skopeo looks for it. NULL: the user has none that anybody knows of. */
static const char *home_folder(const struct fetch_options *o)
{
	const char *home = getenv("HOME");
	if (home && *home)
		return home;
	const struct passwd *user = account_user(o->in_namespace ? o->uid : getuid());
	return user ? user->pw_dir : NULL;
}

/*
 * Without a rule of the site skopeo takes nothing at all: containers-policy.json(5). One that is
 * there is never passed over: in doubt there is one.
 */
static bool has_policy(const struct fetch_options *o)
{
	CLEANUP_ERROR struct error *err = NULL;
	const char *home = home_folder(o);
	if (may_be_there("/etc/containers/policy.json"))
		return true;
	if (!home)
		return false;
	CLEANUP_TEXT char *own = text_printf(&err, "%s/.config/containers/policy.json", home);
	return !own || may_be_there(own);
}

int fetch_put_general(const struct fetch_wish *wish, const char *program, const char *folder,
		      struct strings *w, struct error **err)
{
	if (strings_add(w, program, err) < 0 ||
	    (!has_policy(wish->options) && strings_add(w, "--insecure-policy", err) < 0) ||
	    strings_add(w, "--override-os=linux", err) < 0 ||
	    strings_addf(w, err, "--override-arch=%s", wish->arch) < 0 ||
	    (wish->variant && strings_addf(w, err, "--override-variant=%s", wish->variant) < 0) ||
	    strings_addf(w, err, "--tmpdir=%s", folder) < 0)
		return -1;
	return 0;
}

int fetch_put_access(const struct fetch_options *o, const char *side, struct strings *w,
		     struct error **err)
{
	if (o->login >= 0
		    ? strings_addf(w, err, "--%sauthfile=/proc/self/fd/%d", side, o->login) < 0
		    : o->authfile && strings_addf(w, err, "--%sauthfile=%s", side, o->authfile) < 0)
		return -1;
	if (o->no_https && strings_addf(w, err, "--%stls-verify=false", side) < 0)
		return -1;
	return o->daemon_host ? strings_addf(w, err, "--%sdaemon-host=%s", side, o->daemon_host)
			      : 0;
}

/* What a tag leads to may change between the question and the answer: the digest stands in its
 * place. */
static char *exact_source(const struct fetch_wish *wish, struct error **err)
{
	CLEANUP_TEXT char *source = fetch_source(wish, err);
	if (!source || !wish->options->digest || !wish->transport->registry || strchr(source, '@'))
		return take_pointer(&source);
	CLEANUP_BUFFER struct buffer exact = { 0 };
	const char *slash = strrchr(source, '/');
	size_t len = (size_t)(slash - source) + strcspn(slash, ":");
	if (buffer_append(&exact, source, len, err) < 0 ||
	    buffer_puts(&exact, "@sha256:", err) < 0 ||
	    buffer_hex(&exact, wish->options->digest, CRYPTO_SHA256_LEN, err) < 0)
		return NULL;
	return buffer_steal(&exact, err);
}

static int put_words(const struct fetch_wish *wish, const char *program, const char *folder,
		     struct strings *w, struct error **err)
{
	CLEANUP_TEXT char *source = exact_source(wish, err);
	if (!source || fetch_put_general(wish, program, folder, w, err) < 0 ||
	    strings_add(w, "copy", err) < 0 || strings_add(w, "--quiet", err) < 0 ||
	    fetch_put_access(wish->options, "src-", w, err) < 0)
		return -1;
	/* To pack what is not packed would cost more than all the rest. */
	if (strings_add(w, "--dest-oci-accept-uncompressed-layers", err) < 0 ||
	    strings_add(w, source, err) < 0 || strings_addf(w, err, "oci:%s/layout", folder) < 0)
		return -1;
	return 0;
}

static bool is_ours(const char *variable)
{
	return !strncmp(variable, "TMPDIR=", 7) || !strncmp(variable, "_CONTAINERS_", 12);
}

static int put_environment(const struct fetch_wish *wish, const char *folder, struct strings *e,
			   struct error **err)
{
	const struct fetch_options *o = wish->options;
	bool store = !strcmp(wish->transport->name, "containers-storage");
	for (char **at = environ; *at; at++)
		if (!is_ours(*at) && (store || strncmp(*at, "XDG_DATA_HOME=", 14) != 0) &&
		    strings_add(e, *at, err) < 0)
			return -1;
	/* It notes there where layers are to be had; a store of images is there, too. */
	if (strings_addf(e, err, "TMPDIR=%s", folder) < 0 ||
	    (!store && strings_addf(e, err, "XDG_DATA_HOME=%s/notes", folder) < 0))
		return -1;
	/* What podman unshare says: that root is not root, and that there is a namespace already.
	 */
	if (!o->in_namespace)
		return 0;
	return strings_add(e, "_CONTAINERS_USERNS_CONFIGURED=done", err) < 0 ||
			       strings_addf(e, err, "_CONTAINERS_ROOTLESS_UID=%u", o->uid) < 0 ||
			       strings_addf(e, err, "_CONTAINERS_ROOTLESS_GID=%u", o->gid) < 0
		       ? -1
		       : 0;
}

/* The one descriptor that the program is to inherit. */
static int let_inherit(int fd, bool on, struct error **err)
{
	return fd >= 0 && fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC) < 0
		       ? error_errno(err, errno, "hand over a descriptor")
		       : 0;
}

int fetch_run_skopeo(const struct fetch_wish *wish, const char *folder, const struct strings *words,
		     struct buffer *out, struct error **err)
{
	CLEANUP_STRINGS struct strings environment = { 0 };
	CLEANUP_BUFFER struct buffer said = { 0 };
	CLEANUP_FD int log = memfd_create("coffer-skopeo", MFD_CLOEXEC);
	if (log < 0)
		return error_errno(err, errno, "make a memory file");
	if (put_environment(wish, folder, &environment, err) < 0 ||
	    let_inherit(wish->options->login, true, err) < 0)
		return -1;
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = (const char *const *)words->items;
	spawn.envp = (const char *const *)environment.items;
	spawn.out_fd = out ? -1 : log;
	spawn.out = out;
	spawn.out_limit = MANIFEST_MAX;
	spawn.err_fd = log;
	int status = process_run(&spawn, err);
	if (status < 0 || let_inherit(wish->options->login, false, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	if (lseek(log, 0, SEEK_SET) < 0 || fd_read_all(log, WORDS_MAX, "skopeo", &said, err) < 0)
		return *err ? -1 : error_errno(err, errno, "read what skopeo says");
	if (status > 128 && !said.len)
		return error_set(err, ERROR_COMMAND, "skopeo was killed by signal %d",
				 status - 128);
	return fetch_explain(said.data ? said.data : "", said.len, err);
}

int fetch_run(const struct fetch_wish *wish, const char *folder, struct error **err)
{
	CLEANUP_STRINGS struct strings words = { 0 };
	/* skopeo takes what is behind the first colon for a name, and the layers would lie
	 * elsewhere. */
	if (strchr(folder, ':')) {
		error_set(err, ERROR_USAGE, "skopeo cannot write to a path with a colon: %s",
			  folder);
		return error_hint(err, "choose another folder with --tmpdir DIR, or for the "
				       "sandbox");
	}
	CLEANUP_TEXT char *program = process_find_program("skopeo", err);
	if (!program)
		return *err ? -1 : fetch_check(wish, err);
	return put_words(wish, program, folder, &words, err) < 0
		       ? -1
		       : fetch_run_skopeo(wish, folder, &words, NULL, err);
}

/* NAME@sha256:DIGEST says it by itself. */
static bool digest_in_name(const char *from, uint8_t ret[CRYPTO_SHA256_LEN])
{
	const char *at = strstr(from, "@sha256:");
	at = at ? at + strlen("@sha256:") : NULL;
	return at && text_hex(at, ret, CRYPTO_SHA256_LEN);
}

int fetch_digest(const struct fetch_wish *wish, const char *folder, uint8_t ret[CRYPTO_SHA256_LEN],
		 struct error **err)
{
	CLEANUP_STRINGS struct strings words = { 0 };
	CLEANUP_BUFFER struct buffer manifest = { 0 };
	CLEANUP_TEXT char *source = fetch_source(wish, err);
	if (!source)
		return -1;
	if (wish->transport->web)
		return fetch_web_digest(wish, ret, err);
	if (digest_in_name(wish->from, ret))
		return 0;
	CLEANUP_TEXT char *program = process_find_program("skopeo", err);
	if (!program)
		return *err ? -1 : fetch_check(wish, err);
	if (fetch_put_general(wish, program, folder, &words, err) < 0 ||
	    strings_add(&words, "inspect", err) < 0 || strings_add(&words, "--raw", err) < 0 ||
	    fetch_put_access(wish->options, "", &words, err) < 0 ||
	    strings_add(&words, source, err) < 0 ||
	    fetch_run_skopeo(wish, folder, &words, &manifest, err) < 0)
		return -1;
	return crypto_sha256(manifest.data ? manifest.data : "", manifest.len, ret, err);
}
