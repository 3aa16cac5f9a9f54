/* exchange.c: one request, from its headers to the end of its reply. */
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "http/internal.h"

/* Bodies in memory at once, and of a refused request on the way to its end, times body_limit. */
enum { BODIES_AT_ONCE = 4, SWALLOWED_BODIES = 4 };

/* libmicrohttpd has changed its name for it. */
enum { HTTP_TOO_LARGE = 413 };

/* Beginning and end of the time in which the client owes us nothing. Setting it again counts from
 * then on. */
static void watch_client(elm__http_exchange *x, bool watch)
{
	MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT,
				  watch ? x->server->options.idle_seconds : 0u);
}

/* The end of a request: its connection may be swept again. */
static void set_busy(elm__http_exchange *x, bool busy)
{
	if (!x->entry)
		return;
	pthread_mutex_lock(&x->server->lock);
	x->entry->busy = busy;
	x->entry->since_ns = elm__now_ns();
	pthread_mutex_unlock(&x->server->lock);
}

static void free_exchange(elm__http_exchange *x)
{
	if (x->stream.close)
		x->stream.close(x->stream.user);
	if (x->response)
		MHD_destroy_response(x->response);
	atomic_fetch_sub(&x->server->body_bytes, x->charged);
	elm__buf_release(&x->body);
	elm__free(x->method);
	elm__free(x->path);
	elm__free(x);
}

static bool is_at(const elm__http_route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (length && route->path[length - 1] == '*')
		return !strncmp(route->path, path, length - 1);
	return !strcmp(route->path, path);
}

static const elm__http_route *find_route(elm__http_exchange *x)
{
	const char *method = !strcmp(x->method, "HEAD") ? "GET" : x->method;
	const elm__http_route *route = x->server->options.routes;
	char allowed[64] = "";

	for (; route->path; route++) {
		if (!is_at(route, x->path))
			continue;
		if (!strcmp(route->method, method))
			return route;
		if (strlen(allowed) + strlen(route->method) + 3 < sizeof(allowed)) {
			strcat(allowed, allowed[0] ? ", " : "");
			strcat(allowed, route->method);
		}
	}
	if (!allowed[0])
		return route;
	elm__http_set_header(x, "Allow", allowed);
	x->refused = MHD_HTTP_METHOD_NOT_ALLOWED;
	return NULL;
}

static const elm__http_key *find_key(const elm__http_exchange *x)
{
	const char *given = elm__http_header(x, "Authorization");

	if (given && !strncasecmp(given, "Bearer ", 7))
		given += 7;
	else
		given = elm__http_header(x, "X-Api-Key");
	return given ? elm__http_keys_find(x->server->options.keys, given, strlen(given)) : NULL;
}

/* The length that the client announces; 0 where it does not. */
static uint64_t announced(const elm__http_exchange *x)
{
	const char *text = elm__http_header(x, "Content-Length");
	int64_t length = 0;

	if (text && !elm__parse_i64(text, 0, INT64_MAX, &length))
		length = INT64_MAX;
	return (uint64_t)length;
}

static bool is_preflight(const elm__http_exchange *x)
{
	return x->server->options.cors_origin && !strcmp(x->method, "OPTIONS") &&
	       elm__http_header(x, "Origin");
}

/* Decides by the headers alone. */
static void admit(elm__http_exchange *x)
{
	const elm__http_options *options = &x->server->options;

	if (is_preflight(x)) {
		x->refused = MHD_HTTP_NO_CONTENT;
		return;
	}
	x->route = find_route(x);
	if (x->route && options->keys && !x->route->open) {
		x->key = find_key(x);
		if (!x->key)
			x->refused = MHD_HTTP_UNAUTHORIZED;
	}
	if (!x->refused && announced(x) > options->body_limit)
		x->refused = HTTP_TOO_LARGE;
}

static elm__http_exchange *begin(elm__http_server *server, struct MHD_Connection *connection,
				 const char *method, const char *path)
{
	elm__http_exchange *x = elm__calloc(1, sizeof(*x));
	const union MHD_ConnectionInfo *entry;

	if (!x)
		return NULL;
	x->server = server;
	x->connection = connection;
	x->arrival_ns = elm__now_ns();
	x->method = elm__strdup(method);
	x->path = elm__strdup(path);
	entry = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	x->entry = entry ? entry->socket_context : NULL;
	if (!x->method || !x->path || !x->entry) {
		free_exchange(x);
		return NULL;
	}
	x->fd = x->entry->fd;
	set_busy(x, true);
	admit(x);
	return x;
}

