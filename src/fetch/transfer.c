/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"
#include "crypto/crypto.h"

/* Its macros that look at types cannot go through the table of a loaded library. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * One transfer by libcurl, in the process that web.c has made for it.
 *
 * An answer that breaks off is asked for again from where it ended (RFC 9110 14, "Range"), on the
 * condition that it is the same one still: "If-Range" with its strong ETag, else with its date. A
 * server that cannot do that sends all of it, and the file begins anew; one that names neither is
 * not asked again, as the second half might be another file's.
 */

#define PATIENCE 60 /* seconds without a byte */
#define CONNECT_PATIENCE 30
#define REDIRECTS_MAX 10L
#define TRIES_MAX 20	/* of one file */
#define FRUITLESS_MAX 3 /* in sequence, that bring nothing more */
#define FACT_MAX 256	/* of an ETag */
#define SAY_EVERY 10	/* seconds */

#define CURL_ONCE(F) F(curl_global_init) F(curl_easy_strerror)
#define CURL_LIST(F) F(curl_slist_append) F(curl_slist_free_all)
#define CURL_BEGIN(F) F(curl_easy_init) F(curl_easy_cleanup) F(curl_easy_setopt)
#define CURL_RUN(F) F(curl_easy_perform) F(curl_easy_getinfo) F(curl_easy_header)
#define CURL_FUNCTIONS(F) CURL_ONCE(F) CURL_LIST(F) CURL_BEGIN(F) CURL_RUN(F)

static struct {
	CURL_FUNCTIONS(LIBRARY_MEMBER)
} curl;
static struct library library = LIBRARY("libcurl.so.4", CURL_FUNCTIONS, curl);

struct transfer {
	const struct web_request *r;
	CURL *handle;
	uint64_t at;	/* what is written */
	uint64_t whole; /* of the file; 0: it is not said */
	bool begun;	/* the content of this answer */
	bool too_long, shifted;
	int write_error;     /* errno */
	char same[FACT_MAX]; /* by which an answer is known again; "": none */
	time_t began, said;
	char words[CURL_ERROR_SIZE];
};

static time_t now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Of the answer's header; "": it is not there, or none that would be sent back. */
static void take_fact(const struct transfer *t, const char *name, char ret[FACT_MAX])
{
	struct curl_header *h = NULL;
	*ret = '\0';
	if (curl.curl_easy_header(t->handle, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return;
	size_t len = strlen(h->value);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)h->value[i] < ' ' || h->value[i] == 127)
			return;
	if (len < FACT_MAX)
		memcpy(ret, h->value, len + 1);
}

/* "bytes FIRST-LAST/WHOLE": whether that is what was asked for. WHOLE may be "*". */
static bool goes_on(const struct transfer *t)
{
	char range[FACT_MAX], *end = NULL;
	take_fact(t, "Content-Range", range);
	/* Nobody has asked for a part before there is one. */
	if (!t->at || strncmp(range, "bytes ", 6) != 0)
		return false;
	errno = 0;
	uint64_t first = strtoull(range + 6, &end, 10);
	if (errno || end == range + 6 || *end != '-' || first != t->at)
		return false;
	const char *slash = strchr(end, '/');
	if (!slash || !t->whole || !strcmp(slash, "/*"))
		return slash != NULL;
	uint64_t whole = strtoull(slash + 1, &end, 10);
	return !errno && end != slash + 1 && !*end && whole == t->whole;
}

