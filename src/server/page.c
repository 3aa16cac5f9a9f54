/* page.c: the web page, from the program itself. */
#include "server/page.h"

#include <string.h>

#include "http/negotiate.h"
#include "server/internal.h"

/* Nothing comes from elsewhere, nothing that a model writes can run, and no other page may frame
 * this one. */
static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'";

static const elm__page_file *find_file(const char *path)
{
	for (const elm__page_file *file = elm__page_files; file->path; file++)
		if (!strcmp(file->path, path))
			return file;
	return NULL;
}

void elm__serve_page(void *user, elm__http_exchange *exchange)
{
	const elm__server *server = user;
	const elm__page_file *file =
		server->options.no_page ? NULL : find_file(elm__http_path(exchange));
	bool packed;

	if (!file) {
		elm__serve_unknown(user, exchange);
		return;
	}
	/* A browser asks each time whether its copy is still right, so that the page is always that
	 * of the program. */
	elm__http_set_header(exchange, "Cache-Control", "no-cache");
	elm__http_set_header(exchange, "ETag", file->tag);
	elm__http_set_header(exchange, "Vary", "Accept-Encoding");
	elm__http_set_header(exchange, "Content-Security-Policy", policy);
	elm__http_set_header(exchange, "X-Content-Type-Options", "nosniff");
	elm__http_set_header(exchange, "Referrer-Policy", "no-referrer");
	if (elm__http_has_tag(elm__http_header(exchange, "If-None-Match"), file->tag)) {
		elm__http_reply(exchange, 304, NULL, "", 0);
		return;
	}
	packed = file->gzip_length &&
		 elm__http_accepts_coding(elm__http_header(exchange, "Accept-Encoding"), "gzip");
	if (packed)
		elm__http_set_header(exchange, "Content-Encoding", "gzip");
	elm__http_reply(exchange, 200, file->type, packed ? file->gzip : file->plain,
			packed ? file->gzip_length : file->plain_length);
}
