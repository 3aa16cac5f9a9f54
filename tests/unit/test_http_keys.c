/* Files of API keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/keys.h"
#include "support.h"

/* SHA-256 of "abc", from FIPS 180-4. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static elm_status parse(const char *text, elm__http_keys *keys, elm_error *error)
{
	return elm__http_keys_parse(keys, "keys", text, strlen(text), error);
}

static void test_lines(void **state)
{
	elm__http_keys keys;
	const elm__http_key *key;

	assert_int_equal(parse("# mine\n\n  first name=alice priority=-2\r\nsha256:" ABC "\nlast",
			       &keys, NULL),
			 ELM_OK);
	assert_int_equal(keys.count, 3);
	key = elm__http_keys_find(&keys, "first", 5);
	assert_non_null(key);
	assert_string_equal(key->name, "alice");
	assert_int_equal(key->priority, -2);
	assert_int_equal(key->number, 1);
	key = elm__http_keys_find(&keys, "abc", 3);
	assert_non_null(key);
	assert_string_equal(key->name, "key-2");
	assert_non_null(elm__http_keys_find(&keys, "last", 4));
	/* The hash is no key, nor is a part of one. */
	assert_null(elm__http_keys_find(&keys, "sha256:" ABC, 71));
	assert_null(elm__http_keys_find(&keys, "firs", 4));
	assert_null(elm__http_keys_find(&keys, "", 0));
	elm__http_keys_release(&keys);
}

static void test_shares_and_groups(void **state)
{
	elm__http_keys keys;
	uint64_t b, x;

	assert_int_equal(parse("a group=x requests-per-minute=10\nb tokens-per-minute=4294967295\n"
			       "c group=y\nd group=x priority=2 name=dora\n",
			       &keys, NULL),
			 ELM_OK);
	assert_int_equal(keys.keys[0].requests_per_minute, 10);
	assert_int_equal(keys.keys[0].tokens_per_minute, 0);
	assert_int_equal(keys.keys[1].tokens_per_minute, UINT32_MAX);
	assert_true(keys.keys[0].scope == keys.keys[3].scope);
	assert_true(keys.keys[0].scope != keys.keys[2].scope);
	x = keys.keys[0].scope;
	b = keys.keys[1].scope;
	assert_true(b != keys.keys[0].scope && b != keys.keys[2].scope && b && !(b >> 63));
	assert_string_equal(keys.keys[3].name, "dora");
	elm__http_keys_release(&keys);

	/* In another file, too. */
	assert_int_equal(parse("other\nb priority=3\nnew group=x\n", &keys, NULL), ELM_OK);
	assert_true(keys.keys[1].scope == b);
	assert_true(keys.keys[2].scope == x);
	elm__http_keys_release(&keys);
}

static void refuse(const char *text, const char *part)
{
	elm__http_keys keys;
	elm_error error = { 0 };

	assert_int_equal(parse(text, &keys, &error), ELM_ERR_FORMAT);
	assert_contains(error.text, part);
	assert_null(strstr(error.text, "topsecret"));
	assert_null(keys.keys);
}

static void test_mistakes_are_told_without_the_key(void **state)
{
	refuse("", "no key");
	refuse("# topsecret\n", "no key");
	refuse("a\ntopsecret colour=red", "line 2");
	refuse("topsecret name=", "line 1");
	refuse("topsecret name=012345678901234567890123456789012345678901234567", "47");
	refuse("topsecret priority=high", "priority");
	refuse("topsecret priority", "priority");
	refuse("topsecret group=", "group");
	refuse("topsecret requests-per-minute=0", "requests-per-minute");
	refuse("topsecret tokens-per-minute=4294967296", "tokens-per-minute");
	refuse("sha256:1234", "64 hexadecimal");
	refuse("sha256:" ABC "0", "64 hexadecimal");
}

static elm_status read_keys(void *user, elm_error *error)
{
	elm__http_keys keys;
	elm_status status = parse("one\ntwo\nthree", &keys, error);

	if (!status)
		elm__http_keys_release(&keys);
	return status;
}

static void test_out_of_memory(void **state)
{
	fail_each_allocation(read_keys, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_shares_and_groups),
		cmocka_unit_test(test_mistakes_are_told_without_the_key),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