/* At the first byte of an answer: whether it begins or goes on. */
static bool begin_content(struct transfer *t)
{
	long status = 0;
	curl_off_t len = -1;
	(void)curl.curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	(void)curl.curl_easy_getinfo(t->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	t->begun = true;
	if (status == 206) {
		t->shifted = !goes_on(t);
		return !t->shifted;
	}
	t->at = 0;
	t->whole = len > 0 ? (uint64_t)len : 0;
	if (lseek(t->r->out, 0, SEEK_SET) < 0 || ftruncate(t->r->out, 0) < 0) {
		t->write_error = errno;
		return false;
	}
	take_fact(t, "ETag", t->same);
	/* A weak one may be that of other bytes. */
	if (!*t->same || !strncmp(t->same, "W/", 2))
		take_fact(t, "Last-Modified", t->same);
	return true;
}

/* One line each ten seconds. */
static void say_how_far(struct transfer *t)
{
	time_t at = now();
	if (at - t->said < SAY_EVERY)
		return;
	t->said = at;
	uint64_t rate = t->at / (uint64_t)(at - t->began);
	if (t->whole > t->at && rate)
		log_info("%llu of %llu MiB, %llu KiB/s, %llu s left",
			 (unsigned long long)t->at >> 20, (unsigned long long)t->whole >> 20,
			 (unsigned long long)rate >> 10,
			 (unsigned long long)((t->whole - t->at) / rate));
	else
		log_info("%llu MiB, %llu KiB/s", (unsigned long long)t->at >> 20,
			 (unsigned long long)rate >> 10);
}

static size_t take_content(char *bytes, size_t one, size_t len, void *context)
{
	struct transfer *t = context;
	(void)one;
	if (!t->begun && !begin_content(t))
		return 0;
	if (len > t->r->limit - t->at || t->whole > t->r->limit) {
		t->too_long = true;
		return 0;
	}
	int r = fd_write(t->r->out, bytes, len);
	if (r < 0) {
		t->write_error = -r;
		return 0;
	}
	t->at += len;
	say_how_far(t);
	return len;
}

/* ------------------------------------------------------------------ what went wrong */

static const struct {
	CURLcode code;
	enum error_kind kind;
	const char *what, *hint;
} causes[] = {
	{ CURLE_URL_MALFORMAT, ERROR_USAGE, "this is no URL", "a URL is https://HOST/PATH" },
	{ CURLE_COULDNT_RESOLVE_PROXY, ERROR_NOT_FOUND, "the proxy has no address",
	  "look at https_proxy and http_proxy" },
	{ CURLE_COULDNT_RESOLVE_HOST, ERROR_NOT_FOUND, "the host has no address",
	  "look at its name, and whether this machine has a network" },
	{ CURLE_COULDNT_CONNECT, ERROR_SYSTEM, "nothing answers there",
	  "look at the host and the port, and at https_proxy" },
	{ CURLE_TOO_MANY_REDIRECTS, ERROR_LIMIT, "the server sends on without end",
	  "look at the URL with a browser: it leads back to itself" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERROR_POLICY, "the server sends on to a less safe place",
	  "only https:// is followed from https://: give the URL it leads to, if it is to be "
	  "trusted" },
	{ CURLE_PEER_FAILED_VERIFICATION, ERROR_SYSTEM, "its certificate is not valid here",
	  "have the CA that signs for it among those of the system (update-ca-certificates(8)), "
	  "or in SSL_CERT_FILE" },
	{ CURLE_SSL_CONNECT_ERROR, ERROR_SYSTEM, "it does not talk TLS as it should",
	  "is it http:// that is meant?" },
	{ CURLE_SSL_CACERT_BADFILE, ERROR_SYSTEM, "the certificates of CAs cannot be read",
	  "apt-get install ca-certificates, or look at SSL_CERT_FILE" },
	{ CURLE_OPERATION_TIMEDOUT, ERROR_SYSTEM, "the server has gone silent",
	  "try once more, later" },
	{ CURLE_GOT_NOTHING, ERROR_DAMAGED, "the server says nothing", "try once more" },
	{ CURLE_PARTIAL_FILE, ERROR_DAMAGED, "the server broke off", "try once more" },
	{ CURLE_RECV_ERROR, ERROR_DAMAGED, "the server broke off", "try once more" },
	{ CURLE_SEND_ERROR, ERROR_DAMAGED, "the server broke off", "try once more" },
	{ CURLE_HTTP2_STREAM, ERROR_DAMAGED, "the server broke off", "try once more" },
	{ CURLE_OUT_OF_MEMORY, ERROR_MEMORY, "no memory is left", NULL },
};

static bool broke_off(CURLcode code)
{
	return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	       code == CURLE_HTTP2_STREAM || code == CURLE_GOT_NOTHING ||
	       code == CURLE_OPERATION_TIMEDOUT;
}

static int explain(const struct transfer *t, CURLcode code, struct error **err)
{
	const char *url = t->r->url;
	int len = (int)strcspn(url, "?#");
	if (t->write_error)
		return error_errno(err, t->write_error, "write what comes from %.*s", len, url);
	if (t->too_long)
		return error_set(err, ERROR_LIMIT, "%.*s: more than %llu bytes", len, url,
				 (unsigned long long)t->r->limit);
	if (t->shifted) {
		error_set(err, ERROR_DAMAGED, "%.*s: the server goes on at another place", len,
			  url);
		return error_hint(err, "try once more");
	}
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].code == code) {
			CLEANUP_TEXT char *far = NULL;
			if (broke_off(code) && t->at &&
			    !(far = text_printf(err, " after %llu bytes",
						(unsigned long long)t->at)))
				return -1;
			error_set(err, causes[i].kind, "%.*s: %s%s", len, url, causes[i].what,
				  far ? far : "");
			return causes[i].hint ? error_hint(err, "%s", causes[i].hint) : -1;
		}
	return error_set(err, ERROR_SYSTEM, "%.*s: %s", len, url,
			 *t->words ? t->words : curl.curl_easy_strerror(code));
}

/* ------------------------------------------------------------------ the transfer */

#define SET(option, value) (r = r ? r : curl.curl_easy_setopt(t->handle, CURLOPT_##option, value))

/* What does not change from try to try. */
/*
 * The certificates to trust. SSL_CERT_FILE as OpenSSL's and Go's programs have it; libcurl alone
 * does not look at it. What libcurl has built in is its maker's place: a program that brings its
 * libcurl along finds the others' here. NULL: what is built in.
 */
