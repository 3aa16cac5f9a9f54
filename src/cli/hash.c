#include "cli/hash.h"

#ifdef HAVE_LIBCRYPTO

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { CHUNK = 1 << 20 };

static elm_status io_error(elm_error *error, const char *path)
{
	return elm_error_set(error, ELM_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
}

/* Read and not mapped: a file on a disk that fails is an error then, and not a signal. */
static elm_status digest_file(const cli_context *cli, const char *path, int fd, EVP_MD_CTX *context,
			      uint8_t *chunk, elm_error *error)
{
	const volatile int *interrupted = cli_interrupt_watch();
	elm_status status = ELM_OK;
	cli_progress progress;
	uint64_t done = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return io_error(error, path);
	cli_progress_start(&progress, cli, "hashing");
	for (;;) {
		ssize_t got;

		if (*interrupted) {
			status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
			break;
		}
		got = read(fd, chunk, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			status = io_error(error, path);
		else if (got && !EVP_DigestUpdate(context, chunk, (size_t)got))
			status = elm_error_set(error, ELM_ERR_INTERNAL, "%s: libcrypto failed",
					       path);
		if (got <= 0 || status != ELM_OK)
			break;
		done += (uint64_t)got;
		cli_progress_update(&progress, done >> 20, (uint64_t)st.st_size >> 20, "MiB");
	}
	cli_progress_end(&progress);
	return status;
}

elm_status cli_sha256_file(const cli_context *cli, const char *path, char out[CLI_SHA256_TEXT],
			   elm_error *error)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE], *chunk = elm__malloc(CHUNK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned length = 0;
	elm_status status;

	if (fd < 0)
		status = io_error(error, path);
	else if (!context || !chunk || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the hash");
	else
		status = digest_file(cli, path, fd, context, chunk, error);
	if (status == ELM_OK && !EVP_DigestFinal_ex(context, digest, &length))
		status = elm_error_set(error, ELM_ERR_INTERNAL, "%s: libcrypto failed", path);
	for (unsigned i = 0; status == ELM_OK && i < length; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
	if (fd >= 0)
		close(fd);
	EVP_MD_CTX_free(context);
	elm__free(chunk);
	return status;
}

#else

elm_status cli_sha256_file(const cli_context *cli, const char *path, char out[CLI_SHA256_TEXT],
			   elm_error *error)
{
	(void)cli;
	(void)out;
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "%s: this edgelm was built without libcrypto and cannot hash; use "
			     "sha256sum",
			     path);
}

#endif
