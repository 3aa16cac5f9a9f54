#include "study/worker.h"

#include <edgelm/memory.h>
#include <edgelm/scheduler.h>

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/process.h"
#include "engine/chat.h"
#include "study/lines.h"
#include "study/row_json.h"
#include "study/subject.h"

typedef struct worker {
	const elm__worker_options *options;
	const elm_tokenizer *tokenizer;
	elm_scheduler *scheduler;
	elm__chat_format format;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t running; /* requests */
} worker;

/* One request. Its fields belong to the engine's thread until it has ended. */
typedef struct stream {
	worker *w;
	elm__arena *arena; /* of the answers */
	elm__answer *answer;
	int64_t *token_ns;
	size_t capacity;
	elm__buf text;
} stream;

/* --- what is asked --- */

static elm_status prompt_tokens(const worker *w, const elm__prompt *prompt, elm_token **tokens,
				size_t *count, elm_error *error)
{
	json_t *messages;
	elm_status status;

	if (!prompt->chat)
		return elm_tokenize(w->tokenizer, prompt->text, strlen(prompt->text),
				    ELM_TOKENIZE_BOS, tokens, count, error);
	if (!w->format.chat_template)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "the model has no chat template; give one with --template");
	messages = prompt->system ?
			   json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content",
				     prompt->system, "role", "user", "content", prompt->text) :
			   json_pack("[{s:s, s:s}]", "role", "user", "content", prompt->text);
	if (!messages)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	status = elm__chat_format_prompt(&w->format, messages, NULL, tokens, count, error);
	json_decref(messages);
	return status;
}

/* --- what comes of it, on the engine's thread --- */

static void finish(stream *s, const elm_event *event)
{
	const elm_request_stats *stats = &event->stats;
	elm__study_trial *row = &s->answer->row;
	bool failed = event->kind == ELM_EVENT_ERROR;

	row->status = failed ? "failed" : event->finish == ELM_FINISH_CONTEXT ? "truncated" : "ok";
	row->stop = failed ? NULL : elm_finish_name(event->finish);
	/* The arena is shared with the thread that submits. */
	pthread_mutex_lock(&s->w->lock);
	if (failed)
		row->error = elm__arena_strndup(s->arena, event->error->text,
						strlen(event->error->text));
	row->reused_tokens = (int64_t)stats->prompt_reused;
	row->output_tokens = (int64_t)stats->token_count;
	if (stats->prompt_end_ns)
		row->prompt_ns = (int64_t)(stats->prompt_end_ns - stats->start_ns);
	if (stats->first_text_ns)
		row->ttft_ns = (int64_t)(stats->first_text_ns - s->answer->arrival_ns);
	if (stats->token_count)
		row->total_ns = (int64_t)(stats->last_token_ns - s->answer->arrival_ns);
	row->text = elm__arena_strndup(s->arena, elm__buf_text(&s->text), s->text.length);
	s->w->running--;
	pthread_cond_signal(&s->w->ended);
	pthread_mutex_unlock(&s->w->lock);
}

static bool on_event(void *user, const elm_event *event)
{
	stream *s = user;

	elm__buf_append(&s->text, event->text, event->text_length);
	if (event->kind == ELM_EVENT_TOKEN && s->answer->token_count < s->capacity)
		s->token_ns[s->answer->token_count++] =
			(int64_t)(event->token_ns - s->answer->arrival_ns);
	if (event->kind == ELM_EVENT_DONE || event->kind == ELM_EVENT_ERROR)
		finish(s, event);
	return true;
}

/* --- asking --- */

