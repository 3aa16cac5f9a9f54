/* Headers by which clients say what they take and what they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/negotiate.h"

static void codings(void **state)
{
	static const char *const yes[] = {
		"gzip",	       "GZIP", "br, gzip",	  "deflate,gzip;q=0.5,br",
		"gzip ; q=1",  "*",    "br;q=0, *;q=0.1", " ,, gzip",
		"gzip;q=0.001"
	};
	static const char *const no[] = { "",	      "br",	     "gzipped",
					  "x-gzip",   "gzip;q=0",    "gzip; q=0.000",
					  "*;q=0",    "*, gzip;q=0", "gzip;Q=0.",
					  "identity", ",",	     ";" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!elm__http_accepts_coding(yes[i], "gzip"))
			fail_msg("refused: %s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (elm__http_accepts_coding(no[i], "gzip"))
			fail_msg("accepted: %s", no[i]);
	assert_false(elm__http_accepts_coding(NULL, "gzip"));
}

static void tags(void **state)
{
	const char *tag = "\"abc\"";

	assert_true(elm__http_has_tag("\"abc\"", tag));
	assert_true(elm__http_has_tag("W/\"abc\"", tag));
	assert_true(elm__http_has_tag("\"x\", \"abc\"", tag));
	assert_true(elm__http_has_tag(" *", tag));
	assert_false(elm__http_has_tag(NULL, tag));
	assert_false(elm__http_has_tag("", tag));
	assert_false(elm__http_has_tag("abc", tag));
	assert_false(elm__http_has_tag("\"abc", tag));
	assert_false(elm__http_has_tag("\"abcd\"", tag));
	assert_false(elm__http_has_tag("W/", tag));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codings),
		cmocka_unit_test(tags),
	};

	return cmocka_run_group_tests_name("http_negotiate", tests, NULL, NULL);
}
