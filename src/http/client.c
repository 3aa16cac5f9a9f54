#include "http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

enum { DEFAULT_LIMIT = 16 << 20, DEFAULT_CONNECT = 10, QUOTED = 200, MAX_HEADERS = 64 };

struct elm__http_client {
	CURL *curl;
	char *ca_file, *unix_socket, *user_agent;
	char reason[CURL_ERROR_SIZE];
};

/* A request in progress. */
typedef struct transfer {
	elm__http_client *client;
	const elm__http_call *call;
	elm__http_result *result;
	size_t limit;
	uint64_t start_ns;
	bool too_long, ended; /* why we stopped it */
} transfer;

/* --- the client --- */

static bool copy(const char *text, char **out)
{
	*out = text ? elm__strdup(text) : NULL;
	return *out || !text;
}

elm_status elm__http_client_create(const elm__http_client_options *options, elm__http_client **out,
				   elm_error *error)
{
	static const elm__http_client_options defaults = { 0 };
	elm__http_client *client = elm__calloc(1, sizeof(*client));

	*out = NULL;
	if (!options)
		options = &defaults;
	/* Counted by libcurl, so each client may do it. */
	if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		elm__free(client);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for an HTTP client");
	}
	client->curl = curl_easy_init();
	if (!client->curl || !copy(options->ca_file, &client->ca_file) ||
	    !copy(options->unix_socket, &client->unix_socket) ||
	    !copy(options->user_agent ? options->user_agent : "edgelm", &client->user_agent)) {
		elm__http_client_free(client);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for an HTTP client");
	}
	*out = client;
	return ELM_OK;
}

void elm__http_client_free(elm__http_client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	elm__free(client->ca_file);
	elm__free(client->unix_socket);
	elm__free(client->user_agent);
	elm__free(client);
}

/* --- the reply --- */

static bool is_success(int code)
{
	return code >= 200 && code < 300;
}

static int reply_code(const transfer *t)
{
	long code = 0;

	curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &code);
	return (int)code;
}

static size_t on_body(char *data, size_t one, size_t length, void *user)
{
	transfer *t = user;

	if (!t->result->first_ns)
		t->result->first_ns = elm__now_ns();
	if (t->call->on_body && is_success(reply_code(t))) {
		t->ended = length && !t->call->on_body(t->call->user, data, length);
		return t->ended ? 0 : length;
	}
	t->too_long = length > t->limit - t->result->body.length;
	if (!t->too_long)
		elm__buf_append(&t->result->body, data, length);
	return t->too_long || t->result->body.failed ? 0 : length;
}

/* The value of a header line, when it is that header; not NUL-terminated. */
static const char *header_value(const char *line, size_t length, const char *name, size_t *out)
{
	size_t n = strlen(name);

	if (length <= n || line[n] != ':' || strncasecmp(line, name, n))
		return NULL;
	line += n + 1;
	length -= n + 1;
	while (length && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	while (length &&
	       (line[length - 1] == '\r' || line[length - 1] == '\n' || line[length - 1] == ' '))
		length--;
	*out = length;
	return line;
}

static void keep_value(const char *value, size_t length, char *out, size_t size)
{
	if (!value || length >= size)
		return;
	memcpy(out, value, length);
	out[length] = '\0';
	elm__make_printable(out);
}

/* Before the first reply, and again where it was a redirect or 100. */
static void forget_headers(elm__http_result *result)
{
	result->content_type[0] = result->etag[0] = '\0';
	result->content_length = -1;
	result->retry_after = -1;
}

static size_t on_header(char *line, size_t one, size_t length, void *user)
{
	elm__http_result *result = ((transfer *)user)->result;
	char number[32] = "";
	const char *value;
	size_t n = 0;

	if (!result->first_ns)
		result->first_ns = elm__now_ns();
	if (length > 5 && !memcmp(line, "HTTP/", 5))
		forget_headers(result);
	value = header_value(line, length, "content-type", &n);
	keep_value(value, n, result->content_type, sizeof(result->content_type));
	value = header_value(line, length, "etag", &n);
	keep_value(value, n, result->etag, sizeof(result->etag));
	value = header_value(line, length, "content-length", &n);
	keep_value(value, n, number, sizeof(number));
	if (value)
		(void)elm__parse_i64(number, 0, INT64_MAX, &result->content_length);
	value = header_value(line, length, "retry-after", &n);
	keep_value(value, n, number, sizeof(number));
	if (value)
		(void)elm__parse_f64(number, 0, 1e9, &result->retry_after);
	return length;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const transfer *t = user;

	return t->call->cancel && *t->call->cancel;
}

/* --- the request --- */

/* "https://key@host/path?token=secret" without what may be secret: for sentences. */
static void shown_url(const char *url, char *out, size_t size)
{
	const char *scheme = strstr(url, "://");
	const char *host = scheme ? scheme + 3 : url;
	const char *at = strpbrk(host, "@/?#");

	if (at && *at == '@')
		host = at + 1;
	snprintf(out, size, "%.*s%.*s", scheme ? (int)(scheme + 3 - url) : 0, url,
		 (int)strcspn(host, "?#"), host);
	elm__make_printable(out);
}

static void set_limits(CURL *curl, const elm__http_call *call)
{
	double connect = call->connect_timeout > 0 ? call->connect_timeout : DEFAULT_CONNECT;

	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect * 1000));
	if (call->timeout > 0)
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(call->timeout * 1000));
	if (call->stall_timeout > 0) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
				 (long)(call->stall_timeout < 1 ? 1 : call->stall_timeout));
	}
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)call->redirects);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, call->redirects ? 1L : 0L);
}

