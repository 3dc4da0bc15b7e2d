/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <string.h>

#include "cli/words/completion.h"

static int run_completion(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *shell = in->arguments[0];
	int r;
	if (!strcmp(shell, "bash"))
		r = completion_bash(in->program, &text, err);
	else if (!strcmp(shell, "zsh"))
		r = completion_zsh(in->program, &text, err);
	else if (!strcmp(shell, "fish"))
		r = completion_fish(in->program, &text, err);
	else
		return error_set(err, ERROR_USAGE,
				 "no completion for the shell \"%s\": there is "
				 "one for bash, zsh and fish",
				 shell);
	return r < 0 ? -1 : report_print(&text, err);
}

const struct command cli_completion = {
	.name = "completion",
	.summary = "Print a completion script for a shell",
	.usage = "completion <bash|zsh|fish>",
	.description = "Prints a script that makes the shell complete commands and options.\n",
	.examples = "$ source <(%s completion bash)\n"
		    "$ %s completion zsh > ~/.zfunc/_%s\n"
		    "$ %s completion fish > ~/.config/fish/completions/%s.fish\n",
	.options = options_help_only,
	.choices = "bash zsh fish",
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.usage_errors = true,
	.run = run_completion,
};
