/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* containers-auth.json(5): {"auths": {"HOST": {"auth": BASE64 OF "USER:PASSWORD"}}}. */

/* The part of a reference that names the registry: Docker's rule. */
static char *registry_of(const char *from, struct error **err)
{
	from += strncmp(from, "//", 2) == 0 ? 2 : 0;
	size_t len = strcspn(from, "/");
	bool host = from[len] && (memchr(from, '.', len) || memchr(from, ':', len) ||
				  (len == 9 && !memcmp(from, "localhost", 9)));
	return host ? text_dup_len(from, len, err) : text_dup("docker.io", err);
}

/* RFC 4648 4, in guarded memory: what is written elsewhere stays there. */
static size_t encode(const unsigned char *data, size_t len, unsigned char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned v = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
			     (left > 2 ? data[i + 2] : 0);
		out[n++] = (unsigned char)digits[v >> 18];
		out[n++] = (unsigned char)digits[v >> 12 & 63];
		out[n++] = left > 1 ? (unsigned char)digits[v >> 6 & 63] : '=';
		out[n++] = left > 2 ? (unsigned char)digits[v & 63] : '=';
	}
	return n;
}

#define END "}}\n"

static int write_login(int fd, const char *registry, const char *user,
		       const struct secret *password, struct error **err)
{
	size_t user_len = strlen(user), len = user_len + 1 + secret_size(password);
	CLEANUP_SECRET struct secret *pair = NULL, *word = NULL;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at a memory file");
	/* Behind those that are there, whose end it replaces. */
	uint64_t off = st.st_size ? (uint64_t)st.st_size - strlen(END) : 0;
	CLEANUP_TEXT char *before =
		text_printf(err, "%s\"%s\":{\"auth\":\"", off ? "," : "{\"auths\":{", registry);
	static const char after[] = "\"}" END;
	if (!before || secret_new(len, &pair, err) < 0 ||
	    secret_new((len + 2) / 3 * 4, &word, err) < 0)
		return -1;
	memcpy(secret_data(pair), user, user_len);
	secret_data(pair)[user_len] = ':';
	memcpy(secret_data(pair) + user_len + 1, secret_bytes(password), secret_size(password));
	size_t n = encode(secret_bytes(pair), len, secret_data(word));
	size_t len_before = strlen(before);
	int r = fd_pwrite(fd, before, len_before, off);
	r = r < 0 ? r : fd_pwrite(fd, secret_bytes(word), n, off + len_before);
	r = r < 0 ? r : fd_pwrite(fd, after, strlen(after), off + len_before + n);
	return r < 0 ? error_errno(err, -r, "write a memory file") : 0;
}

int fetch_login(const char *from, const char *user, const struct secret *password, int *ret,
		struct error **err)
{
	CLEANUP_TEXT char *registry = registry_of(from, err);
	if (!registry)
		return -1;
	/* It stands in JSON as it is. */
	if (strpbrk(registry, "\"\\") || !*user || strchr(user, ':'))
		return error_set(err, ERROR_USAGE, "the name of the user or the registry is bad");
	if (*ret >= 0)
		return write_login(*ret, registry, user, password, err);
	CLEANUP_FD int fd = memfd_create("coffer-login", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a memory file");
	if (write_login(fd, registry, user, password, err) < 0)
		return -1;
	*ret = fd_steal(&fd);
	return 0;
}

/* ------------------------------------------------------------------ the environment */

static const char *const prefixes[] = { "APPTAINER_", "SINGULARITY_", "" };

/* The first of NAME with its prefixes that is set; all of them are taken away. */
static int take(const char *what, struct secret **ret, struct error **err)
{
	int result = 0;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		CLEANUP_ERROR struct error *failed = NULL;
		CLEANUP_TEXT char *name = text_printf(&failed, "%s%s", prefixes[i], what);
		char *value = name ? getenv(name) : NULL;
		if (!name && result == 0)
			result = error_no_memory(err);
		if (!value)
			continue;
		if (*value && !*ret && result == 0)
			result = secret_copy(value, strlen(value), ret, err);
		secret_wipe(value, strlen(value));
		(void)unsetenv(name);
	}
	return result;
}

int fetch_take_environment(char **ret_user, struct secret **ret_password, struct error **err)
{
	CLEANUP_SECRET struct secret *user = NULL, *password = NULL;
	CLEANUP_TEXT char *name = NULL;
	int r = take("DOCKER_USERNAME", &user, err);
	/* Also after a failure: no section finds a password in its environment. */
	CLEANUP_ERROR struct error *second = NULL;
	if (take("DOCKER_PASSWORD", &password, r < 0 ? &second : err) < 0 || r < 0)
		return -1;
	if (user) {
		name = text_dup_len((const char *)secret_bytes(user), secret_size(user), err);
		if (!name)
			return -1;
	}
	*ret_user = take_pointer(&name);
	*ret_password = take_pointer(&password);
	return 0;
}
