/*
 * http.h: an HTTP/1.1 server, by libmicrohttpd, that knows nothing of what it serves.
 *
 * Each connection has a thread of its own, which reads a request, calls the handler of its route
 * with the whole body, and writes the reply. A handler may therefore block; where it waits for
 * somebody else it does so with elm__http_wait, which also notices that the client has gone. Slow
 * and silent clients hold up nobody but themselves, and not for ever: see the limits.
 */
#ifndef ELM_HTTP_HTTP_H
#define ELM_HTTP_HTTP_H

#include <edgelm/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/keys.h"

typedef struct elm__http_server elm__http_server;
typedef struct elm__http_exchange elm__http_exchange; /* a request and its reply */

/* Must reply, by one of the functions below; a handler that does not is answered with 500. */
typedef void elm__http_handler(void *user, elm__http_exchange *exchange);

typedef struct elm__http_route {
	const char *method; /* "GET" (HEAD comes with it), "POST" */
	/* Exact, or with a '*' at its end: all that begin so. NULL ends the table, with the handler
	 * of unknown paths. */
	const char *path;
	elm__http_handler *handle;
	bool open; /* needs no key */
} elm__http_route;

/* An exchange that has ended, for the access log. Valid during the call. */
typedef struct elm__http_record {
	const char *method, *path; /* as received: hostile text; without the query */
	const char *client;	   /* address */
	const char *key;	   /* name of the API key; NULL: none */
	const char *note;	   /* set by the handler; "" */
	int status;		   /* 0: there was no reply */
	uint64_t sent;		   /* bytes of the reply's body */
	double seconds;		   /* since its headers were complete */
	bool complete;		   /* false: the connection broke */
} elm__http_record;

typedef struct elm__http_options {
	const char *host;	  /* name or address to listen at; NULL: 127.0.0.1 */
	uint16_t port;		  /* 0: any that is free */
	uint32_t connections;	  /* at once; what is above is closed at once; 0: 256 */
	size_t body_limit;	  /* bytes of a request's body; 0: 16 MiB */
	uint32_t idle_seconds;	  /* without a byte to or from the client; 0: 30 */
	uint32_t request_seconds; /* for all of a request to come in; 0: 60 */
	const char *certificate, *certificate_key; /* TLS: PEM texts, or both NULL */
	const char *cors_origin;    /* the origin of web pages that may read replies, or "*"; NULL:
				       none */
	const elm__http_keys *keys; /* NULL: everybody may ask */
	const elm__http_route *routes;
	void (*done)(void *user, const elm__http_record *record); /* from many threads; may be NULL
								   */
	void *user;						  /* of handlers and `done` */
} elm__http_options;

/* Listens and serves. Copies *options but not what it points to. On success *out is the caller's.
 */
ELM_NODISCARD elm_status elm__http_server_start(const elm__http_options *options,
						elm__http_server **out, elm_error *error);
uint16_t elm__http_server_port(const elm__http_server *server);
/* True when nothing but this machine can reach the address it listens at. */
bool elm__http_server_is_local(const elm__http_server *server);
/* Breaks connections that have been sending a request for too long. To be called now and then. */
void elm__http_server_sweep(elm__http_server *server);
/* Accepts no more connections. Those that are open are served on, and closed after each reply. */
void elm__http_server_quiesce(elm__http_server *server);
/* Whether a request is being read, handled or replied to. */
bool elm__http_server_busy(elm__http_server *server);
/* Breaks what is still open and waits for the handlers. NULL allowed. */
void elm__http_server_stop(elm__http_server *server);

/* The request. All texts live as long as the exchange. */
const char *elm__http_path(const elm__http_exchange *exchange); /* without the query */
const char *elm__http_body(const elm__http_exchange *exchange, size_t *length);
/* A header, or the value of an argument of the query; NULL where there is none. */
const char *elm__http_header(const elm__http_exchange *exchange, const char *name);
const char *elm__http_argument(const elm__http_exchange *exchange, const char *name);
const elm__http_key *elm__http_used_key(const elm__http_exchange *exchange); /* NULL: none */
uint64_t elm__http_arrival(const elm__http_exchange *exchange);		     /* CLOCK_MONOTONIC */

/* Adds to the note of the access log. */
void elm__http_note(elm__http_exchange *exchange, const char *format, ...) ELM_PRINTF(2, 3);

/* A header of the reply; before replying. One that does not fit is left out. */
void elm__http_set_header(elm__http_exchange *exchange, const char *name, const char *value);

/* The reply; only the first one counts. `body` is copied. */
void elm__http_reply(elm__http_exchange *exchange, int status, const char *type, const void *body,
		     size_t length);
/* Replies with a value, in one line; releases it. NULL, as running out of memory yields it, is an
 * error of the server. */
void elm__http_reply_json(elm__http_exchange *exchange, int status, json_t *value);
/* {"error": {"code", "message", "type"}} */
void elm__http_fail(elm__http_exchange *exchange, int status, const char *type, const char *format,
		    ...) ELM_PRINTF(4, 5);

/*
 * A reply that is written as it comes into being. After the handler has returned, `read` is called
 * until it returns 0 (the end) or ELM__HTTP_BREAK (the connection is broken off, so that the client
 * sees that something is missing). It puts 1 to `room` bytes to `out` and may block; it is not
 * called before the client has taken what it gave. `close` is called once, however it ends.
 */
#define ELM__HTTP_BREAK ((ptrdiff_t)-1)
typedef struct elm__http_stream {
	ptrdiff_t (*read)(void *user, elm__http_exchange *exchange, char *out, size_t room);
	void (*close)(void *user);
	void *user;
} elm__http_stream;
void elm__http_reply_stream(elm__http_exchange *exchange, int status, const char *type,
			    const elm__http_stream *stream);

typedef enum elm__http_event {
	ELM__HTTP_READY = 0, /* the descriptor can be read */
	ELM__HTTP_TIMEOUT,
	ELM__HTTP_GONE /* the client has closed its side, or the server is being stopped */
} elm__http_event;

/* Waits until `fd` can be read (never, where it is -1). `milliseconds` < 0 is without end. */
elm__http_event elm__http_wait(const elm__http_exchange *exchange, int fd, int milliseconds);

#endif
