/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/registry/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask_login(struct registry_options *r, struct error **err)
{
	if (!r->user) {
		CLEANUP_SECRET struct secret *answer = NULL;
		if (tty_ask(NULL, "Enter Docker Username: ", &answer, err) < 0)
			return -1;
		if (answer && !(r->user = text_dup_len((const char *)secret_bytes(answer),
						       secret_size(answer), err)))
			return -1;
	}
	secret_free(&r->password);
	return tty_ask(NULL, "Enter Docker Password: ", &r->password, err);
}

static int take(const struct invocation *in, struct registry_options *r, struct error **err)
{
	const char *user = invocation_option(in, "docker-username")->text;
	if (fetch_take_environment(&r->user, &r->password, err) < 0)
		return -1;
	if (invocation_option(in, "docker-password")->text) {
		error_set(err, ERROR_USAGE,
			  "a password on the command line is seen by everybody on the machine");
		return error_hint(err, "--docker-login asks for it, or it is in "
				       "APPTAINER_DOCKER_PASSWORD");
	}
	if (user) {
		text_free(&r->user);
		if (!(r->user = text_dup(user, err)))
			return -1;
	}
	if (invocation_option(in, "docker-login")->on && ask_login(r, err) < 0)
		return -1;
	if (!r->password == !r->user)
		return 0;
	error_set(err, ERROR_USAGE,
		  r->user ? "there is no password for the registry's user %s"
			  : "there is a password for a registry, but no user%s",
		  r->user ? r->user : "");
	return error_hint(err, "--docker-login asks for both; or they are in "
			       "APPTAINER_DOCKER_USERNAME and _PASSWORD");
}

int options_registry(const struct invocation *in, struct registry_options *r,
		     struct fetch_options *ret, struct error **err)
{
	const char *host = invocation_option(in, "docker-host")->text;
	if (take(in, r, err) < 0)
		return -1;
	/* Docker's own variable, which skopeo does not know. */
	host = host ? host : getenv("DOCKER_HOST");
	if (host && *host && !(r->host = text_dup(host, err)))
		return -1;
	*ret = (struct fetch_options){
		.authfile = invocation_option(in, "authfile")->text,
		.daemon_host = r->host,
		.library = invocation_option(in, "library")->text,
		.no_https = invocation_option(in, "no-https")->on ||
			    invocation_option(in, "nohttps")->on,
		.user = r->user,
		.password = r->password,
		.login = -1,
		.in_namespace = geteuid() != 0,
		.uid = getuid(),
		.gid = getgid(),
	};
	return 0;
}

void options_registry_free(struct registry_options *r)
{
	text_free(&r->user);
	text_free(&r->host);
	secret_free(&r->password);
}
