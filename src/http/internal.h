/* internal.h: what the files of this layer share. */
#ifndef ELM_HTTP_INTERNAL_H
#define ELM_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "http/http.h"

/* An open connection, in the list of its server. */
typedef struct http_connection {
	struct http_connection *next, **link;
	int fd;
	bool busy;	   /* its request has come as far as the end of its headers */
	uint64_t since_ns; /* when it was opened, or its last exchange ended */
} http_connection;

struct elm__http_server {
	elm__http_options options;
	struct MHD_Daemon *daemon;
	int listening; /* the socket; ours to close once quiesced */
	bool quiesced;
	bool local;
	uint16_t port;
	atomic_bool closing;	   /* connections are not kept alive */
	_Atomic size_t body_bytes; /* that all requests hold */
	pthread_mutex_t lock;	   /* of what is below */
	http_connection *connections;
};

enum { HTTP_MAX_HEADERS = 10, HTTP_NOTE = 256 };

typedef struct http_header {
	char name[40], value[256];
} http_header;

struct elm__http_exchange {
	elm__http_server *server;
	struct MHD_Connection *connection;
	http_connection *entry;
	int fd;
	const elm__http_route *route; /* NULL: refused */
	char *method, *path;
	uint64_t arrival_ns;
	const elm__http_key *key;

	elm__buf body;
	size_t received; /* bytes of the body, kept or not */
	size_t charged;	 /* in body_bytes of the server */
	int refused;	 /* the status that the request gets, its body unread; 0: none */

	http_header headers[HTTP_MAX_HEADERS];
	size_t header_count;
	int status; /* 0: no reply yet */
	struct MHD_Response *response;
	elm__http_stream stream;
	uint64_t sent;
	char note[HTTP_NOTE];
	size_t note_length;
};

/* Callbacks of libmicrohttpd, see there. */
enum MHD_Result elm__http_access(void *user, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_size, void **state);
void elm__http_completed(void *user, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code);

#endif
