/* monitor_source.c: where `edgelm monitor` has its readings from. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/monitoring.h"
#include "http/client.h"
#include "telemetry/telemetry.h"

struct monitor_source {
	elm__device *device; /* NULL: a server is asked */
	elm__device_sample sample;
	elm__http_client *client;
	char *url, *key; /* the header with the key; NULL: none */
};

#ifdef HAVE_CLIENT

static elm_status read_key(const char *path, char **out, elm_error *error)
{
	elm__buf file = ELM__BUF_INIT, header = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, 65536, &file, error);

	elm__buf_printf(&header, "Authorization: Bearer %.*s",
			(int)strcspn(elm__buf_text(&file), " \t\r\n"), elm__buf_text(&file));
	if (!status)
		status = elm__buf_status(&header, error);
	if (!status)
		*out = elm__buf_detach(&header, NULL);
	elm__buf_release(&header);
	elm__buf_release(&file);
	return status;
}

static elm_status open_server(monitor_source *source, const monitor_options *options,
			      elm_error *error)
{
	elm__buf url = ELM__BUF_INIT;
	size_t length = strlen(options->url);
	elm_status status;

	while (length && options->url[length - 1] == '/')
		length--;
	elm__buf_append(&url, options->url, length);
	elm__buf_puts(&url, "/edgelm/status");
	status = elm__buf_status(&url, error);
	if (!status)
		source->url = elm__buf_detach(&url, NULL);
	elm__buf_release(&url);
	if (!status && options->key_file)
		status = read_key(options->key_file, &source->key, error);
	if (!status)
		status = elm__http_client_create(NULL, &source->client, error);
	return status;
}

/* What a server says of itself; NULL with an error. */
static json_t *ask(monitor_source *source, elm_error *error)
{
	const char *const headers[] = { source->key, NULL };
	const elm__http_call call = {
		.url = source->url, .headers = headers, .connect_timeout = 5, .timeout = 10
	};
	elm__http_result result = { 0 };
	json_t *json = NULL;
	elm_status status = elm__http_call_run(source->client, &call, &result, error);

	if (!status)
		status = elm__http_expect_success(&call, &result, error);
	if (!status)
		json = json_loadb(elm__buf_text(&result.body), result.body.length, 0, NULL);
	if (!status && !json_is_object(json)) {
		(void)elm_error_set(error, ELM_ERR_FORMAT,
				    "%s is no edgelm server: what it answers is no JSON object",
				    source->url);
		json_decref(json);
		json = NULL;
	}
	elm__http_result_release(&result);
	return json;
}

static json_t *look_at_server(monitor_source *source)
{
	elm_error error = { 0 };
	json_t *status = ask(source, &error), *device = json_object_get(status, "device");
	double clock = (double)elm__now_ns() * 1e-9;

	if (!status)
		return json_pack("{s:f, s:s}", "clock", clock, "trouble", error.text);
	json_incref(device);
	json_object_del(status, "device");
	return json_pack("{s:f, s:s, s:o*, s:o}", "clock", clock, "model", source->url, "device",
			 device, "server", status);
}

#else

static elm_status open_server(monitor_source *source, const monitor_options *options,
			      elm_error *error)
{
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "this program was built without libcurl, which asks other servers; "
			     "install its development package and build again");
}

static json_t *look_at_server(monitor_source *source)
{
	return NULL;
}

#endif

elm_status monitor_source_open(const monitor_options *options, monitor_source **out,
			       elm_error *error)
{
	monitor_source *source = elm__calloc(1, sizeof(*source));
	elm_status status;

	*out = NULL;
	if (!source)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (options->url)
		status = open_server(source, options, error);
	else
		status = elm__device_open(options->sysroot ? options->sysroot : "", &source->device,
					  error);
	if (status) {
		monitor_source_close(source);
		return status;
	}
	if (source->device) {
		elm__device_watch(source->device, options->pid);
		elm__device_read(source->device, ELM__READ_PROCESSOR | ELM__READ_POWER,
				 &source->sample);
	}
	*out = source;
	return ELM_OK;
}

void monitor_source_close(monitor_source *source)
{
	if (!source)
		return;
	elm__device_close(source->device);
#ifdef HAVE_CLIENT
	elm__http_client_free(source->client);
#endif
	elm__free(source->url);
	elm__free(source->key);
	elm__free(source);
}

json_t *monitor_look(monitor_source *source)
{
	if (!source->device)
		return look_at_server(source);
	elm__device_read(source->device, ELM__READ_ALL, &source->sample);
	return json_pack("{s:f, s:s, s:o}", "clock", (double)source->sample.at_ns * 1e-9, "model",
			 elm__device_model(source->device), "device",
			 elm__device_json(&source->sample));
}
