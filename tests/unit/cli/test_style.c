#include "cli/style.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct style plain = {.unicode = true};
static const struct style coloured = {.unicode = true, .colour = true};
static const struct style ascii = {0};

static void assert_safe(const char *in, size_t len, const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_safe(&out, in, len);
	assert_string_equal(out.buf, expected);
}

static void test_safe(void **state unused_arg)
{
	assert_safe("GET / 200\t12ms ✔ é", 21, "GET / 200\t12ms ✔ é");
	assert_safe("\033]0;title\007", 10, "\\x1b]0;title\\x07");
	assert_safe("a\r\nb", 4, "a\\x0d\\x0ab");
	assert_safe("a\0b", 3, "a\\x00b");
	assert_safe("\x7f", 1, "\\x7f");
	/* C1 controls hide in two bytes, and 0x9b alone is CSI for some terminals. */
	assert_safe("\xc2\x9b"
	            "31m",
	            5, "\\u{9b}31m");
	assert_safe("\x9b"
	            "31m",
	            4, "\\x9b31m");
	/* Overlong, surrogate, beyond the last, cut. */
	assert_safe("\xc0\xaf", 2, "\\xc0\\xaf");
	assert_safe("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");
	assert_safe("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	assert_safe("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	assert_safe("\xe2\x9c", 2, "\\xe2\\x9c");
	/* Right-to-left override. */
	assert_safe("\xe2\x80\xae"
	            "x",
	            4, "\\u{202e}x");
}

static void assert_sgr(const struct style *style, const char *in, const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_safe_sgr(&out, style, in, strlen(in));
	assert_string_equal(out.buf, expected);
}

static void test_sgr(void **state unused_arg)
{
	assert_sgr(&plain, "\033[1;31mred\033[0m", "red");
	assert_sgr(&coloured, "\033[1;31mred", "\033[1;31mred\033[0m");
	assert_sgr(&coloured, "no colour", "no colour");
	/* Only SGR: nothing that moves, erases, or is cut. */
	assert_sgr(&coloured, "\033[2J", "\\x1b[2J");
	assert_sgr(&plain, "\033[?25l", "\\x1b[?25l");
	assert_sgr(&coloured, "\033[31", "\\x1b[31");
}

static void test_columns(void **state unused_arg)
{
	assert_int_equal(style_columns(""), 0);
	assert_int_equal(style_columns("✔ é"), 3);
	assert_int_equal(style_columns("\033[32mok\033[0m"), 2);
	assert_int_equal(style_columns("\033]8;;http://x\033\\link\033]8;;\033\\"), 4);
	assert_int_equal(style_columns("\033["), 0);
	assert_int_equal(style_columns("\033"), 0);
}

static void assert_cut(const struct style *style, const char *in, size_t columns,
                       const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_cut(&out, style, in, columns);
	assert_string_equal(out.buf, expected);
}

static void test_cut(void **state unused_arg)
{
	assert_cut(&plain, "abcdef", 6, "abcdef");
	assert_cut(&plain, "abcdef", 5, "abcd…");
	assert_cut(&plain, "ééé", 2, "é…");
	assert_cut(&ascii, "abcdef", 5, "ab...");
	assert_cut(&ascii, "abcdef", 2, "");
	assert_cut(&coloured, "\033[32mabcdef\033[0m", 3, "\033[32mab…\033[0m");
}

static void assert_duration(int64_t ms, const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_duration(&out, ms);
	assert_string_equal(out.buf, expected);
}

static void test_duration(void **state unused_arg)
{
	assert_duration(-5, "0ms");
	assert_duration(0, "0ms");
	assert_duration(99, "99ms");
	assert_duration(100, "0.1s");
	assert_duration(949, "0.9s");
	assert_duration(950, "1s");
	assert_duration(1234, "1.2s");
	assert_duration(9949, "9.9s");
	assert_duration(9950, "9s");
	assert_duration(59999, "59s");
	assert_duration(252000, "4m12s");
	assert_duration(8040000, "2h14m");
	assert_duration(INT64_C(3) * 86400000 + 4 * 3600000, "3d4h");
}

static void test_numbers(void **state unused_arg)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_bytes(&out, 999);
	strbuf_addch(&out, ' ');
	style_bytes(&out, 3100000);
	strbuf_addch(&out, ' ');
	style_bytes(&out, 999999);
	strbuf_addch(&out, ' ');
	style_count(&out, 18204);
	strbuf_addch(&out, ' ');
	style_count(&out, 999);
	strbuf_addch(&out, ' ');
	style_count(&out, -123456);
	strbuf_addch(&out, ' ');
	style_age(&out, 999);
	assert_string_equal(out.buf, "999 B 3.1 MB 1.0 MB 18,204 999 -123,456 0s");
}

static void test_glyphs(void **state unused_arg)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_glyph(&out, &plain, GLYPH_OK);
	style_glyph(&out, &ascii, GLYPH_OK);
	style_glyph(&out, &coloured, GLYPH_FAIL);
	assert_string_equal(out.buf, "✔+\033[31m✘\033[0m");
	for (size_t i = 0; i < ARRAY_LEN(glyphs); i++)
		for (const char *c = glyphs[i].ascii; *c; c++)
			assert_true(*c > 0x20 && *c < 0x7f);
}

static void test_url(void **state unused_arg)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style links = {.links = true};

	style_url(&out, &plain, "http://a\033b");
	strbuf_addch(&out, '\n');
	style_url(&out, &links, "http://a");
	assert_string_equal(out.buf,
	                    "http://a\\x1bb\n\033]8;;http://a\033\\http://a\033]8;;\033\\");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe),     cmocka_unit_test(test_sgr),
		cmocka_unit_test(test_columns),  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_duration), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_glyphs),   cmocka_unit_test(test_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
