/* UTF-8, numbers and sizes of base/text.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

/* A second opinion on one character, by trying every code point of its length. */
static void every_code_point_round_trips(void **state)
{
	char bytes[4];
	uint32_t back;

	for (uint32_t c = 0; c <= 0x110000; c++) {
		size_t n = elm__utf8_encode(c, bytes);

		if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
		assert_int_equal(elm__utf8_decode(bytes, n, &back), n);
		assert_int_equal(back, c);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(elm__utf8_decode(bytes, cut, &back), 0);
	}
}

/* Of all 4-byte strings over the bytes that matter, exactly the encodings are valid. */
static void only_encodings_decode(void **state)
{
	static const unsigned char edge[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
					      0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed,
					      0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff };
	enum { N = sizeof(edge) };

	for (size_t i = 0; i < N * N * N * N; i++) {
		char text[4] = { (char)edge[i % N], (char)edge[i / N % N],
				 (char)edge[i / N / N % N], (char)edge[i / N / N / N] };
		char again[4];
		uint32_t c = 0;
		size_t n = elm__utf8_decode(text, 4, &c);

		if (n) {
			assert_int_equal(elm__utf8_encode(c, again), n);
			assert_memory_equal(text, again, n);
		}
	}
}

/* RFC 4648, section 10. */
static void base64(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	elm__buf out = ELM__BUF_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__buf_clear(&out);
		elm__buf_base64(&out, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(elm__buf_text(&out), cases[i][1]);
	}
	elm__buf_clear(&out);
	elm__buf_base64(&out, "\x00\xff\xfe\xfb\xef", 5);
	assert_string_equal(elm__buf_text(&out), "AP/+++8=");
	elm__buf_release(&out);
}

static void valid_text(void **state)
{
	assert_true(elm__utf8_valid("", 0));
	assert_true(elm__utf8_valid("na\xc3\xafve \xf0\x9f\x99\x82", 11));
	assert_false(elm__utf8_valid("ab\xc3", 3));
	assert_false(elm__utf8_valid("\xed\xa0\x80", 3));
	assert_false(elm__utf8_valid("\xc0\xaf", 2));
}

/* Byte by byte, the text that is let through joins to whole characters. */
static void prefix_holds_back_only_what_can_be_completed(void **state)
{
	static const struct {
		const char *text;
		size_t prefix;
	} cases[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "ab\xc3", 2 },
		{ "ab\xc3\xa9", 4 },
		{ "\xe2\x82", 0 },
		{ "\xe2\x82\xac", 3 },
		{ "x\xf0\x9f\x99", 1 },
		{ "\xf0\x9f\x99\x82", 4 },
		{ "a\x80", 2 },		/* no start */
		{ "a\x80\x80\x80", 4 }, /* no start */
		{ "a\xff", 2 },		/* never a start */
		{ "a\xc1", 2 },		/* overlong */
		{ "\xe0\x80", 2 },	/* overlong */
		{ "\xed\xa0", 2 },	/* surrogate */
		{ "\xf4\x90\x80", 3 },	/* above U+10FFFF */
		{ "\xf0\x80\x80", 3 },	/* overlong */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(elm__utf8_prefix(cases[i].text, strlen(cases[i].text)),
				 cases[i].prefix);
}

static void printable(void **state)
{
	char text[] = "a\nb\x1b[2J\x7f caf\xc3\xa9 \xc2\x9b \xff\xc3";

	elm__make_printable(text);
	assert_string_equal(text, "a?b?[2J? caf\xc3\xa9 ?? ?");
}

static void whole_numbers(void **state)
{
	static const char *const wrong[] = { "",
					     " 1",
					     "\t1",
					     "1 ",
					     "0x10",
					     "1.0",
					     "+",
					     "-",
					     "--1",
					     "five",
					     "10",
					     "-10",
					     "99999999999999999999" };
	int64_t out = 77;

	assert_true(elm__parse_i64("-9", -9, 9, &out));
	assert_int_equal(out, -9);
	assert_true(elm__parse_i64("+9", -9, 9, &out));
	assert_int_equal(out, 9);
	assert_true(elm__parse_i64("9223372036854775807", 0, INT64_MAX, &out));
	assert_true(out == INT64_MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		out = 77;
		assert_false(elm__parse_i64(wrong[i], -9, 9, &out));
		assert_int_equal(out, 77);
	}
	assert_false(elm__parse_i64(NULL, -9, 9, &out));
}

static void real_numbers(void **state)
{
	static const char *const wrong[] = { "",      " 1",  "1 ",  "nan", "inf", "0x1p1",
					     "1e999", "1..", "1e+", "e1",  "3.1", "-0.1" };
	double out = 77;

	assert_true(elm__parse_f64("0.25", 0, 3, &out));
	assert_true(out == 0.25);
	assert_true(elm__parse_f64("2.5e-1", 0, 3, &out));
	assert_true(out == 0.25);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		out = 77;
		assert_false(elm__parse_f64(wrong[i], 0, 3, &out));
		assert_true(out == 77);
	}
	assert_false(elm__parse_f64("inf", 0, HUGE_VAL, &out));
}

static void sizes(void **state)
{
	char out[32];

	assert_string_equal(elm__format_bytes(0, out, sizeof(out)), "0 B");
	assert_string_equal(elm__format_bytes(1023, out, sizeof(out)), "1023 B");
	assert_string_equal(elm__format_bytes(1536, out, sizeof(out)), "1.50 KiB");
	assert_string_equal(elm__format_bytes(1048575, out, sizeof(out)), "1.00 MiB");
	assert_string_equal(elm__format_bytes(UINT64_MAX, out, sizeof(out)), "16.00 EiB");
	assert_string_equal(elm__format_bytes(1536, out, 4), "1.5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_round_trips),
		cmocka_unit_test(only_encodings_decode),
		cmocka_unit_test(base64),
		cmocka_unit_test(valid_text),
		cmocka_unit_test(prefix_holds_back_only_what_can_be_completed),
		cmocka_unit_test(printable),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(real_numbers),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
