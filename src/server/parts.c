/* parts.c: what answers of every dialect are made of. */
#include <edgelm/memory.h>

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/answer.h"

void elm__put_string(elm__buf *out, const char *text, size_t length)
{
	size_t plain = 0;

	elm__buf_putc(out, '"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		elm__buf_append(out, text + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\')
			elm__buf_printf(out, "\\%c", c);
		else if (c == '\n')
			elm__buf_puts(out, "\\n");
		else
			elm__buf_printf(out, "\\u%04x", c);
	}
	elm__buf_append(out, text + plain, length - plain);
	elm__buf_putc(out, '"');
}

json_t *elm__json_bytes(const char *bytes, size_t length)
{
	elm__buf text = ELM__BUF_INIT;
	json_t *value = NULL;

	if (elm__utf8_valid(bytes, length))
		return json_stringn(bytes, length);
	while (length) {
		uint32_t code_point;
		size_t step = elm__utf8_decode(bytes, length, &code_point);

		if (step)
			elm__buf_append(&text, bytes, step);
		else
			elm__buf_puts(&text, "\xef\xbf\xbd");
		step = step ? step : 1;
		bytes += step;
		length -= step;
	}
	if (!text.failed)
		value = json_stringn(elm__buf_text(&text), text.length);
	elm__buf_release(&text);
	return value;
}

json_t *elm__sampling_json(const elm_sampler_options *s)
{
	return json_pack("{s:I, s:f, s:i, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:i, s:f, s:f}",
			 "seed", (json_int_t)s->seed, "temperature", (double)s->temperature,
			 "top_k", (int)s->top_k, "top_p", (double)s->top_p, "min_p",
			 (double)s->min_p, "typical_p", (double)s->typical_p, "repeat_last_n",
			 (int)s->penalty_window, "repeat_penalty", (double)s->repeat_penalty,
			 "presence_penalty", (double)s->presence_penalty, "frequency_penalty",
			 (double)s->frequency_penalty, "mirostat", s->mirostat_tau > 0 ? 2 : 0,
			 "mirostat_tau", (double)s->mirostat_tau, "mirostat_eta",
			 (double)s->mirostat_eta);
}

const char *elm__answer_finish(const elm__choice *c)
{
	if (c->calls)
		return "tool_calls";
	return c->finish == ELM_FINISH_EOS || c->finish == ELM_FINISH_STOP ? "stop" : "length";
}

json_t *elm__answer_usage(const elm__answer *a)
{
	size_t prompt = 0, reused = 0, generated = 0;

	for (uint32_t i = 0; i < a->choice_count; i++) {
		generated += a->choices[i].stats.token_count;
		if (i % (uint32_t)a->request.choices)
			continue;
		prompt += elm__answer_prompt(a, i)->count;
		reused += a->choices[i].stats.prompt_reused;
	}
	return json_pack("{s:I, s:I, s:I, s:{s:I}}", "completion_tokens", (json_int_t)generated,
			 "prompt_tokens", (json_int_t)prompt, "total_tokens",
			 (json_int_t)(prompt + generated), "prompt_tokens_details", "cached_tokens",
			 (json_int_t)reused);
}

static double milliseconds(uint64_t from, uint64_t to)
{
	return from && to > from ? elm__seconds_between(from, to) * 1e3 : 0;
}

/* 0 where nothing was counted: the members have to be numbers. */
static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

/*
 * The time of the prompt is that of the first choice; generation lasts from when the first prompt
 * was computed to the last token. As in the dialect's own servers, the rate of generation counts
 * the tokens after the first, which comes with the prompt.
 */
json_t *elm__answer_timings(const elm__answer *a)
{
	const elm_request_stats *first = &a->choices[0].stats;
	double prompt_ms = milliseconds(first->start_ns, first->prompt_end_ns);
	size_t computed = first->prompt_count - first->prompt_reused;
	uint64_t last = 0;
	size_t generated = 0;
	double ms, later;

	for (uint32_t i = 0; i < a->choice_count; i++) {
		generated += a->choices[i].stats.token_count;
		if (a->choices[i].stats.last_token_ns > last)
			last = a->choices[i].stats.last_token_ns;
	}
	ms = milliseconds(first->prompt_end_ns, last);
	later = generated > a->choice_count ? (double)(generated - a->choice_count) : 0;
	return json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n",
			 (json_int_t)first->prompt_reused, "prompt_n", (json_int_t)computed,
			 "prompt_ms", prompt_ms, "prompt_per_token_ms",
			 ratio(prompt_ms, (double)computed), "prompt_per_second",
			 ratio((double)computed * 1e3, prompt_ms), "predicted_n",
			 (json_int_t)generated, "predicted_ms", ms, "predicted_per_token_ms",
			 ratio(ms, later), "predicted_per_second", ratio(later * 1e3, ms));
}