/* False when the connection is to be broken. */
static bool take_body(elm__http_exchange *x, const char *data, size_t length)
{
	const elm__http_options *options = &x->server->options;
	double seconds = elm__seconds_between(x->arrival_ns, elm__now_ns());

	x->received += length;
	if (seconds > options->request_seconds ||
	    x->received / SWALLOWED_BODIES > options->body_limit)
		return false;
	if (!x->refused && x->received > options->body_limit)
		x->refused = HTTP_TOO_LARGE;
	if (!x->refused) {
		size_t all = atomic_fetch_add(&x->server->body_bytes, length) + length;

		x->charged += length;
		if (all / BODIES_AT_ONCE > options->body_limit)
			x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
		else
			elm__buf_append(&x->body, data, length);
		if (x->body.failed)
			x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	if (x->refused)
		elm__buf_release(&x->body);
	return true;
}

static void preflight(elm__http_exchange *x)
{
	elm__http_set_header(x, "Access-Control-Allow-Methods", "GET, POST");
	elm__http_set_header(x, "Access-Control-Allow-Headers", "Authorization, Content-Type");
	elm__http_set_header(x, "Access-Control-Max-Age", "86400");
	elm__http_reply(x, MHD_HTTP_NO_CONTENT, NULL, "", 0);
}

static void refuse(elm__http_exchange *x)
{
	switch (x->refused) {
	case MHD_HTTP_NO_CONTENT:
		preflight(x);
		break;
	case MHD_HTTP_UNAUTHORIZED:
		elm__http_set_header(x, "WWW-Authenticate", "Bearer");
		elm__http_fail(x, x->refused, "authentication_error", "Invalid API Key");
		break;
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		elm__http_fail(x, x->refused, "invalid_request_error",
			       "%s does not take %s requests", x->path, x->method);
		break;
	case HTTP_TOO_LARGE:
		elm__http_fail(x, x->refused, "invalid_request_error",
			       "the request is larger than %zu bytes",
			       x->server->options.body_limit);
		break;
	default:
		elm__http_set_header(x, "Retry-After", "1");
		elm__http_fail(x, x->refused, "unavailable_error",
			       "too many large requests at once, try again");
	}
}

static enum MHD_Result send_reply(elm__http_exchange *x)
{
	enum MHD_Result result;

	if (!x->status)
		elm__http_fail(x, MHD_HTTP_INTERNAL_SERVER_ERROR, "server_error", "out of memory");
	if (!x->response)
		return MHD_NO;
	if (atomic_load(&x->server->closing))
		MHD_add_response_header(x->response, "Connection", "close");
	result = MHD_queue_response(x->connection, (unsigned)x->status, x->response);
	MHD_destroy_response(x->response);
	x->response = NULL;
	return result;
}

enum MHD_Result elm__http_access(void *user, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_size, void **state)
{
	elm__http_server *server = user;
	elm__http_exchange *x = *state;

	if (!x) {
		x = begin(server, connection, method, url);
		*state = x;
		if (!x)
			return MHD_NO;
		/* So much that it is not even swallowed: the reply comes first, then the end. */
		if (x->refused && announced(x) / SWALLOWED_BODIES > server->options.body_limit) {
			refuse(x);
			return send_reply(x);
		}
		return MHD_YES;
	}
	if (*upload_size) {
		bool go_on = take_body(x, upload, *upload_size);

		*upload_size = 0;
		return go_on ? MHD_YES : MHD_NO;
	}
	watch_client(x, false);
	if (x->refused)
		refuse(x);
	else
		x->route->handle(server->options.user, x);
	watch_client(x, true);
	return send_reply(x);
}

static void format_client(const elm__http_exchange *x, char *out, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;
	socklen_t length = address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
								       sizeof(struct sockaddr_in);

	if (!address || getnameinfo(address, length, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
		snprintf(out, size, "unknown");
}

void elm__http_completed(void *user, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	elm__http_server *server = user;
	elm__http_exchange *x = *state;
	elm__http_record record;
	char client[64];

	if (!x)
		return;
	*state = NULL;
	/* The stream first: closing it may add to the note. */
	if (x->stream.close)
		x->stream.close(x->stream.user);
	x->stream.close = NULL;
	if (server->options.done) {
		format_client(x, client, sizeof(client));
		record = (elm__http_record){
			.method = x->method,
			.path = x->path,
			.client = client,
			.key = x->key ? x->key->name : NULL,
			.note = x->note,
			.status = x->status,
			.sent = x->sent,
			.seconds = elm__seconds_between(x->arrival_ns, elm__now_ns()),
			.complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK,
		};
		server->options.done(server->options.user, &record);
	}
	set_busy(x, false);
	free_exchange(x);
}

const char *elm__http_path(const elm__http_exchange *x)
{
	return x->path;
}

const char *elm__http_body(const elm__http_exchange *x, size_t *length)
{
	*length = x->body.length;
	return elm__buf_text(&x->body);
}

const char *elm__http_header(const elm__http_exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *elm__http_argument(const elm__http_exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

const elm__http_key *elm__http_used_key(const elm__http_exchange *x)
{
	return x->key;
}

uint64_t elm__http_arrival(const elm__http_exchange *x)
{
	return x->arrival_ns;
}

void elm__http_note(elm__http_exchange *x, const char *format, ...)
{
	size_t room = sizeof(x->note) - x->note_length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(x->note + x->note_length, room, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= room)
		x->note[x->note_length] = '\0';
	else
		x->note_length += (size_t)length;
}

void elm__http_set_header(elm__http_exchange *x, const char *name, const char *value)
{
	http_header *header = &x->headers[x->header_count];

	if (x->header_count == HTTP_MAX_HEADERS || strlen(name) >= sizeof(header->name) ||
	    strlen(value) >= sizeof(header->value))
		return;
	strcpy(header->name, name);
	strcpy(header->value, value);
	x->header_count++;
}

/* Takes the response, which may be NULL, for the reply. */
static void set_response(elm__http_exchange *x, int status, const char *type,
			 struct MHD_Response *response)
{
	const char *origin = x->server->options.cors_origin;

	x->response = response;
	if (!response)
		return;
	x->status = status;
	MHD_add_response_header(response, "Server", "edgelm");
	if (type)
		MHD_add_response_header(response, "Content-Type", type);
	if (origin) {
		MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
		if (strcmp(origin, "*") != 0)
			MHD_add_response_header(response, "Vary", "Origin");
	}
	for (size_t i = 0; i < x->header_count; i++)
		MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
}

void elm__http_reply(elm__http_exchange *x, int status, const char *type, const void *body,
		     size_t length)
{
	if (x->status)
		return;
	x->sent = length;
	set_response(x, status, type,
		     MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_MUST_COPY));
}

void elm__http_reply_json(elm__http_exchange *x, int status, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	if (!text) {
		elm__http_fail(x, MHD_HTTP_INTERNAL_SERVER_ERROR, "server_error", "out of memory");
		return;
	}
	elm__http_reply(x, status, "application/json; charset=utf-8", text, strlen(text));
	free(text);
}

void elm__http_fail(elm__http_exchange *x, int status, const char *type, const char *format, ...)
{
	elm_error message = { 0 };
	json_t *value;
	va_list args;
	char *text;

	va_start(args, format);
	elm_error_setv(&message, ELM_ERR_INTERNAL, format, args);
	va_end(args);
	value = json_pack("{s:{s:i, s:s, s:s}}", "error", "code", status, "message", message.text,
			  "type", type);
	text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	if (text)
		elm__http_reply(x, status, "application/json; charset=utf-8", text, strlen(text));
	else
		elm__http_reply(x, status, NULL, "", 0);
	free(text);
}

/* In the connection's thread, which waits in here for what is to be sent. */
static ssize_t read_stream(void *user, uint64_t position, char *out, size_t room)
{
	elm__http_exchange *x = user;
	ptrdiff_t length;

	watch_client(x, false);
	length = x->stream.read(x->stream.user, x, out, room);
	watch_client(x, true);
	if (length < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!length)
		return MHD_CONTENT_READER_END_OF_STREAM;
	x->sent += (uint64_t)length;
	return length;
}

void elm__http_reply_stream(elm__http_exchange *x, int status, const char *type,
			    const elm__http_stream *stream)
{
	enum { BLOCK = 16 << 10 };

	if (x->status) {
		stream->close(stream->user);
		return;
	}
	x->stream = *stream;
	set_response(x, status, type,
		     MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, x,
						       NULL));
}

elm__http_event elm__http_wait(const elm__http_exchange *x, int fd, int milliseconds)
{
	struct pollfd watched[] = { { .fd = x->fd, .events = POLLRDHUP },
				    { .fd = fd, .events = POLLIN } };
	uint64_t start = elm__now_ns();

	for (;;) {
		double waited = elm__seconds_between(start, elm__now_ns()) * 1e3;
		int left = milliseconds < 0	 ? -1 :
			   waited > milliseconds ? 0 :
						   milliseconds - (int)waited;
		int ready = poll(watched, 2, left);

		if (ready < 0)
			continue; /* a signal */
		if (watched[0].revents)
			return ELM__HTTP_GONE;
		if (watched[1].revents)
			return ELM__HTTP_READY;
		if (!ready)
			return ELM__HTTP_TIMEOUT;
	}
}
