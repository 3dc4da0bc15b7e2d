/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <string.h>

/* What skopeo says (logrus: time="..." level=fatal msg="..."), by cause and with a remedy. */

static const struct cause {
	const char *words;
	enum error_kind kind;
	const char *hint;
} causes[] = {
	{ "unauthorized", ERROR_POLICY,
	  "log in with skopeo login, or give --docker-login, or APPTAINER_DOCKER_USERNAME and "
	  "_PASSWORD" },
	{ "authentication required", ERROR_POLICY,
	  "log in with skopeo login, or give --docker-login, or APPTAINER_DOCKER_USERNAME and "
	  "_PASSWORD" },
	{ "invalid username/password", ERROR_POLICY, "the registry does not know this login" },
	{ "denied", ERROR_POLICY,
	  "the image may not be there, or be another's: look at the name, or log in with skopeo "
	  "login" },
	{ "toomanyrequests", ERROR_LIMIT,
	  "the registry gives no more for now: wait, or log in with skopeo login" },
	{ "429 ", ERROR_LIMIT,
	  "the registry gives no more for now: wait, or log in with skopeo login" },
	{ "manifest unknown", ERROR_NOT_FOUND, "look at the name and the tag" },
	{ "name unknown", ERROR_NOT_FOUND, "look at the name" },
	{ "404 ", ERROR_NOT_FOUND, "look at the name and the tag" },
	{ "no such host", ERROR_NOT_FOUND,
	  "look at the name of the registry, and whether this machine has a network" },
	{ "server gave HTTP response to HTTPS client", ERROR_SYSTEM,
	  "if the registry is meant to talk without encryption: --no-https" },
	{ "x509: ", ERROR_SYSTEM,
	  "put the certificate of who signs for the registry into /etc/containers/certs.d/HOST/, "
	  "called NAME.crt" },
	{ "tls: ", ERROR_SYSTEM,
	  "put the certificate of who signs for the registry into /etc/containers/certs.d/HOST/, "
	  "called NAME.crt" },
	{ "connection refused", ERROR_SYSTEM,
	  "nothing answers there: look at the host and the port" },
	{ "i/o timeout", ERROR_SYSTEM, "nothing answers there: look at the network and its proxy" },
	{ "network is unreachable", ERROR_SYSTEM, "this machine has no way to that network" },
	{ "no image found in manifest list for", ERROR_NOT_FOUND,
	  "--arch NAME chooses another machine" },
	{ "no image found in image index for", ERROR_NOT_FOUND,
	  "--arch NAME chooses another machine" },
	{ "Cannot connect to the Docker daemon", ERROR_SYSTEM,
	  "is it running, and may you use it? --docker-host says where it is" },
	{ "rejected by policy", ERROR_POLICY,
	  "containers-policy.json(5) says what this machine takes" },
	{ "invalid reference format", ERROR_USAGE,
	  "a reference is [HOST[:PORT]/]NAME[:TAG][@DIGEST]" },
	{ "no space left on device", ERROR_MEMORY, NULL },
	{ "unexpected EOF", ERROR_DAMAGED, "the other end broke off: try once more" },
	{ "does not match", ERROR_DAMAGED, "what came has another digest: try once more" },
	{ "no such file or directory", ERROR_NOT_FOUND, "look at the name of the file" },
};

/* The text of the last msg="..."; else the last line. Returns its length, with `"` as it was. */
static int take_message(const char *text, size_t len, struct buffer *ret, struct error **err)
{
	static const char key[] = "msg=\"";
	const char *at = NULL, *from = text;
	for (const char *next; (next = memmem(from, len - (size_t)(from - text), key, 5));)
		at = from = next + 5;
	if (!at) {
		while (len && text[len - 1] == '\n')
			len--;
		const char *line = len ? memrchr(text, '\n', len) : NULL;
		line = line ? line + 1 : text;
		return buffer_append(ret, line, len - (size_t)(line - text), err);
	}
	for (size_t left = len - (size_t)(at - text); left && *at != '"'; at++, left--) {
		if (*at == '\\' && left > 1) {
			at++;
			left--;
		}
		if (buffer_append(ret, at, 1, err) < 0)
			return -1;
	}
	return 0;
}

int fetch_explain(const char *text, size_t len, struct error **err)
{
	CLEANUP_BUFFER struct buffer message = { 0 };
	if (take_message(text, len, &message, err) < 0)
		return -1;
	const char *words = message.len ? message.data : "it does not say why";
	const struct cause *cause = NULL;
	for (size_t i = 0; !cause && i < sizeof(causes) / sizeof(causes[0]); i++)
		if (strstr(words, causes[i].words))
			cause = &causes[i];
	error_set(err, cause ? cause->kind : ERROR_COMMAND, "skopeo: %s", words);
	return cause && cause->hint ? error_hint(err, "%s", cause->hint) : -1;
}
