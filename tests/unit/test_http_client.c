/* The HTTP client, against a server of a few lines that sends what each test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "http/client.h"
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support.h"

/* Answers one connection: reads a request, sends `reply`, and holds the line open if told to. */
typedef struct peer {
	int listening;
	char url[64];
	const char *reply;
	bool hold; /* until the client goes */
	elm__buf request;
	pthread_t thread;
} peer;

static size_t body_missing(const elm__buf *request)
{
	const char *end = strstr(elm__buf_text(request), "\r\n\r\n");
	const char *said = strstr(elm__buf_text(request), "Content-Length: ");
	size_t body;

	if (!end)
		return 1;
	body = said && said < end ? (size_t)atoi(said + 16) : 0;
	return body - (request->length - (size_t)(end + 4 - request->data));
}

static void *serve(void *user)
{
	peer *p = user;
	int connection = accept(p->listening, NULL, NULL);
	char bytes[4096];
	ssize_t got = 1;

	while (connection >= 0 && got > 0 && body_missing(&p->request)) {
		got = recv(connection, bytes, sizeof(bytes), 0);
		if (got > 0)
			elm__buf_append(&p->request, bytes, (size_t)got);
	}
	if (got > 0)
		(void)!send(connection, p->reply, strlen(p->reply), MSG_NOSIGNAL);
	while (p->hold && recv(connection, bytes, sizeof(bytes), 0) > 0)
		;
	close(connection);
	return NULL;
}

static void start(peer *p, const char *reply, bool hold)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	memset(p, 0, sizeof(*p));
	p->reply = reply;
	p->hold = hold;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(p->listening, 4), 0);
	assert_int_equal(getsockname(p->listening, (struct sockaddr *)&address, &size), 0);
	snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d/path", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void stop(peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->listening);
	elm__buf_release(&p->request);
}

static elm_status call(const elm__http_call *what, elm__http_result *result, elm_error *error)
{
	elm__http_client *client;
	elm_status status = elm__http_client_create(NULL, &client, error);

	assert_int_equal(status, ELM_OK);
	status = elm__http_call_run(client, what, result, error);
	elm__http_client_free(client);
	return status;
}

static void a_reply_is_kept(void **state)
{
	static const char *const headers[] = { "X-Key: one", NULL };
	elm__http_result result;
	elm__http_call what = { .headers = headers, .body = "{\"a\": 1}", .body_length = 8 };
	elm_error error = { 0 };
	uint64_t before = elm__now_ns();
	peer p;

	start(&p,
	      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nETag: \"v1\"\r\nContent-Length: "
	      "5\r\n\r\nhello",
	      false);
	what.url = p.url;
	if (call(&what, &result, &error))
		fail_msg("%s", error.text);
	assert_int_equal(result.code, 200);
	assert_string_equal(elm__buf_text(&result.body), "hello");
	assert_string_equal(result.content_type, "text/plain");
	assert_string_equal(result.etag, "\"v1\"");
	assert_int_equal(result.content_length, 5);
	assert_true(result.retry_after < 0);
	assert_true(before <= result.sent_ns && result.sent_ns <= result.first_ns &&
		    result.first_ns <= elm__now_ns());
	assert_int_equal(elm__http_expect_success(&what, &result, &error), ELM_OK);
	elm__http_result_release(&result);
	pthread_join(p.thread, NULL);
	assert_contains(elm__buf_text(&p.request), "POST /path HTTP/1.1\r\n");
	assert_contains(elm__buf_text(&p.request), "X-Key: one\r\n");
	assert_contains(elm__buf_text(&p.request), "\r\n\r\n{\"a\": 1}");
	close(p.listening);
	elm__buf_release(&p.request);
}

