/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static void says(const char *words, const char *line)
{
	char text[256] = "";
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
	says("caf\xc3\xa9\tx\ny", "WARNING: caf\xc3\xa9\tx\ny\n");
	says("a\033]0;b\007c\rd\x7f", "WARNING: a?]0;b?c?d?\n");
	says("a\xc2\x9b"
	     "31m\xc2\xa0\xc2",
	     "WARNING: a??31m\xc2\xa0\xc2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_does_not_steer_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
