/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The longest secret that is read; what a terminal gives in one line is less. */
#define TTY_SECRET_MAX 8192

/* These end or stop us while the echo is off: the terminal must be put right first. */
static const int guarded_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGALRM };
#define GUARDED (sizeof(guarded_signals) / sizeof(*guarded_signals))

static volatile sig_atomic_t caught_signal;

static void catch_signal(int number)
{
	caught_signal = number;
}

/* The terminal without echo, and what it takes to undo that. */
struct quiet_terminal {
	bool is_terminal;
	struct termios before;
	struct sigaction actions[GUARDED];
};

static void quiet_begin(struct quiet_terminal *q)
{
	q->is_terminal = tcgetattr(STDIN_FILENO, &q->before) == 0;
	if (!q->is_terminal)
		return;
	/* Without SA_RESTART, so that the read returns. */
	struct sigaction action = { .sa_handler = catch_signal };
	caught_signal = 0;
	for (size_t i = 0; i < GUARDED; i++)
		sigaction(guarded_signals[i], &action, &q->actions[i]);
	struct termios quiet = q->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	/* What was typed ahead is kept: it may be the answer of a script. */
	tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
}

static void quiet_end(struct quiet_terminal *q)
{
	if (!q->is_terminal)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &q->before);
	for (size_t i = 0; i < GUARDED; i++)
		sigaction(guarded_signals[i], &q->actions[i], NULL);
}

/*
 * Reads one line into s, byte by byte, so that what follows it on a pipe is left for the
 * container. Returns its length, or -errno; -EINTR only for a signal that was caught.
 */
static ssize_t read_line(struct secret *s)
{
	unsigned char *data = secret_data(s);
	size_t len = 0;
	for (;;) {
		if (len == secret_size(s))
			return -EMSGSIZE;
		if (caught_signal)
			return -EINTR;
		ssize_t n = read(STDIN_FILENO, data + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		if (data[len] == '\n')
			break;
		len++;
	}
	data[len] = 0;
	if (len && data[len - 1] == '\r')
		data[--len] = 0;
	return (ssize_t)len;
}

/*
 * Where a person sees a prompt, or -1 where there is nobody to see it: *owned is closed by the
 * caller. Its place is standard output (cli-messages 2), but not where that is data: a file, or a
 * pipe into another program.
 */
static int prompt_fd(int *owned)
{
	if (isatty(STDOUT_FILENO))
		return STDOUT_FILENO;
	if (!isatty(STDIN_FILENO))
		return -1;
	if (isatty(STDERR_FILENO))
		return STDERR_FILENO;
	*owned = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return *owned;
}

static void say(int fd, const char *text)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer shown = { 0 };
	/* It may name a file, and a name may have been chosen by a stranger. */
	if (fd < 0 || screen_show(SCREEN_TEXT, text, strlen(text), &shown, &err) < 0)
		return;
	/* A prompt that cannot be shown does not keep the answer from being read. */
	(void)!write(fd, shown.data, shown.len);
}

int tty_ask(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	(void)context;
	CLEANUP_SECRET struct secret *s = NULL;
	ssize_t len;
	CLEANUP_FD int owned = -1;
	int out = prompt_fd(&owned);
	if (secret_new(TTY_SECRET_MAX, &s, err) < 0)
		return -1;
	for (;;) {
		struct quiet_terminal q;
		caught_signal = 0;
		quiet_begin(&q);
		say(out, prompt);
		len = read_line(s);
		int caught = caught_signal;
		quiet_end(&q);
		say(out, "\n");
		if (len != -EINTR)
			break;
		/* Now the signal does what it would have done; a stopped process comes back here
		 * and asks again. */
		secret_wipe(secret_data(s), secret_size(s));
		raise(caught);
	}
	if (len == -EMSGSIZE)
		return error_set(err, ERROR_LIMIT, "the answer is longer than %d bytes",
				 TTY_SECRET_MAX - 1);
	if (len < 0)
		return error_errno(err, (int)-len, "read the answer from standard input");
	if (len == 0) {
		*ret = NULL;
		return 0;
	}
	secret_shorten(s, (size_t)len);
	*ret = take_pointer(&s);
	return 0;
}

bool tty_confirm(void *context, const char *question)
{
	(void)context;
	char answer[8] = "";
	size_t len = 0;
	CLEANUP_FD int owned = -1;
	say(prompt_fd(&owned), question);
	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			break;
		/* A longer answer is no yes, wherever it is cut. */
		if (len < sizeof(answer) - 1)
			answer[len++] = c;
	}
	return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}

bool tty_present(void)
{
	return isatty(STDIN_FILENO);
}