static void set_protocols(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_callbacks(CURL *curl, transfer *t)
{
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static elm_status set_headers(CURL *curl, const elm__http_call *call, struct curl_slist **list,
			      elm_error *error)
{
	for (size_t i = 0; call->headers && call->headers[i]; i++) {
		struct curl_slist *longer;

		if (i == MAX_HEADERS || strpbrk(call->headers[i], "\r\n"))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "a header of the request holds a line end, or there "
					     "are more than %d",
					     MAX_HEADERS);
		longer = curl_slist_append(*list, call->headers[i]);
		if (!longer)
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
		*list = longer;
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *list);
	return ELM_OK;
}

static void set_request(transfer *t)
{
	const elm__http_client *client = t->client;
	const elm__http_call *call = t->call;
	CURL *curl = client->curl;

	curl_easy_reset(curl); /* keeps connections */
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->client->reason);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
	if (client->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
	if (client->unix_socket)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
	curl_easy_setopt(curl, CURLOPT_URL, call->url);
	set_protocols(curl);
	if (call->body) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_length);
	}
	if (call->method)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	set_limits(curl, call);
	set_callbacks(curl, t);
}

static elm_status explain(const transfer *t, CURLcode code, elm_error *error)
{
	const char *why = t->client->reason[0] ? t->client->reason : curl_easy_strerror(code);
	char url[QUOTED], reason[CURL_ERROR_SIZE];

	shown_url(t->call->url, url, sizeof(url));
	snprintf(reason, sizeof(reason), "%s", why);
	elm__make_printable(reason);
	if (t->too_long)
		return elm_error_set(error, ELM_ERR_LIMIT, "%s: the reply is longer than %zu bytes",
				     url, t->limit);
	if (t->ended || code == CURLE_ABORTED_BY_CALLBACK)
		return elm_error_set(error, ELM_ERR_CANCELLED, "%s: the request was ended by us",
				     url);
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_WRITE_ERROR:
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", url);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"%s\" is not a URL that can be used (%s); give "
				     "http://HOST:PORT or https://HOST",
				     url, reason);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return elm_error_set(error, ELM_ERR_IO,
				     "%s: cannot connect: %s; is the server running, and are host "
				     "and port right?",
				     url, reason);
	case CURLE_OPERATION_TIMEDOUT:
		return elm_error_set(error, ELM_ERR_IO, "%s: no answer in time: %s", url, reason);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return elm_error_set(error, ELM_ERR_IO,
				     "%s: the certificate of the server is not trusted: %s", url,
				     reason);
	default:
		return elm_error_set(error, ELM_ERR_IO, "%s: %s", url, reason);
	}
}

/* When the connection was ready, counted from the start. */
static uint64_t sent_at(const transfer *t)
{
	curl_off_t microseconds = 0;

#if LIBCURL_VERSION_NUM >= 0x073d00 /* 7.61 */
	curl_easy_getinfo(t->client->curl, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
#else
	double seconds = 0;

	curl_easy_getinfo(t->client->curl, CURLINFO_PRETRANSFER_TIME, &seconds);
	microseconds = (curl_off_t)(seconds * 1e6);
#endif
	return t->start_ns + (uint64_t)microseconds * 1000;
}

elm_status elm__http_call_run(elm__http_client *client, const elm__http_call *call,
			      elm__http_result *result, elm_error *error)
{
	transfer t = { .client = client, .call = call, .result = result };
	struct curl_slist *headers = NULL;
	elm_status status;
	CURLcode code;

	memset(result, 0, sizeof(*result));
	forget_headers(result);
	client->reason[0] = '\0';
	t.limit = call->limit ? call->limit : DEFAULT_LIMIT;
	set_request(&t);
	status = set_headers(client->curl, call, &headers, error);
	if (status == ELM_OK) {
		t.start_ns = elm__now_ns();
		code = curl_easy_perform(client->curl);
		result->code = reply_code(&t);
		result->sent_ns = sent_at(&t);
		if (code != CURLE_OK)
			status = explain(&t, code, error);
	}
	curl_slist_free_all(headers);
	return status;
}

void elm__http_result_release(elm__http_result *result)
{
	elm__buf_release(&result->body);
	memset(result, 0, sizeof(*result));
}

/* The message of {"error": {"message": "..."}} or {"error": "..."}; else what the body begins
 * with. */
static void server_s_words(const elm__http_result *result, char *out, size_t size)
{
	const char *text = elm__buf_text(&result->body);
	const char *words = NULL;
	json_t *body = NULL;

	if (!elm__json_parse("reply", text, result->body.length, &body, NULL)) {
		const json_t *wrong = json_object_get(body, "error");

		words = json_string_value(
			json_is_object(wrong) ? json_object_get(wrong, "message") : wrong);
	}
	snprintf(out, size, "%s", words ? words : text);
	json_decref(body);
	elm__make_printable(out);
}

elm_status elm__http_expect_success(const elm__http_call *call, const elm__http_result *result,
				    elm_error *error)
{
	char url[QUOTED], words[QUOTED];

	if (is_success(result->code))
		return ELM_OK;
	shown_url(call->url, url, sizeof(url));
	server_s_words(result, words, sizeof(words));
	return elm_error_set(error, result->code == 404 ? ELM_ERR_NOT_FOUND : ELM_ERR_IO,
			     "%s: the server answers %d%s%s", url, result->code, *words ? ": " : "",
			     words);
}
