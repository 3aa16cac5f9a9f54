/*
 * client.h: requests to HTTP servers, by libcurl. Knows nothing of what is asked for.
 *
 * A client keeps its connection open between requests. It belongs to one thread at a time; several
 * clients may work at once. Only http and https, no redirects to other schemes, certificates are
 * checked.
 */
#ifndef ELM_HTTP_CLIENT_H
#define ELM_HTTP_CLIENT_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct elm__http_client elm__http_client;

typedef struct elm__http_client_options {
	const char *ca_file;	 /* certificates to trust, PEM; NULL: those of the system */
	const char *unix_socket; /* connect to this instead of the URL's host; NULL: do not */
	const char *user_agent;	 /* NULL: "edgelm" */
} elm__http_client_options;

/* Takes the next bytes of a body. Returning false ends the request with ELM_ERR_CANCELLED. */
typedef bool elm__http_body(void *user, const void *data, size_t length);

typedef struct elm__http_call {
	const char *url;
	const char *method;	    /* NULL: POST where there is a body, else GET */
	const char *const *headers; /* "Name: value", ends with NULL; NULL: none */
	const void *body;	    /* NULL: none */
	size_t body_length;
	double connect_timeout; /* seconds; 0: 10 */
	double stall_timeout;	/* seconds without a byte (whole ones count); 0: never */
	double timeout;		/* seconds for all of it; 0: never */
	unsigned redirects;	/* followed at most; 0: none, so 3xx is the reply */
	/* Bytes of a reply that are kept; a longer one is ELM_ERR_LIMIT. With on_body only replies
	 * other than 2xx, which say what is wrong, are kept. 0: 16 MiB. */
	size_t limit;
	elm__http_body *on_body; /* for replies of 2xx; NULL: the reply's body is kept */
	void *user;
	const volatile int *cancel; /* ends the request within a second; may be NULL */
} elm__http_call;

typedef struct elm__http_result {
	int code; /* 200, 404, ...; 0: there was no reply */
	elm__buf body;
	char content_type[128], etag[128]; /* empty where absent, or too long */
	int64_t content_length;		   /* -1: not said */
	double retry_after;		   /* seconds; negative: not said */
	uint64_t sent_ns;  /* CLOCK_MONOTONIC just before the request was sent (connected) */
	uint64_t first_ns; /* when the first byte of the reply was there; 0: never */
} elm__http_result;

/* `options` NULL: all defaults. On success *out is the caller's. */
ELM_NODISCARD elm_status elm__http_client_create(const elm__http_client_options *options,
						 elm__http_client **out, elm_error *error);
void elm__http_client_free(elm__http_client *client); /* NULL allowed */

/*
 * Makes a request and waits for the whole reply. Any reply of the server is ELM_OK, also 404 or
 * 500; look at result->code, or call elm__http_expect_success. ELM_ERR_IO when there is none: the
 * sentence says with whom and what to look at. ELM_ERR_ARGUMENT for a URL that cannot be used,
 * ELM_ERR_CANCELLED, ELM_ERR_LIMIT. Always release the result.
 */
ELM_NODISCARD elm_status elm__http_call_run(elm__http_client *client, const elm__http_call *call,
					    elm__http_result *result, elm_error *error);
void elm__http_result_release(elm__http_result *result);

/* ELM_OK for a code of 2xx, else an error (404: ELM_ERR_NOT_FOUND, others ELM_ERR_IO) with what the
 * server says of it: the message of an OpenAI error, or the beginning of the body. */
ELM_NODISCARD elm_status elm__http_expect_success(const elm__http_call *call,
						  const elm__http_result *result, elm_error *error);

#endif
