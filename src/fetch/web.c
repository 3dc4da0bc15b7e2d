/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "image/image.h"
#include "os/os.h"

/*
 * Image files of web servers: http://, https://, and library:// (library.c), which tells the URL.
 *
 * A server's bytes are read by libcurl in a process of their own (transfer.c): forked before any
 * key is read, it has the file that it fills, its end of a wire and the standard error, no other
 * descriptor, no capability, and of the environment what is said of proxies and certificates
 * alone; what leads out of it is refused to it (isolate.c). The file has no name until it is whole,
 * its digest right where one is known, and an image by its first bytes: whatever ends this process
 * leaves nothing. (Where the file system has no files without a name, it has a hidden one, which a
 * SIGKILL leaves.)
 */

#define DONE 'd'
#define IMAGE_MAX (UINT64_C(1) << 40)

/* ------------------------------------------------------------------ the process */

static bool is_needed(const char *variable)
{
	static const char *const names[] = { "http_proxy", "https_proxy",   "HTTPS_PROXY",
					     "all_proxy",  "ALL_PROXY",	    "no_proxy",
					     "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR" };
	size_t len = strcspn(variable, "=");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && !strncmp(variable, names[i], len))
			return true;
	return false;
}

/* Passphrases may be in it: the bytes go, not only the way to them. */
static void wipe_environment(void)
{
	char **to = environ;
	for (char **at = environ; *at; at++) {
		if (is_needed(*at))
			*to++ = *at;
		else
			explicit_bzero(*at, strlen(*at));
	}
	*to = NULL;
}

/* All descriptors but the standard error and these two. */
static int close_others(int a, int b)
{
	const int low = a < b ? a : b, high = a < b ? b : a;
	if ((low > 3 && close_range(3, (unsigned)low - 1, 0) < 0) ||
	    (high > low + 1 && close_range((unsigned)low + 1, (unsigned)high - 1, 0) < 0) ||
	    close_range((unsigned)high + 1, UINT_MAX, 0) < 0)
		return -errno;
	return 0;
}

static int confine(const struct web_request *r, int says, struct error **err)
{
	wipe_environment();
	CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return error_errno(err, errno, "open /dev/null");
	fd_close(&null);
	int e = close_others(r->out, says);
	if (e == 0 && process_has_capabilities())
		e = process_drop_capabilities(0);
	if (e < 0)
		return error_errno(err, -e, "confine what talks to the server");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "confine what talks to the server");
	return fetch_isolate(r->limit, err);
}

static _Noreturn void be_child(const struct web_request *r, int says)
{
	struct error *err = NULL;
	/* There is no key yet; were there one, it would not be this process's. */
	secret_wipe_all();
	if (confine(r, says, &err) < 0 || fetch_web_transfer(r, &err) < 0)
		(void)wire_send_error(says, err);
	else
		(void)wire_send(says, DONE, -1);
	_exit(0);
}

int fetch_web(const struct web_request *r, struct error **err)
{
	int pair[2];
	if (wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	CLEANUP_WIRE_PACKET struct wire_packet packet = WIRE_PACKET_NONE;
	int n = process_fork(0, &child);
	if (n < 0)
		return error_errno(err, -n, "start a process");
	if (n == 0)
		be_child(r, theirs);
	fd_close(&theirs);
	n = wire_receive(ours, &packet);
	if (n == 1 && packet.word == DONE)
		return 0;
	if (n == 1 && packet.word == WIRE_ERROR) {
		*err = take_pointer(&packet.error);
		return -1;
	}
	return error_set(err, ERROR_COMMAND, "what talks to the server has ended");
}

int fetch_web_refused(const char *url, long status, long wait, struct error **err)
{
	static const struct {
		long status;
		enum error_kind kind;
		const char *what, *hint;
	} causes[] = {
		{ 401, ERROR_POLICY, "the server wants a login",
		  "coffer sends none: get the file with a program that does, and run that" },
		{ 403, ERROR_POLICY, "the server does not give it to this user or machine",
		  "ask who runs it; a signed URL may have run out" },
		{ 404, ERROR_NOT_FOUND, "it is not there", "look at the name" },
		{ 407, ERROR_POLICY, "the proxy wants a login", "look at https_proxy" },
		{ 410, ERROR_NOT_FOUND, "it is no longer there", "look at the name" },
	};
	int len = (int)strcspn(url, "?#");
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].status == status) {
			error_set(err, causes[i].kind, "%.*s: %s (status %ld)", len, url,
				  causes[i].what, status);
			return error_hint(err, "%s", causes[i].hint);
		}
	error_set(err, status == 429 || status == 503 ? ERROR_LIMIT : ERROR_SYSTEM,
		  "%.*s: %s (status %ld)", len, url,
		  status == 429 ? "the server gives no more for now" : "the server cannot give it",
		  status);
	return wait > 0 ? error_hint(err, "try again in %ld s: so the server says", wait)
			: error_hint(err, "try once more, later");
}

/* ------------------------------------------------------------------ the file */

static int open_coming(const char *target, int *ret_folder, struct hidden *ret, struct error **err)
{
	int r = hidden_open_beside(target, ret_folder, ret);
	if (r == 0)
		return 0;
	error_errno(err, -r, "make a file beside %s", target);
	return error_hint(err, "name another place: its folder must be there, and this user's");
}

