/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <string.h>

/*
 * How an image's Entrypoint, Cmd and Env become the scripts that a container is started by: spec
 * deffile.md 4 (OCI agents), runtime.md 6. The run-time knows the runscript by its line
 * `eval "set ${SINGULARITY_OCI_RUN}"`. Each script is plain POSIX shell.
 */

/* The text as the inside of double quotes. */
static int put_quoted(struct buffer *b, const char *text, size_t len, struct error **err)
{
	for (size_t i = 0; i < len; i++)
		if ((strchr("\\\"$`", text[i]) && buffer_puts(b, "\\", err) < 0) ||
		    buffer_append(b, text + i, 1, err) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ the environment */

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (i && c >= '0' && c <= '9')))
			return false;
	}
	return len > 0;
}

/* PATH is the image's; what else is set already stays. */
static int put_variable(struct buffer *b, const char *item, struct error **err)
{
	size_t len = strcspn(item, "=");
	int name = (int)len;
	if (!is_name(item, len))
		return 0;
	if (!item[len])
		return buffer_printf(b, err, "export %.*s=\"${%.*s:-}\"\n", name, item, name, item);
	const char *value = item + len + 1;
	bool path = len == 4 && !memcmp(item, "PATH", 4);
	if (path ? buffer_puts(b, "export PATH=\"", err) < 0
		 : buffer_printf(b, err, "export %.*s=\"${%.*s:-\"", name, item, name, item) < 0)
		return -1;
	if (put_quoted(b, value, strlen(value), err) < 0)
		return -1;
	return buffer_puts(b, path ? "\"\n" : "\"}\"\n", err);
}

int oci_put_environment(const struct oci_config *config, struct buffer *ret, struct error **err)
{
	if (buffer_puts(ret, "#!/bin/sh\n", err) < 0)
		return -1;
	for (size_t i = 0; i < config->env.len; i++)
		if (put_variable(ret, config->env.items[i], err) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ the runscript */

/* "word" "word": what a shell makes the words of again. */
static int put_words(struct buffer *b, const struct strings *words, struct error **err)
{
	for (size_t i = 0; i < words->len; i++)
		if (buffer_puts(b, i ? " \"" : "\"", err) < 0 ||
		    put_quoted(b, words->items[i], strlen(words->items[i]), err) < 0 ||
		    buffer_puts(b, "\"", err) < 0)
			return -1;
	return 0;
}

/* NAME='...' with the words in it. */
static int put_list(struct buffer *b, const char *name, const struct strings *words,
		    struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (put_words(&text, words, err) < 0 || buffer_printf(b, err, "%s='", name) < 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\'' ? buffer_puts(b, "'\"'\"'", err) < 0
					 : buffer_append(b, text.data + i, 1, err) < 0)
			return -1;
	return buffer_puts(b, "'\n", err);
}

/* The words as they are, with nothing for a shell to work on. */
static int put_exec(struct buffer *b, const char *indent, const struct strings *first,
		    const struct strings *second, const char *last, struct error **err)
{
	if (buffer_printf(b, err, "%sexec", indent) < 0)
		return -1;
	const struct strings *lists[] = { first, second };
	for (size_t i = 0; i < 2; i++)
		if (lists[i] && lists[i]->len &&
		    (buffer_puts(b, " ", err) < 0 || put_words(b, lists[i], err) < 0))
			return -1;
	return buffer_printf(b, err, "%s\n", last);
}

/* The three ways that Entrypoint and Cmd go with arguments. */
static int put_literal(struct buffer *b, const struct oci_config *c, struct error **err)
{
	if (!c->cmd.len)
		return put_exec(b, "\t", &c->entrypoint, NULL, " \"$@\"", err);
	if (buffer_puts(b, "\tif [ $# -gt 0 ]; then\n", err) < 0 ||
	    put_exec(b, "\t\t", &c->entrypoint, NULL, " \"$@\"", err) < 0 ||
	    buffer_puts(b, "\tfi\n", err) < 0)
		return -1;
	return put_exec(b, "\t", &c->entrypoint, &c->cmd, "", err);
}

int oci_put_runscript(const struct oci_config *config, struct buffer *ret, struct error **err)
{
	/* With neither, the shell would be asked to set nothing, and tell of all its variables. */
	if (!config->entrypoint.len && !config->cmd.len)
		return buffer_puts(ret,
				   "#!/bin/sh\n"
				   "# The image has neither an entry point nor a command.\n"
				   "exec \"$@\"\n",
				   err);
	if (buffer_puts(ret, "#!/bin/sh\n", err) < 0 ||
	    put_list(ret, "OCI_ENTRYPOINT", &config->entrypoint, err) < 0 ||
	    put_list(ret, "OCI_CMD", &config->cmd, err) < 0 ||
	    buffer_puts(ret,
			"\n"
			"# With --no-eval: the words of the image and the arguments as they are.\n"
			"if [ -n \"${SINGULARITY_NO_EVAL:-}\" ]; then\n",
			err) < 0 ||
	    put_literal(ret, config, err) < 0)
		return -1;
	return buffer_puts(ret,
			   "fi\n"
			   "\n"
			   "# Else the arguments are looked at by the shell once more.\n"
			   "arguments=''\n"
			   "for argument in \"$@\"; do\n"
			   "\targuments=\"$arguments \\\"$argument\\\"\"\n"
			   "done\n"
			   "if [ -z \"$OCI_CMD\" ] || [ $# -gt 0 ]; then\n"
			   "\tSINGULARITY_OCI_RUN=\"$OCI_ENTRYPOINT$arguments\"\n"
			   "else\n"
			   "\tSINGULARITY_OCI_RUN=\"$OCI_ENTRYPOINT $OCI_CMD\"\n"
			   "fi\n"
			   "eval \"set ${SINGULARITY_OCI_RUN}\"\n"
			   "exec \"$@\"\n",
			   err);
}
