/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

struct pair {
	const char *text, *shown;
};

static const struct pair pairs[] = {
	{ "", "" },
	{ "plain\ttext\n", "plain\ttext\n" },
	/* all lengths of a character, the first and the last of each */
	{ "\xc2\xa0 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbd \xf0\x90\x80\x80 \xf3\xb0\x80\x80 "
	  "\xf4\x8f\xbf\xbf",
	  "\xc2\xa0 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbd \xf0\x90\x80\x80 \xf3\xb0\x80\x80 "
	  "\xf4\x8f\xbf\xbf" },
	/* C0 and DEL */
	{ "\033]0;t\007\r\x7f\x01\x0b", "\\x1b]0;t\\x07\\x0d\\x7f\\x01\\x0b" },
	/* C1, as bytes and as characters */
	{ "\x9b[31m\x80\x9f", "\\x9b[31m\\x80\\x9f" },
	{ "\xc2\x9b[\xc2\x80\xc2\x9f\xc2\x85", "\\u{9b}[\\u{80}\\u{9f}\\u{85}" },
	/* a control in the midst of a character, and behind its beginning */
	{ "\xe2\x80\033[m", "\\xe2\\x80\\x1b[m" },
	{ "\xc3\x9b\xc3\n", "\xc3\x9b\\xc3\n" },
	{ "\xf0\x90\x80\x9b", "\xf0\x90\x80\x9b" },
	{ "\xf0\x90\xc2\x9b", "\\xf0\\x90\\u{9b}" },
	/* directions, separators, what is not seen */
	{ "\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f",
	  "\\u{202a}\\u{202e}\\u{2066}\\u{2069}\\u{200e}\\u{200f}" },
	{ "\xe2\x80\xa8\xe2\x80\xa9\xd8\x9c\xef\xbb\xbf\xf3\xa0\x81\x81",
	  "\\u{2028}\\u{2029}\\u{61c}\\u{feff}\\u{e0041}" },
	/* their neighbours are characters as others are */
	{ "\xe2\x80\x8d\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xb0",
	  "\xe2\x80\x8d\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xb0" },
	/* no UTF-8: longer forms, surrogates, beyond the last, alone, cut off */
	{ "\xc0\x9b\xc1\xbf\xe0\x80\x9b\xf0\x82\x82\xac",
	  "\\xc0\\x9b\\xc1\\xbf\\xe0\\x80\\x9b\\xf0\\x82\\x82\\xac" },
	{ "\xed\xa0\x80\xed\x9f\xbf\xf4\x90\x80\x80\xf5\xff\xfe",
	  "\\xed\\xa0\\x80\xed\x9f\xbf\\xf4\\x90\\x80\\x80\\xf5\\xff\\xfe" },
	{ "a\xc3", "a\\xc3" },
	{ "a\xf0\x9f\x98", "a\\xf0\\x9f\\x98" },
};

/* Cut into pieces at every place, once into bytes. */
static void wherever_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		const char *text = pairs[i].text;
		size_t len = strlen(text);
		for (size_t cut = 0; cut <= len; cut++) {
			struct screen s = { .form = SCREEN_TEXT };
			struct buffer out CLEANUP_BUFFER = { 0 };
			assert_ok(screen_put(&s, text, cut, &out, err));
			assert_ok(screen_put(&s, text + cut, len - cut, &out, err));
			assert_ok(screen_finish(&s, &out, err));
			assert_string_equal(out.data, pairs[i].shown);
		}
		struct screen s = { .form = SCREEN_TEXT };
		struct buffer out CLEANUP_BUFFER = { 0 };
		for (size_t at = 0; at < len; at++)
			assert_ok(screen_put(&s, text + at, 1, &out, err));
		assert_ok(screen_finish(&s, &out, err));
		assert_string_equal(out.data, pairs[i].shown);
	}
}

static void one_line(void **state)
{
	(void)state;
	struct buffer out CLEANUP_BUFFER = { 0 };
	assert_ok(screen_show(SCREEN_LINE, "a\nb\tc\r\n\xc3", 8, &out, err));
	assert_string_equal(out.data, "a\\nb\tc\\x0d\\n\\xc3");
	buffer_free(&out);
	/* A NUL is a byte as others are. */
	assert_ok(screen_show(SCREEN_LINE, "a\0b", 3, &out, err));
	assert_string_equal(out.data, "a\\x00b");
}

/* Whatever comes in: what goes out is UTF-8 that a terminal shows and does not obey. */
static void any_bytes(void **state)
{
	(void)state;
	static const unsigned char alphabet[] = { 'a',	0x1b, 0x7f, 0x80, 0x85, 0x9b, 0xa8, 0xbf,
						  0xc2, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xff };
	enum { LETTERS = sizeof(alphabet) };
	for (unsigned n = 0; n < LETTERS * LETTERS * LETTERS * LETTERS; n++) {
		char text[4], out[5 * SCREEN_STEP_MAX];
		size_t len = 0;
		struct screen s = { .form = SCREEN_LINE };
		for (unsigned i = 0, m = n; i < 4; i++, m /= LETTERS)
			text[i] = (char)alphabet[m % LETTERS];
		for (unsigned i = 0; i < 4; i++)
			len += screen_step(&s, (unsigned char)text[i], out + len);
		len += screen_end(&s, out + len);
		struct screen again = { .form = SCREEN_LINE };
		char second[SCREEN_STEP_MAX];
		/* What is shown is shown as it is. */
		for (size_t i = 0, same = 0; i < len; i++) {
			size_t m = screen_step(&again, (unsigned char)out[i], second);
			assert_memory_equal(second, out + same, m);
			same += m;
			assert_true((unsigned char)out[i] >= ' ' && out[i] != 0x7f);
		}
		assert_int_equal(screen_end(&again, second), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wherever_it_is_cut),
		cmocka_unit_test(one_line),
		cmocka_unit_test(any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