void elm__put_json(elm__buf *out, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	if (text)
		elm__buf_puts(out, text);
	else
		out->failed = true;
	free(text);
}

static json_t *strings(const char *const *items, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(list, json_string(items[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *bias_json(const elm_sampler_options *sampling)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sampling->bias_count; i++) {
		float bias = sampling->bias[i].bias;
		json_t *value = isfinite(bias) ? json_real((double)bias) : json_false();

		if (json_array_append_new(list,
					  json_pack("{s:i, s:o}", "token",
						    (int)sampling->bias[i].token, "bias", value))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *settings_json(const elm__api_request *r)
{
	json_t *settings = elm__sampling_json(&r->sampling);
	json_t *more =
		json_pack("{s:o, s:I, s:I, s:b, s:b, s:o, s:I, s:s, s:b}", "stop",
			  strings(r->stop, r->stop_count), "max_tokens", (json_int_t)r->max_tokens,
			  "n_predict", (json_int_t)r->max_tokens, "ignore_eos", r->ignore_eos,
			  "stream", r->stream, "logit_bias", bias_json(&r->sampling), "n_probs",
			  (json_int_t)r->top_logprobs, "grammar", r->grammar ? r->grammar : "",
			  "timings_per_token", r->timings_per_token);

	if (!settings || !more || json_object_update(settings, more)) {
		json_decref(settings);
		settings = NULL;
	}
	json_decref(more);
	return settings;
}

static json_t *prompt_json(const elm__answer *a, uint32_t choice)
{
	const elm__prompt *prompt = elm__answer_prompt(a, choice);
	json_t *value = NULL;
	size_t length;
	char *text;

	if (!elm_detokenize(a->loaded->tokenizer, prompt->tokens, prompt->count, true, &text,
			    &length, NULL)) {
		value = elm__json_bytes(text, length);
		elm_free(text);
	}
	return value;
}

json_t *elm__answer_prompt_text(const elm__answer *a, uint32_t choice)
{
	const json_t *prompt = a->request.prompt;

	if (a->prompt_count > 1 || json_is_string(json_array_get(prompt, 0)))
		prompt = json_array_get(prompt, choice / (size_t)a->request.choices);
	return json_is_string(prompt) ? json_incref((json_t *)prompt) : prompt_json(a, choice);
}

static const char *stop_type(const elm__choice *c)
{
	switch (c->finish) {
	case ELM_FINISH_EOS:
		return "eos";
	case ELM_FINISH_STOP:
		return "word";
	default:
		return "limit";
	}
}

json_t *elm__list_or_empty(json_t *list)
{
	return list ? json_incref(list) : json_array();
}

json_t *elm__answer_completion(const elm__answer *a, uint32_t number, bool stream)
{
	const elm__choice *c = &a->choices[number];
	size_t prompt = elm__answer_prompt(a, number)->count;
	size_t cached = prompt + c->stats.token_count;
	json_t *value = json_pack(
		"{s:i, s:s%, s:o, s:i, s:b, s:s, s:I, s:I, s:o, s:o, s:b, s:b, s:s, s:s, s:I, s:o}",
		"index", (int)number, "content", stream ? "" : elm__buf_text(&c->text),
		stream ? (size_t)0 : c->text.length, "tokens", elm__list_or_empty(c->tokens),
		"id_slot", -1, "stop", 1, "model", a->loaded->name, "tokens_predicted",
		(json_int_t)c->stats.token_count, "tokens_evaluated", (json_int_t)prompt,
		"generation_settings", settings_json(&a->request), "prompt", prompt_json(a, number),
		"has_new_line", c->has_newline, "truncated", c->finish == ELM_FINISH_CONTEXT,
		"stop_type", stop_type(c), "stopping_word", c->stop ? c->stop : "", "tokens_cached",
		(json_int_t)(cached ? cached - 1 : 0), "timings", elm__answer_timings(a));

	if (value && c->logprobs &&
	    json_object_set(value, "completion_probabilities", c->logprobs)) {
		json_decref(value);
		value = NULL;
	}
	return value;
}