/* Under a name of its own, then in the place of what is there. */
static int give_name(struct hidden *c, const char *target, bool replace, struct error **err)
{
	int r = hidden_link(c, path_base_name(target));
	if (r < 0)
		return error_errno(err, -r, "put the image to %s", target);
	if (fetch_place(c->folder, c->name, target, replace, err) < 0)
		return -1;
	text_free(&c->name);
	return 0;
}

static int check_digest(int fd, const struct library_image *want, struct error **err)
{
	uint8_t bytes[65536], digest[CRYPTO_SHA256_LEN];
	__attribute__((cleanup(crypto_digest_free))) struct crypto_digest *d = NULL;
	uint64_t off = 0;
	ssize_t n;
	if (crypto_digest_new(CRYPTO_SHA256, &d, err) < 0 || crypto_digest_begin(d, err) < 0)
		return -1;
	for (; (n = fd_pread(fd, bytes, sizeof(bytes), off)) > 0; off += (uint64_t)n)
		if (crypto_digest_add(d, bytes, (size_t)n, err) < 0)
			return -1;
	if (n < 0)
		return error_errno(err, (int)-n, "read what was got");
	if (crypto_digest_end(d, digest, err) < 0)
		return -1;
	if (!memcmp(digest, want->digest, sizeof(digest)) && (!want->size || off == want->size))
		return 0;
	error_set(err, ERROR_DAMAGED, "what came is not the file that the library tells of");
	return error_hint(err, "try once more");
}

/* A page of words is what servers send for what they do not have. */
static int check_image(int fd, struct error **err)
{
	uint8_t head[IMAGE_HEAD_LEN];
	struct image_probe probe;
	ssize_t n = fd_pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_errno(err, (int)-n, "read what was got");
	image_probe(head, (size_t)n, &probe);
	if (probe.format)
		return 0;
	error_set(err, ERROR_DAMAGED, "what is there is no image%s%s", probe.what ? ", but " : "",
		  probe.what ? probe.what : "");
	return error_hint(err, "look at the URL: it may lead to a page about the image");
}

/* What was asked for a digest before is kept by that: it has to be the same still. */
static int check_same(const struct fetch_wish *wish, const struct library_image *image,
		      struct error **err)
{
	const uint8_t *before = wish->options->digest;
	if (!before || !memcmp(before, image->digest, sizeof(image->digest)))
		return 0;
	error_set(err, ERROR_DAMAGED, "the library tells of another image than a moment ago");
	return error_hint(err, "try once more");
}

int fetch_web_file(const struct fetch_wish *wish, const char *target, mode_t mode, bool replace,
		   struct error **err)
{
	struct library_image image = { 0 };
	bool named = fetch_is_library(wish->transport);
	if (named ? fetch_library_find(wish, &image, err) < 0
		  : !(image.url = fetch_source(wish, err)))
		return -1;
	CLEANUP_TEXT char *url = image.url;
	CLEANUP_FD int folder = -1;
	CLEANUP_HIDDEN struct hidden coming = HIDDEN_NONE;
	if ((named && check_same(wish, &image, err) < 0) ||
	    open_coming(target, &folder, &coming, err) < 0)
		return -1;
	const struct web_request request = { .url = url, .out = coming.fd, .limit = IMAGE_MAX };
	if (fetch_web(&request, err) < 0 || (named && check_digest(coming.fd, &image, err) < 0) ||
	    check_image(coming.fd, err) < 0)
		return -1;
	if (fchmod(coming.fd, mode) < 0 || fsync(coming.fd) < 0)
		return error_errno(err, errno, "put the image to %s", target);
	return give_name(&coming, target, replace, err);
}

/* The URL, too, is part of it: two servers may say the same of two files. */
static int digest_of_facts(const char *url, const char *facts, size_t len, uint8_t ret[32],
			   struct error **err)
{
	CLEANUP_BUFFER struct buffer all = { 0 };
	if (buffer_printf(&all, err, "%s\n", url) < 0 || buffer_append(&all, facts, len, err) < 0)
		return -1;
	return crypto_sha256(all.data, all.len, ret, err);
}

int fetch_web_digest(const struct fetch_wish *wish, uint8_t ret[CRYPTO_SHA256_LEN],
		     struct error **err)
{
	struct library_image image = { 0 };
	CLEANUP_BUFFER struct buffer facts = { 0 };
	if (fetch_is_library(wish->transport)) {
		int r = fetch_library_find(wish, &image, err);
		memcpy(ret, image.digest, sizeof(image.digest));
		text_free(&image.url);
		return r;
	}
	CLEANUP_TEXT char *url = fetch_source(wish, err);
	CLEANUP_FD int fd = url ? memfd_create("coffer-web", MFD_CLOEXEC) : -1;
	if (fd < 0)
		return *err ? -1 : error_errno(err, errno, "make a memory file");
	const struct web_request request = { .url = url, .head = true, .out = fd, .limit = 4096 };
	if (fetch_web(&request, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "read a memory file");
	if (fd_read_all(fd, 4096, url, &facts, err) < 0)
		return -1;
	for (size_t i = 0; i < facts.len; i++)
		if (facts.data[i] != '\n')
			return digest_of_facts(url, facts.data, facts.len, ret, err);
	return 1;
}
