/* monitor_source.c: where `edgelm monitor` has its readings from. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/monitoring.h"
#include "http/client.h"
#include "telemetry/telemetry.h"

struct monitor_source {
	elm__device *device; /* NULL: a server is asked */
	elm__device_sample sample;
	elm__http_client *client;
	char *url, *key;  /* the header with the key; NULL: none */
	char process[64]; /* whose readings those of the process are; empty: our own */
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
	return json_pack("{s:f, s:s, s:s, s:o*, s:o}", "clock", clock, "model", source->url,
			 "process", "edgelm", "device", device, "server", status);
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

/* "1234 edgelm" */
static void name_process(int64_t pid, const char *sysroot, char *out, size_t size)
{
	elm__buf name = ELM__BUF_INIT;
	char path[4096];

	snprintf(path, sizeof(path), "%s/proc/%lld/comm", sysroot, (long long)pid);
	if (elm__file_read(path, 4096, &name, NULL))
		elm__buf_clear(&name);
	snprintf(out, size, "%lld %.*s", (long long)pid, (int)strcspn(elm__buf_text(&name), "\n"),
		 elm__buf_text(&name));
	elm__make_printable(out);
	elm__buf_release(&name);
}

static elm_status open_device(monitor_source *source, const monitor_options *options,
			      elm_error *error)
{
	const char *sysroot = options->sysroot ? options->sysroot : "";
	elm_status status = elm__device_open(sysroot, &source->device, error);

	if (status)
		return status;
	elm__device_watch(source->device, options->pid);
	if (options->pid)
		name_process(options->pid, sysroot, source->process, sizeof(source->process));
	else if (sysroot[0])
		snprintf(source->process, sizeof(source->process), "recorded");
	/* What rates are measured from. */
	elm__device_read(source->device, ELM__READ_PROCESSOR | ELM__READ_POWER, &source->sample);
	return ELM_OK;
}

elm_status monitor_source_open(const monitor_options *options, monitor_source **out,
			       elm_error *error)
{
	monitor_source *source = elm__calloc(1, sizeof(*source));
	elm_status status;

	*out = NULL;
	if (!source)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	status = options->url ? open_server(source, options, error) :
				open_device(source, options, error);
	if (status) {
		monitor_source_close(source);
		return status;
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
	return json_pack("{s:f, s:s, s:s, s:o}", "clock", (double)source->sample.at_ns * 1e-9,
			 "model", elm__device_model(source->device), "process", source->process,
			 "device", elm__device_json(&source->sample));
}
