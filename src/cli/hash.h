/* hash.h: SHA-256 of files, by libcrypto. */
#ifndef ELM_CLI_HASH_H
#define ELM_CLI_HASH_H

#include <edgelm/status.h>

#include "cli/cli.h"

enum { CLI_SHA256_TEXT = 65 };

/*
 * Reads the file and writes its hash, 64 hexadecimal digits and a NUL. Ctrl-C is
 * ELM_ERR_CANCELLED; a program that was built without libcrypto gives ELM_ERR_UNSUPPORTED.
 */
ELM_NODISCARD elm_status cli_sha256_file(const cli_context *cli, const char *path,
					 char out[CLI_SHA256_TEXT], elm_error *error);

#endif
