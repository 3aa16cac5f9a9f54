/*
 * server.h: the HTTP interface of models: OpenAI's and llama-server's endpoints on schedulers.
 */
#ifndef ELM_SERVER_SERVER_H
#define ELM_SERVER_SERVER_H

#include "http/http.h"
#include "server/models.h"

typedef struct elm__server elm__server;

typedef struct elm__server_options {
	elm__models_options models;
	bool preload;			     /* load the first of them before serving */
	const elm_sampler_options *sampling; /* what a request need not say; the bias is not used */
	bool embeddings;		     /* /v1/embeddings and /embedding answer */
	elm_pooling pooling; /* of their states; OFF: as the model's file says, or the mean */
	bool keep_thoughts;  /* answers contain what the model thought before */
	bool metrics, slots; /* whether /metrics and /slots answer */
	bool no_page;	     /* the web page is not served */
	const char *sysroot; /* below it /edgelm/status looks for sensors; NULL: "" */
	double timeout;	     /* seconds that a request may take; 0: any */
	/* Connections. `routes`, `done` and `user` are not used. */
	elm__http_options http;
	/* A line of JSON, without newline, for each request that has ended; from many threads. */
	void (*log)(void *user, const char *line);
	void *log_user;
} elm__server_options;

/* Copies *options but not what it points to. On success *out is the caller's. */
ELM_NODISCARD elm_status elm__server_start(const elm__server_options *options, elm__server **out,
					   elm_error *error);
/* For its port, and to sweep it. */
elm__http_server *elm__server_http(elm__server *server);
/* Looks at once for model files that have changed. */
void elm__server_reload(elm__server *server);
/* Refuses new requests and waits up to `seconds` for those that run; what runs then is cut off. */
void elm__server_drain(elm__server *server, double seconds);
/* Stops at once. NULL allowed. */
void elm__server_stop(elm__server *server);

#endif