static void errors_of_the_server_are_told(void **state)
{
	static const struct {
		const char *reply;
		int code;
		elm_status status;
		const char *part;
	} cases[] = {
		{ "HTTP/1.1 404 No\r\nContent-Length: 36\r\n\r\n{\"error\": {\"message\": \"no "
		  "model x\"}} ",
		  404, ELM_ERR_NOT_FOUND, "the server answers 404: no model x" },
		{ "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy", 503,
		  ELM_ERR_IO, "the server answers 503: busy" },
		{ "HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n", 500, ELM_ERR_IO,
		  "the server answers 500" },
		{ "HTTP/1.1 302 Away\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
		  302, ELM_ERR_IO, "the server answers 302" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__http_call what = { .timeout = 10 };
		elm__http_result result;
		elm_error error = { 0 };
		peer p;

		start(&p, cases[i].reply, false);
		what.url = p.url;
		assert_int_equal(call(&what, &result, &error), ELM_OK);
		assert_int_equal(result.code, cases[i].code);
		assert_int_equal(elm__http_expect_success(&what, &result, &error), cases[i].status);
		assert_contains(error.text, cases[i].part);
		if (cases[i].code == 503)
			assert_true(result.retry_after == 2);
		elm__http_result_release(&result);
		stop(&p);
	}
}

typedef struct stream {
	elm__buf text;
	size_t limit;
} stream;

static bool take(void *user, const void *data, size_t length)
{
	stream *s = user;

	elm__buf_append(&s->text, data, length);
	return s->text.length < s->limit;
}

static void bodies_can_be_streamed(void **state)
{
	static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
	stream s = { .limit = 100 };
	elm__http_call what = { .on_body = take, .user = &s };
	elm__http_result result;
	elm_error error = { 0 };
	peer p;

	start(&p, chunked, false);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_OK);
	assert_string_equal(elm__buf_text(&s.text), "abcde");
	assert_int_equal(result.body.length, 0);
	elm__http_result_release(&result);
	stop(&p);
	elm__buf_clear(&s.text);
	s.limit = 1;
	start(&p, chunked, false);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_ERR_CANCELLED);
	elm__http_result_release(&result);
	stop(&p);
	/* What is wrong is not part of the stream. */
	elm__buf_clear(&s.text);
	start(&p, "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nwhy", false);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_OK);
	assert_int_equal(s.text.length, 0);
	assert_string_equal(elm__buf_text(&result.body), "why");
	elm__http_result_release(&result);
	stop(&p);
	elm__buf_release(&s.text);
}

static void a_long_reply_is_refused(void **state)
{
	elm__http_call what = { .limit = 4 };
	elm__http_result result;
	elm_error error = { 0 };
	peer p;

	start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_ERR_LIMIT);
	assert_contains(error.text, "longer than 4 bytes");
	elm__http_result_release(&result);
	stop(&p);
}

static void waiting_ends(void **state)
{
	volatile int cancel = 0;
	elm__http_call what = { .timeout = 0.2 };
	elm__http_result result;
	elm_error error = { 0 };
	peer p;

	start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_ERR_IO);
	assert_contains(error.text, "no answer in time");
	elm__http_result_release(&result);
	stop(&p);
	what.timeout = 0;
	what.cancel = &cancel;
	cancel = 1;
	start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true);
	what.url = p.url;
	assert_int_equal(call(&what, &result, &error), ELM_ERR_CANCELLED);
	elm__http_result_release(&result);
	/* The client may have gone before it connected. */
	shutdown(p.listening, SHUT_RDWR);
	stop(&p);
}

static void what_cannot_be_reached_is_said(void **state)
{
	static const char *const split[] = { "X-Key: one\r\nX-Other: two", NULL };
	elm__http_call what = { .url = "http://127.0.0.1:1/x?token=secret", .timeout = 5 };
	elm__http_result result;
	elm_error error = { 0 };

	assert_int_equal(call(&what, &result, &error), ELM_ERR_IO);
	assert_contains(error.text, "http://127.0.0.1:1/x: cannot connect");
	assert_null(strstr(error.text, "secret"));
	elm__http_result_release(&result);
	what.url = "http://user:secret@127.0.0.1:1/x";
	assert_int_equal(call(&what, &result, &error), ELM_ERR_IO);
	assert_null(strstr(error.text, "secret"));
	elm__http_result_release(&result);
	what.url = "file:///etc/passwd";
	assert_int_equal(call(&what, &result, &error), ELM_ERR_ARGUMENT);
	elm__http_result_release(&result);
	what.url = "http://";
	assert_int_equal(call(&what, &result, &error), ELM_ERR_ARGUMENT);
	elm__http_result_release(&result);
	what.url = "http://127.0.0.1:1/";
	what.headers = split;
	assert_int_equal(call(&what, &result, &error), ELM_ERR_ARGUMENT);
	elm__http_result_release(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_kept),
		cmocka_unit_test(errors_of_the_server_are_told),
		cmocka_unit_test(bodies_can_be_streamed),
		cmocka_unit_test(a_long_reply_is_refused),
		cmocka_unit_test(waiting_ends),
		cmocka_unit_test(what_cannot_be_reached_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