static const char *find_certificates(void)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* Red Hat, Fedora */
		"/etc/ssl/ca-bundle.pem",	      /* SUSE */
		"/etc/ssl/cert.pem",
	};
	const char *named = getenv("SSL_CERT_FILE");
	if (named && *named)
		return named;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

static int set_up(struct transfer *t, struct error **err)
{
	CURLcode r = CURLE_OK;
	const char *url = t->r->url, *certificates = find_certificates();
	bool safe = !strncmp(url, "https:", 6);
	SET(URL, url);
	SET(PROTOCOLS_STR, "http,https");
	SET(REDIR_PROTOCOLS_STR, safe ? "https" : "http,https");
	SET(FOLLOWLOCATION, 1L);
	SET(MAXREDIRS, REDIRECTS_MAX);
	SET(FAILONERROR, 1L);
	SET(NOSIGNAL, 1L);
	SET(NOBODY, t->r->head ? 1L : 0L);
	SET(USERAGENT, "coffer");
	SET(CONNECTTIMEOUT, (long)CONNECT_PATIENCE);
	SET(LOW_SPEED_LIMIT, 1L);
	SET(LOW_SPEED_TIME, (long)(t->r->patience ? t->r->patience : PATIENCE));
	SET(WRITEFUNCTION, take_content);
	SET(WRITEDATA, t);
	SET(ERRORBUFFER, t->words);
	if (certificates)
		SET(CAINFO, certificates);
	return r ? explain(t, r, err) : 0;
}

/* Once, from where the file ends. */
static CURLcode try_once(struct transfer *t)
{
	CURLcode r = CURLE_OK;
	char range[32], condition[FACT_MAX + 16];
	struct curl_slist *headers = NULL;
	t->begun = false;
	(void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->at);
	(void)snprintf(condition, sizeof(condition), "If-Range: %s", t->same);
	if (t->at && !(headers = curl.curl_slist_append(NULL, condition)))
		return CURLE_OUT_OF_MEMORY;
	SET(RANGE, t->at ? range : NULL);
	SET(HTTPHEADER, headers);
	r = r ? r : curl.curl_easy_perform(t->handle);
	/* The list has to be there for as long as the handle may look at it. */
	(void)curl.curl_easy_setopt(t->handle, CURLOPT_HTTPHEADER, NULL);
	curl.curl_slist_free_all(headers);
	return r;
}

static int say_facts(const struct transfer *t, struct error **err)
{
	static const char *const names[] = { WEB_FACTS };
	CLEANUP_BUFFER struct buffer text = { 0 };
	char fact[FACT_MAX];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		take_fact(t, names[i], fact);
		if (buffer_printf(&text, err, "%s\n", fact) < 0)
			return -1;
	}
	int r = fd_write(t->r->out, text.data, text.len);
	return r < 0 ? error_errno(err, -r, "write to a memory file") : 0;
}

static int end(struct transfer *t, CURLcode code, struct error **err)
{
	long status = 0;
	curl_off_t wait = 0;
	(void)curl.curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	(void)curl.curl_easy_getinfo(t->handle, CURLINFO_RETRY_AFTER, &wait);
	bool refused = code == CURLE_HTTP_RETURNED_ERROR ||
		       (code == CURLE_OK && status != 200 && status != 206);
	/* A signed URL may be for GET alone, or the server know nothing else: the question for the
	 * content will tell. */
	if (refused && t->r->head)
		return 0;
	if (refused)
		return fetch_web_refused(t->r->url, status, (long)wait, err);
	if (code != CURLE_OK)
		return explain(t, code, err);
	if (t->whole && t->at != t->whole)
		return explain(t, CURLE_PARTIAL_FILE, err);
	return t->r->head ? say_facts(t, err) : 0;
}

static void wait_a_little(unsigned fruitless)
{
	const struct timespec t = { .tv_nsec = 100000000L << fruitless };
	(void)nanosleep(&t, NULL);
}

static int get(struct transfer *t, struct error **err)
{
	CURLcode code = CURLE_OK;
	if (set_up(t, err) < 0)
		return -1;
	t->began = t->said = now();
	for (unsigned tries = 0, fruitless = 0; tries < TRIES_MAX; tries++) {
		uint64_t before = t->at;
		code = try_once(t);
		fruitless = t->at > before ? 0 : fruitless + 1;
		if (!broke_off(code) || !t->at || !*t->same || fruitless == FRUITLESS_MAX)
			break;
		log_info("The server broke off after %llu bytes: going on there",
			 (unsigned long long)t->at);
		wait_a_little(fruitless);
	}
	return end(t, code, err);
}

int fetch_web_transfer(const struct web_request *r, struct error **err)
{
	struct transfer t = { .r = r };
	if (library_load(&library, err) < 0)
		return error_hint(err, "apt-get install libcurl4");
	/* The fork has what the command's crypto library was started with, and libcurl takes it. */
	if (crypto_name_digests(err) < 0)
		return -1;
	if (curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    !(t.handle = curl.curl_easy_init()))
		return error_no_memory(err);
	int result = get(&t, err);
	curl.curl_easy_cleanup(t.handle);
	return result;
}