static int64_t process_time(void)
{
	struct timespec time = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static elm_status init_stream(stream *s, worker *w, elm__answers *answers, size_t index,
			      const elm__ask *ask, elm_error *error)
{
	uint32_t context = elm_scheduler_get_options(w->scheduler)->context;

	s->w = w;
	s->arena = &answers->arena;
	s->answer = &answers->items[index];
	s->capacity = ask->max_tokens < context ? ask->max_tokens : context;
	s->token_ns = elm__arena_calloc(s->arena, s->capacity, sizeof(*s->token_ns));
	if (!s->token_ns)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	s->answer->token_ns = s->token_ns;
	s->answer->row.max_tokens = (int64_t)ask->max_tokens;
	s->answer->row.seed = (int64_t)ask->seed;
	return ELM_OK;
}

/* Hands a request over. One that does not fit in the context is an answer, too. */
static elm_status submit(worker *w, stream *s, const elm__ask *ask, const elm_token *prompt,
			 size_t count, elm_error *error)
{
	elm_sampler_options sampling = w->options->sampling;
	elm_request request = { .prompt = prompt,
				.prompt_count = count,
				.max_tokens = ask->max_tokens,
				.stop = ask->prompt.chat ? w->format.stop : NULL,
				.stop_count = ask->prompt.chat ? w->format.stop_count : 0,
				.ignore_eos = ask->ignore_eos,
				.new_text = ask->prompt.chat,
				.sampling = &sampling,
				/* Each computes its own prompt. */
				.cache_scope = 1 + (uint64_t)s->answer->row.stream,
				.arrival_ns = s->answer->arrival_ns,
				.on_event = on_event,
				.user = s };
	elm_error refused = { 0 };
	elm_status status;

	sampling.seed = ask->seed;
	pthread_mutex_lock(&w->lock);
	w->running++;
	pthread_mutex_unlock(&w->lock);
	status = elm_scheduler_submit(w->scheduler, &request, NULL, &refused);
	if (status == ELM_OK)
		return ELM_OK;
	pthread_mutex_lock(&w->lock);
	w->running--;
	s->answer->row.error = elm__arena_strndup(s->arena, refused.text, strlen(refused.text));
	pthread_mutex_unlock(&w->lock);
	s->answer->row.status = status == ELM_ERR_LIMIT ? "rejected" : "failed";
	s->answer->row.output_tokens = 0;
	if (!s->answer->row.error)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return ELM_OK;
}

static void wait_for_all(worker *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->running)
		pthread_cond_wait(&w->ended, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static elm_status ask_streams(worker *w, const elm__ask *ask, stream *streams,
			      elm__answers *answers, uint64_t arrival, elm_error *error)
{
	uint64_t tokenized = 0;
	elm_token *prompt;
	size_t count;
	elm_status status = prompt_tokens(w, &ask->prompt, &prompt, &count, error);

	if (status)
		return status;
	tokenized = elm__now_ns();
	for (uint32_t i = 0; i < ask->streams && status == ELM_OK; i++) {
		status = init_stream(&streams[i], w, answers, i, ask, error);
		answers->items[i].arrival_ns = arrival;
		answers->items[i].row.tokenize_ns = (int64_t)(tokenized - arrival);
		answers->items[i].row.prompt_tokens = (int64_t)count;
	}
	for (uint32_t i = 0; i < ask->streams && status == ELM_OK; i++)
		status = submit(w, &streams[i], ask, prompt, count, error);
	wait_for_all(w);
	elm_free(prompt);
	return status;
}

static elm_status answer(worker *w, const elm__ask *ask, uint64_t arrival, json_t **out,
			 elm_error *error)
{
	stream *streams = elm__calloc(ask->streams, sizeof(*streams));
	bool reset = elm__process_reset_peak_memory();
	int64_t before = process_time();
	elm__answers answers;
	elm_status status = elm__answers_init(&answers, ask->streams, error);
	uint64_t peak;

	if (!streams && status == ELM_OK)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (status == ELM_OK)
		status = ask_streams(w, ask, streams, &answers, arrival, error);
	for (size_t i = 0; i < answers.count && status == ELM_OK; i++) {
		answers.items[i].row.process_cpu_ns = process_time() - before;
		if (reset && elm__process_peak_memory(&peak))
			answers.items[i].row.peak_rss_bytes = (int64_t)peak;
		status = elm__buf_status(&streams[i].text, error);
	}
	*out = status == ELM_OK ? elm__answers_json(&answers) : NULL;
	for (uint32_t i = 0; i < ask->streams && streams; i++)
		elm__buf_release(&streams[i].text);
	elm__free(streams);
	elm__answers_release(&answers);
	return status;
}

/* --- what it says of itself --- */

static void fill_model(const worker *w, elm__study_model *row)
{
	const elm_model_info *info = elm_model_get_info(w->options->model);
	const elm_gguf *gguf = elm_model_gguf(w->options->model);
	int64_t per_head = 2 * (int64_t)info->layers * info->head_dim * 2;

	elm__row_clear(ELM__TABLE_model, row);
	row->name = info->name;
	row->path = elm_gguf_path(gguf);
	row->architecture = info->architecture;
	row->type = w->options->type;
	row->file_bytes = (int64_t)elm_gguf_file_bytes(gguf);
	row->weight_bytes = (int64_t)info->weight_bytes;
	row->parameters = (int64_t)info->parameters;
	row->layers = info->layers;
	row->heads = info->heads;
	row->kv_heads = info->kv_heads;
	row->head_dim = info->head_dim;
	row->width = info->width;
	row->vocabulary = info->vocabulary;
	row->trained_context = info->trained_context;
	row->kv_token_bytes = per_head * info->kv_heads;
	row->kv_token_bytes_mha = per_head * info->heads;
	row->chat_template = w->format.chat_template != NULL;
}

/* A setting as it was given, which a float is not quite. */
static double as_given(float value)
{
	return round((double)value * 1e6) / 1e6;
}

static void fill_config(const worker *w, const elm_memory_estimate *memory, elm__study_config *row)
{
	const elm_scheduler_options *o = elm_scheduler_get_options(w->scheduler);
	const elm_sampler_options *sampling = &w->options->sampling;

	elm__row_clear(ELM__TABLE_config, row);
	row->engine = "edgelm";
	row->threads = o->session.threads;
	row->context = o->context;
	row->batch = o->session.batch;
	row->streams = o->session.max_sequences;
	row->kv_type = elm_type_get(o->session.kv_type)->name;
	row->isa = elm_model_isa(w->options->model);
	row->temperature = as_given(sampling->temperature);
	row->top_k = sampling->top_k;
	row->top_p = as_given(sampling->top_p);
	row->min_p = as_given(sampling->min_p);
	row->repeat_penalty = as_given(sampling->repeat_penalty);
	row->penalty_window = sampling->penalty_window;
	row->seed = (int64_t)sampling->seed;
	row->weight_bytes = (int64_t)memory->weights;
	row->packed_bytes = (int64_t)memory->packed;
	row->kv_bytes = (int64_t)memory->kv;
	row->scratch_bytes = (int64_t)memory->scratch;
}

static elm_status say_ready(const worker *w, const elm_memory_estimate *memory, int out,
			    elm_error *error)
{
	elm__study_model model;
	elm__study_config config;

	fill_model(w, &model);
	fill_config(w, memory, &config);
	return elm__lines_write(out,
				json_pack("{s:{s:o, s:o, s:[s, s*]}}", "ready", "model",
					  elm__row_json(ELM__TABLE_model, &model), "config",
					  elm__row_json(ELM__TABLE_config, &config), "files",
					  elm_gguf_path(elm_model_gguf(w->options->model)),
					  elm_model_engine_path(w->options->model)),
				error);
}

/* --- the loop --- */

static elm_status serve_line(worker *w, const json_t *line, uint64_t arrival, json_t **reply,
			     elm_error *error)
{
	const json_t *asked = json_object_get(line, "ask");
	const json_t *counted = json_object_get(line, "count");
	elm_token *tokens;
	size_t count;
	elm__ask ask;
	elm_status status;

	*reply = NULL;
	if (!json_is_object(asked) && !json_is_object(counted))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "neither \"ask\" nor \"count\"");
	status = elm__ask_parse(asked ? asked : counted, &ask, error);
	if (status)
		return status;
	if (asked && ask.streams > elm_scheduler_get_options(w->scheduler)->session.max_sequences)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "%u streams are too many",
				     ask.streams);
	if (asked)
		return answer(w, &ask, arrival, reply, error);
	status = prompt_tokens(w, &ask.prompt, &tokens, &count, error);
	if (status)
		return status;
	elm_free(tokens);
	*reply = json_pack("{s:I}", "tokens", (json_int_t)count);
	return *reply ? ELM_OK : elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

static elm_status serve(worker *w, int in, int out, elm_error *error)
{
	elm__lines lines = { .fd = in, .peer = "study" };
	elm_status status;
	json_t *line;

	while ((status = elm__lines_read(&lines, NULL, &line, error)) == ELM_OK) {
		uint64_t arrival = elm__now_ns();
		elm_error wrong = { 0 };
		json_t *reply;

		if (serve_line(w, line, arrival, &reply, &wrong))
			reply = json_pack("{s:s}", "error", wrong.text);
		json_decref(line);
		status = elm__lines_write(out, reply, error);
		if (status)
			break;
	}
	elm__lines_release(&lines);
	return status == ELM_ERR_NOT_FOUND ? ELM_OK : status;
}

static elm_status start(worker *w, elm_memory_estimate *memory, elm_error *error)
{
	const elm__worker_options *o = w->options;
	elm_scheduler_options options = elm_scheduler_defaults();
	elm_status status;

	options.session = o->session;
	options.context = o->session.context;
	options.session.context = 0;
	options.no_prefix_cache = true;
	options.memory_reserve = UINT64_MAX; /* a study goes to the limit */
	if (!options.session.max_sequences)
		options.session.max_sequences = 1;
	options.queue = options.session.max_sequences;
	if (o->chat_template || elm_tokenizer_chat_template(w->tokenizer)) {
		status = elm__chat_format_open(&w->format, w->tokenizer, o->chat_template, error);
		if (status)
			return status;
	}
	status = elm_scheduler_create(o->model, &options, &w->scheduler, error);
	if (status == ELM_OK) {
		options = *elm_scheduler_get_options(w->scheduler);
		status = elm_scheduler_estimate(o->model, &options, memory, error);
	}
	return status;
}

elm_status elm__worker_run(const elm__worker_options *options, int in, int out, elm_error *error)
{
	worker w = { .options = options,
		     .tokenizer = elm_model_tokenizer(options->model),
		     .lock = PTHREAD_MUTEX_INITIALIZER,
		     .ended = PTHREAD_COND_INITIALIZER };
	elm_memory_estimate memory;
	elm_status status = start(&w, &memory, error);

	if (status == ELM_OK)
		status = say_ready(&w, &memory, out, error);
	if (status == ELM_OK)
		status = serve(&w, in, out, error);
	elm_scheduler_free(w.scheduler);
	elm__chat_format_release(&w.format);
	return status;
}
