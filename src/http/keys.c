#include "http/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#ifdef HAVE_LIBCRYPTO
#include <openssl/crypto.h>
#include <openssl/evp.h>
#endif

enum { MAX_FILE = 1 << 20, MAX_KEYS = 4096 };

#ifdef HAVE_LIBCRYPTO

static bool digest(const char *key, size_t length, uint8_t out[32])
{
	return EVP_Digest(key, length, out, NULL, EVP_sha256(), NULL) == 1;
}

const elm__http_key *elm__http_keys_find(const elm__http_keys *keys, const char *key, size_t length)
{
	const elm__http_key *found = NULL;
	uint8_t hash[32];

	if (!digest(key, length, hash))
		return NULL;
	for (size_t i = 0; i < keys->count; i++)
		if (!CRYPTO_memcmp(keys->keys[i].hash, hash, sizeof(hash)))
			found = &keys->keys[i];
	return found;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_hex(const char *text, uint8_t out[32])
{
	for (int i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return text[64] == '\0';
}

static bool parse_name(const char *value, char out[48])
{
	size_t length = strlen(value);

	if (!length || length >= 48)
		return false;
	memcpy(out, value, length + 1);
	return true;
}

static bool parse_limit(const char *value, uint32_t *out)
{
	int64_t number;

	if (!elm__parse_i64(value, 1, UINT32_MAX, &number))
		return false;
	*out = (uint32_t)number;
	return true;
}

/* "name=...", "priority=..." and so on; `word` is changed. */
static bool parse_setting(elm__http_key *key, char *word)
{
	char *value = word;
	const char *name = strsep(&value, "=");
	int64_t number;

	if (!value)
		return false;
	if (!strcmp(name, "name"))
		return parse_name(value, key->name);
	if (!strcmp(name, "group"))
		return parse_name(value, key->group_name);
	if (!strcmp(name, "requests-per-minute"))
		return parse_limit(value, &key->requests_per_minute);
	if (!strcmp(name, "tokens-per-minute"))
		return parse_limit(value, &key->tokens_per_minute);
	if (strcmp(name, "priority") != 0 || !elm__parse_i64(value, INT32_MIN, INT32_MAX, &number))
		return false;
	key->priority = (int32_t)number;
	return true;
}

static uint64_t scope_of(const elm__http_key *key)
{
	uint64_t scope = elm__get64(key->hash);

	if (key->group_name[0])
		scope = elm__hash64(key->group_name, strlen(key->group_name), 1);
	return scope >> 1 ? scope >> 1 : 1;
}

/* `line` is changed. False with a sentence's end in *wrong. */
static bool parse_line(elm__http_key *key, char *line, const char **wrong)
{
	char *rest = line;
	char *word = strtok_r(line, " \t\r", &rest);

	snprintf(key->name, sizeof(key->name), "key-%u", key->number);
	if (!strncmp(word, "sha256:", 7)) {
		*wrong = "is not a hash: \"sha256:\" needs 64 hexadecimal digits after it";
		if (!parse_hex(word + 7, key->hash))
			return false;
	} else if (!digest(word, strlen(word), key->hash)) {
		*wrong = "cannot be hashed by libcrypto";
		return false;
	}
	*wrong = "has something after the key that is none of name=TEXT, group=TEXT (at most 47 "
		 "bytes), priority=N, requests-per-minute=N, tokens-per-minute=N";
	while ((word = strtok_r(NULL, " \t\r", &rest)))
		if (!parse_setting(key, word))
			return false;
	return true;
}

static elm_status add_line(elm__http_keys *keys, const char *path, size_t number, char *line,
			   elm_error *error)
{
	elm__http_key *grown, *key;
	const char *wrong;

	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return ELM_OK;
	if (keys->count == MAX_KEYS)
		return elm_error_set(error, ELM_ERR_LIMIT, "%s: has more than %d keys", path,
				     MAX_KEYS);
	grown = elm__realloc_array(keys->keys, keys->count + 1, sizeof(*grown));
	if (!grown)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	keys->keys = grown;
	key = &keys->keys[keys->count];
	memset(key, 0, sizeof(*key));
	key->number = (uint32_t)keys->count + 1;
	if (!parse_line(key, line, &wrong))
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: line %zu %s", path, number, wrong);
	key->scope = scope_of(key);
	keys->count++;
	return ELM_OK;
}

elm_status elm__http_keys_parse(elm__http_keys *keys, const char *path, const char *text,
				size_t length, elm_error *error)
{
	elm_status status = ELM_OK;
	char *copy = elm__strndup(text, length);
	char *next = copy;

	memset(keys, 0, sizeof(*keys));
	if (!copy)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (strlen(copy) != length)
		status = elm_error_set(error, ELM_ERR_FORMAT, "%s: has a NUL byte in it", path);
	for (size_t number = 1; !status && next; number++) {
		char *line = strsep(&next, "\n");

		status = add_line(keys, path, number, line, error);
	}
	if (!status && !keys->count)
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "%s: has no key in it; put one on each line", path);
	OPENSSL_cleanse(copy, length);
	elm__free(copy);
	if (status)
		elm__http_keys_release(keys);
	return status;
}

#else

const elm__http_key *elm__http_keys_find(const elm__http_keys *keys, const char *key, size_t length)
{
	return NULL;
}

elm_status elm__http_keys_parse(elm__http_keys *keys, const char *path, const char *text,
				size_t length, elm_error *error)
{
	memset(keys, 0, sizeof(*keys));
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "%s: API keys need libcrypto, and this program was built without it",
			     path);
}

#endif

elm_status elm__http_keys_read(elm__http_keys *keys, const char *path, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, MAX_FILE, &text, error);

	memset(keys, 0, sizeof(*keys));
	if (!status)
		status = elm__http_keys_parse(keys, path, elm__buf_text(&text), text.length, error);
	elm__buf_release(&text);
	return status;
}

void elm__http_keys_release(elm__http_keys *keys)
{
	elm__free(keys->keys);
	memset(keys, 0, sizeof(*keys));
}
