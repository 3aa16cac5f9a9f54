/*
 * keys.h: the API keys that a server knows, as SHA-256 hashes.
 *
 * A file of keys has one per line; empty lines and those that begin with '#' do not count:
 *
 *     KEY [name=TEXT] [priority=N] [group=TEXT] [requests-per-minute=N] [tokens-per-minute=N]
 *
 * where KEY is the key itself or "sha256:" and its hash in 64 hexadecimal digits. Keys of a group
 * trust each other. What the settings are good for is up to who uses them.
 */
#ifndef ELM_HTTP_KEYS_H
#define ELM_HTTP_KEYS_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__http_key {
	uint8_t hash[32];
	uint32_t number; /* from 1, in the order of the file */
	int32_t priority;
	/* The same for the keys of a group, of other keys its own; at least 1, below 2^63, and it
	 * does not depend on what else the file has. */
	uint64_t scope;
	uint32_t requests_per_minute; /* 0: any */
	uint32_t tokens_per_minute;   /* 0: any */
	char name[48];		      /* "key-3" where the file has none */
	char group_name[48];	      /* "" where it has none */
} elm__http_key;

typedef struct elm__http_keys {
	elm__http_key *keys;
	size_t count;
} elm__http_keys;

/* Reads a file; `path` begins its errors, which give the line and never a key. A file without a key
 * is ELM_ERR_FORMAT; without libcrypto every file is ELM_ERR_UNSUPPORTED. On failure the struct
 * needs no release. */
ELM_NODISCARD elm_status elm__http_keys_read(elm__http_keys *keys, const char *path,
					     elm_error *error);
/* The same from text. */
ELM_NODISCARD elm_status elm__http_keys_parse(elm__http_keys *keys, const char *path,
					      const char *text, size_t length, elm_error *error);
void elm__http_keys_release(elm__http_keys *keys);

/* NULL when it is none of them. Takes the same time whichever it is. */
const elm__http_key *elm__http_keys_find(const elm__http_keys *keys, const char *key,
					 size_t length);

#endif
