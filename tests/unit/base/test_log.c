/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static void says(const char *words, const char *line)
{
	static char text[65536];
	memset(text, 0, sizeof(text));
	int kept = dup(STDERR_FILENO), file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	assert_true(kept >= 0 && file >= 0);
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	log_warning("%s", words);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	assert_true(fd_pread(file, text, sizeof(text) - 1, 0) > 0);
	(void)close(file);
	(void)close(kept);
	assert_string_equal(text, line);
}

static void an_image_does_not_steer_the_terminal(void **state)
{
	(void)state;
	says("caf\xc3\xa9\tx", "WARNING: caf\xc3\xa9\tx\n");
	says("a\033]0;b\007c\rd\x7f", "WARNING: a\\x1b]0;b\\x07c\\x0dd\\x7f\n");
	says("a\xc2\x9b"
	     "31m\xc2\xa0\xc2",
	     "WARNING: a\\u{9b}31m\xc2\xa0\\xc2\n");
	says("a\x9b"
	     "31m",
	     "WARNING: a\\x9b31m\n");
}

static void an_image_makes_no_lines(void **state)
{
	(void)state;
	says("no\nFATAL:   forged\n", "WARNING: no\\nFATAL:   forged\\n\n");
	says("no\xe2\x80\xa8INFO:    forged\xc2\x85",
	     "WARNING: no\\u{2028}INFO:    forged\\u{85}\n");
}

/* More than a pipe takes at once: nothing is lost where it is cut. */
static void a_long_line(void **state)
{
	(void)state;
	static char words[20000], line[sizeof(words) * 2 + 16];
	for (size_t i = 0; i < sizeof(words) - 1; i++)
		words[i] = i % 3 ? 'x' : '\n';
	size_t len = (size_t)sprintf(line, "WARNING: ");
	for (size_t i = 0; i < sizeof(words) - 1; i++)
		len += (size_t)sprintf(line + len, "%s", i % 3 ? "x" : "\\n");
	line[len] = '\n';
	says(words, line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_does_not_steer_the_terminal),
		cmocka_unit_test(an_image_makes_no_lines),
		cmocka_unit_test(a_long_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
