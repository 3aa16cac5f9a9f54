/*
 * Constraints over the tokens of real and small vocabularies: masks against the slow way of trying
 * every token, and random walks whose text must be what the grammar says.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <edgelm/memory.h>
#include <edgelm/scheduler.h>

#include "base/alloc.h"
#include "base/random.h"
#include "grammar/grammar.h"
#include "grammar_cases.h"
#include "schema_check.h"
#include "support.h"
#include "vocab_cases.h"

/* A vocabulary with its lexicon. */
typedef struct rig {
	elm_tokenizer *tokenizer;
	elm_lexicon *lexicon;
	size_t size, words;
	uint32_t *bits;
} rig;

static void rig_init(rig *r, elm_tokenizer *tokenizer)
{
	elm_error error = { 0 };

	r->tokenizer = tokenizer;
	r->size = elm_tokenizer_size(tokenizer);
	r->words = (r->size + 31) / 32;
	r->bits = malloc(r->words * sizeof(*r->bits));
	assert_non_null(r->bits);
	if (elm_lexicon_create(tokenizer, &r->lexicon, &error))
		fail_msg("%s", error.text);
}

static void rig_small(rig *r, const vocab_spec *spec)
{
	elm_tokenizer *tokenizer;
	elm_error error = { 0 };

	if (vocab_create(spec, &tokenizer, &error))
		fail_msg("%s", error.text);
	rig_init(r, tokenizer);
}

/* false, printed, where golden data is absent. */
static bool rig_golden(rig *r, const char *name)
{
	const char *path = golden_path(name);
	elm_tokenizer *tokenizer = NULL;
	elm_error error = { 0 };
	elm_gguf *gguf;

	if (!path)
		return false;
	if (elm_gguf_open(path, &gguf, &error) || elm_tokenizer_create(gguf, &tokenizer, &error))
		fail_msg("%s", error.text);
	elm_gguf_close(gguf);
	rig_init(r, tokenizer);
	return true;
}

static void rig_release(rig *r)
{
	elm_lexicon_free(r->lexicon);
	elm_tokenizer_free(r->tokenizer);
	free(r->bits);
}

static bool is_set(const uint32_t *bits, elm_token token)
{
	return bits[token / 32] >> token % 32 & 1;
}

static elm_grammar *gbnf(const char *text)
{
	elm_error error = { 0 };
	elm_grammar *grammar;

	if (elm_grammar_create_gbnf(text, strlen(text), &grammar, &error))
		fail_msg("%s", error.text);
	return grammar;
}

static elm_grammar *schema(const char *text)
{
	elm_error error = { 0 };
	elm_grammar *grammar;

	if (elm_grammar_create_schema(text, strlen(text), &grammar, &error))
		fail_msg("%s", error.text);
	return grammar;
}

/* Takes over the grammar. */
static elm_constraint *constrain(rig *r, elm_grammar *grammar)
{
	elm_error error = { 0 };
	elm_constraint *c;

	if (elm_constraint_create(grammar, r->lexicon, &c, &error))
		fail_msg("%s", error.text);
	elm_grammar_free(grammar);
	return c;
}

static void mask(rig *r, elm_constraint *c, bool *any)
{
	elm_error error = { 0 };

	if (elm_constraint_mask(c, r->bits, any, &error))
		fail_msg("%s", error.text);
}

static void accept(elm_constraint *c, elm_token token)
{
	elm_error error = { 0 };

	if (elm_constraint_accept(c, token, &error))
		fail_msg("%s", error.text);
}

/* ---- the slow way: every token, byte by byte, on a machine of its own ---- */

typedef struct slow {
	elm__states states;
	uint32_t state;
} slow;

static void slow_init(slow *s, const elm_grammar *grammar)
{
	assert_int_equal(elm__states_init(&s->states, &grammar->program, NULL), ELM_OK);
	assert_int_equal(elm__states_start(&s->states, &s->state, NULL), ELM_OK);
}

static uint32_t slow_step(slow *s, elm_gguf_string piece)
{
	uint32_t state = s->state;

	for (size_t i = 0; i < piece.length; i++)
		assert_int_equal(
			elm__states_step(&s->states, state,
					 s->states.program->class_of[(uint8_t)piece.data[i]],
					 &state, NULL),
			ELM_OK);
	return state;
}

static bool slow_allows(slow *s, rig *r, elm_token token)
{
	elm_gguf_string piece = elm_token_piece(r->tokenizer, token, false);
	elm_token_kind kind = elm_tokenizer_kind(r->tokenizer, token);

	if (elm_tokenizer_is_eog(r->tokenizer, token))
		return elm__state_flags(&s->states, s->state) & ELM__ENDS;
	if (r->lexicon->drops_space &&
	    (kind == ELM_TOKEN_USER_DEFINED ||
	     (kind == ELM_TOKEN_BYTE && piece.length == 1 && piece.data[0] == ' ')))
		return false;
	return piece.length && kind != ELM_TOKEN_UNUSED &&
	       elm__state_lives(&s->states, slow_step(s, piece));
}

static void compare(slow *s, rig *r, const char *name)
{
	for (elm_token t = 0; (size_t)t < r->size; t++)
		if (is_set(r->bits, t) != slow_allows(s, r, t)) {
			elm_gguf_string piece = elm_token_piece(r->tokenizer, t, true);

			fail_msg("%s: token %d '%.*s' is %s", name, (int)t, (int)piece.length,
				 piece.data, is_set(r->bits, t) ? "allowed" : "forbidden");
		}
}

/* ---- walks ---- */

/* A random allowed token; often one that brings a text nearer to its end. */
static elm_token choose(rig *r, elm__random *random)
{
	static const char closing[] = "\"}]>)0:,x";
	bool close = elm__random_unit(random) < 0.6;
	elm_token chosen = ELM_TOKEN_NONE, last = ELM_TOKEN_NONE;
	size_t count = 0, all = 0;

	for (size_t word = 0; word < r->words; word++)
		for (uint32_t bits = r->bits[word]; bits; bits &= bits - 1) {
			elm_token token = (elm_token)(word * 32) + __builtin_ctz(bits);
			elm_gguf_string piece = elm_token_piece(r->tokenizer, token, false);
			bool counts = elm_tokenizer_is_eog(r->tokenizer, token) ||
				      (piece.length == 1 &&
				       memchr(closing, piece.data[0], sizeof(closing) - 1));

			if (elm__random_unit(random) * (double)++all < 1)
				last = token;
			if (counts && elm__random_unit(random) * (double)++count < 1)
				chosen = token;
		}
	return close && count ? chosen : last;
}

/* Walks to the end, or 300 tokens; appends the text as a user sees it. false: cut off. */
static bool walk(rig *r, elm_constraint *c, uint64_t seed, bool new_text, elm__buf *text)
{
	elm_token_stream stream = { .continues = !new_text };
	elm__random random;
	size_t room = elm_token_stream_room(r->tokenizer);
	bool any, ended = false;

	elm__random_seed(&random, seed);
	elm_constraint_reset(c, new_text);
	for (int i = 0; i < 300 && !ended; i++) {
		elm_token token;

		mask(r, c, &any);
		assert_true(any);
		token = choose(r, &random);
		accept(c, token);
		ended = elm_tokenizer_is_eog(r->tokenizer, token);
		assert_true(elm__buf_reserve(text, room));
		if (!ended)
			text->length += elm_token_stream_push(&stream, r->tokenizer, token,
							      text->data + text->length);
		text->data[text->length] = '\0';
	}
	assert_int_equal(ended, elm_constraint_finished(c));
	if (ended) {
		assert_true(elm_constraint_can_end(c));
		assert_int_equal(stream.held_length, 0);
	}
	return ended;
}

static void check_json(const char *source, const elm__buf *text)
{
	json_error_t where;
	json_t *definition = json_loads(source, JSON_DECODE_ANY, NULL);
	json_t *value = json_loadb(elm__buf_text(text), text->length,
				   JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);

	assert_non_null(definition);
	if (!value)
		fail_msg("%s\nis no JSON: %s", elm__buf_text(text), where.text);
	if (!schema_accepts(definition, value))
		fail_msg("%s\ngives %s, which it does not accept", source, elm__buf_text(text));
	json_decref(value);
	json_decref(definition);
}

static void walk_schemas(rig *r, int walks)
{
	elm__buf text = ELM__BUF_INIT;
	int ends = 0, all = 0;

	for (size_t i = 0; i < schema_case_count; i++) {
		elm_constraint *c = constrain(r, schema(schema_cases[i].source));

		for (int k = 0; k < walks; k++, all++) {
			elm__buf_clear(&text);
			if (walk(r, c, (uint64_t)(i * 100 + k), k % 2, &text)) {
				check_json(schema_cases[i].source, &text);
				ends++;
			}
		}
		elm_constraint_free(c);
	}
	printf("%d of %d walks came to an end\n", ends, all);
	assert_true(ends * 2 > all);
	elm__buf_release(&text);
}

static void compare_walk(rig *r, elm_grammar *grammar, const char *name, int tokens)
{
	elm_constraint *c;
	elm__random random;
	slow s;

	slow_init(&s, grammar);
	c = constrain(r, grammar);
	elm__random_seed(&random, 7);
	for (int i = 0; i < tokens && !elm_constraint_finished(c); i++) {
		elm_token token;
		bool any;

		mask(r, c, &any);
		compare(&s, r, name);
		token = choose(r, &random);
		if (elm_tokenizer_is_eog(r->tokenizer, token))
			break;
		accept(c, token);
		s.state = slow_step(&s, elm_token_piece(r->tokenizer, token, false));
	}
	elm__states_release(&s.states);
	elm_constraint_free(c);
}

static void compare_all(rig *r, int tokens)
{
	for (size_t i = 0; i < gbnf_case_count; i++)
		compare_walk(r, gbnf(gbnf_cases[i].source), gbnf_cases[i].name, tokens);
	for (size_t i = 0; i < schema_case_count; i++)
		compare_walk(r, schema(schema_cases[i].source), schema_cases[i].name, tokens);
}

/* ---- tests ---- */

static void masks_of_small_vocabularies(void **state)
{
	rig r;

	rig_small(&r, &vocab_small_bpe);
	compare_all(&r, 60);
	rig_release(&r);
	rig_small(&r, &vocab_small_spm);
	compare_all(&r, 60);
	rig_release(&r);
}

static void masks_of_a_real_vocabulary(void **state)
{
	rig r;

	if (!rig_golden(&r, "tokenizer/ggml-vocab-llama-spm.gguf"))
		skip();
	compare_all(&r, 6);
	rig_release(&r);
	if (!rig_golden(&r, "tokenizer/ggml-vocab-llama-bpe.gguf"))
		skip();
	for (size_t i = 0; i < schema_case_count; i += 9)
		compare_walk(&r, schema(schema_cases[i].source), schema_cases[i].name, 4);
	rig_release(&r);
}

static void walks_are_valid(void **state)
{
	rig r;

	rig_small(&r, &vocab_small_bpe);
	walk_schemas(&r, 10);
	rig_release(&r);
	rig_small(&r, &vocab_small_spm);
	walk_schemas(&r, 10);
	rig_release(&r);
}

static void walks_of_a_real_vocabulary_are_valid(void **state)
{
	rig r;

	if (!rig_golden(&r, "tokenizer/ggml-vocab-llama-spm.gguf"))
		skip();
	walk_schemas(&r, 6);
	rig_release(&r);
	if (!rig_golden(&r, "tokenizer/ggml-vocab-llama-bpe.gguf"))
		skip();
	walk_schemas(&r, 2);
	rig_release(&r);
}

/* Counters and deep stacks share masks; the same walk with each mask by itself must agree. */
static void shared_masks_are_the_same(void **state)
{
	static const char *const sources[] = {
		"{\"type\":\"string\",\"minLength\":100,\"maxLength\":400}",
		"{\"items\":{\"type\":\"string\",\"maxLength\":20},\"minItems\":40,\"maxItems\":"
		"90}",
		"{\"items\":{\"items\":{\"items\":{\"enum\":[\"a\",\"b\"]},\"maxItems\":50},"
		"\"maxItems\":70}}",
		"{}",
	};
	rig r;

	rig_small(&r, &vocab_small_bpe);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		compare_walk(&r, schema(sources[i]), sources[i], 500);
	rig_release(&r);
}

/* Down to where the stack may not grow, masks and acceptance agree; there, nothing is left. */
static void masks_know_the_limit_of_the_stack(void **state)
{
	elm_grammar *grammar =
		gbnf("root ::= \"(\" root \")\" | \"(\" a\na ::= \"@\" b \")\"\nb ::= \"x\"\n");
	const elm_token open = vocab_byte(&vocab_small_bpe, '(');
	elm_constraint *c;
	bool any = true;
	int depth = 0;
	slow s;
	rig r;

	rig_small(&r, &vocab_small_bpe);
	slow_init(&s, grammar);
	c = constrain(&r, grammar);
	for (; any && depth < 2 * ELM__MAX_DEPTH; depth++) {
		mask(&r, c, &any);
		compare(&s, &r, "near the limit");
		if (!any)
			break;
		accept(c, open);
		s.state = slow_step(&s, elm_token_piece(r.tokenizer, open, false));
	}
	assert_int_equal(depth, ELM__MAX_DEPTH + 1);
	elm__states_release(&s.states);
	elm_constraint_free(c);
	rig_release(&r);
}

static void only_what_is_allowed_is_accepted(void **state)
{
	elm_error error = { 0 };
	elm_constraint *c;
	bool any;
	rig r;

	rig_small(&r, &vocab_small_bpe);
	c = constrain(&r, gbnf("root ::= \"ab\" [cd]?"));
	assert_false(elm_constraint_can_end(c));
	mask(&r, c, &any);
	assert_true(any);
	assert_true(is_set(r.bits, 4));	 /* ab */
	assert_true(is_set(r.bits, 6));	 /* abc */
	assert_false(is_set(r.bits, 5)); /* bc */
	assert_false(is_set(r.bits, 1)); /* the end */
	for (elm_token t = -2; t < (elm_token)r.size + 2; t++) {
		elm_constraint *other;
		bool allowed = t >= 0 && (size_t)t < r.size && is_set(r.bits, t);

		assert_int_equal(elm_constraint_clone(c, &other, NULL), ELM_OK);
		assert_int_equal(elm_constraint_accept(other, t, &error),
				 allowed ? ELM_OK : ELM_ERR_ARGUMENT);
		if (!allowed)
			assert_contains(error.text, "is not allowed here");
		elm_constraint_free(other);
	}
	accept(c, 4);
	assert_true(elm_constraint_can_end(c));
	assert_false(elm_constraint_finished(c));
	mask(&r, c, &any);
	assert_true(is_set(r.bits, 1)); /* <|im_end|> */
	assert_false(is_set(r.bits, 0));
	accept(c, vocab_byte(&vocab_small_bpe, 'd'));
	assert_true(elm_constraint_finished(c));
	accept(c, 1);
	assert_true(elm_constraint_finished(c));
	mask(&r, c, &any);
	assert_true(is_set(r.bits, 1)); /* and nothing else */
	assert_int_equal(elm_constraint_accept(c, 1, NULL), ELM_ERR_ARGUMENT);
	elm_constraint_free(c);
	rig_release(&r);
}

static void logits_become_minus_infinity(void **state)
{
	enum { MORE = 45 };
	elm_constraint *c;
	float *logits;
	bool any;
	rig r;

	rig_small(&r, &vocab_small_bpe);
	logits = calloc(r.size + MORE, sizeof(*logits));
	assert_non_null(logits);
	c = constrain(&r, gbnf("root ::= [a-z]*"));
	mask(&r, c, NULL);
	assert_int_equal(elm_constraint_apply(c, logits, r.size + MORE, &any, NULL), ELM_OK);
	assert_true(any);
	for (size_t i = 0; i < r.size + MORE; i++)
		assert_true(logits[i] ==
			    (i < r.size && is_set(r.bits, (elm_token)i) ? 0 : -INFINITY));
	logits[40] = 1; /* what lies behind is not touched */
	assert_int_equal(elm_constraint_apply(c, logits, 40, &any, NULL), ELM_OK);
	assert_true(logits[40] == 1);
	elm_constraint_free(c);

	/* No token of this vocabulary can spell it. */
	rig_release(&r);
	{
		vocab_spec spec = vocab_small_bpe;

		spec.bytes = false;
		rig_small(&r, &spec);
	}
	c = constrain(&r, gbnf("root ::= \"z\""));
	mask(&r, c, &any);
	assert_false(any);
	elm_constraint_free(c);
	free(logits);
	rig_release(&r);
}

static void tokens_can_be_taken_back(void **state)
{
	elm_constraint *c, *clone;
	elm_error error = { 0 };
	bool any;
	rig r;

	rig_small(&r, &vocab_small_bpe);
	c = constrain(&r, gbnf("root ::= (\"ab\" | \"abc\" \"d\"){1,1000}"));
	accept(c, 4);
	accept(c, 6);
	assert_false(elm_constraint_can_end(c));
	assert_int_equal(elm_constraint_clone(c, &clone, NULL), ELM_OK);
	assert_int_equal(elm_constraint_rollback(c, 1, NULL), ELM_OK);
	assert_true(elm_constraint_can_end(c));
	accept(c, 1);
	assert_true(elm_constraint_finished(c));
	assert_int_equal(elm_constraint_rollback(c, 2, NULL), ELM_OK);
	assert_false(elm_constraint_can_end(c));
	assert_int_equal(elm_constraint_rollback(c, 1, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "remembers 0");
	assert_false(elm_constraint_can_end(clone)); /* has its own way */
	assert_int_equal(elm_constraint_rollback(clone, 2, NULL), ELM_OK);
	elm_constraint_free(clone);

	for (int i = 0; i < 100; i++)
		accept(c, 4);
	assert_int_equal(elm_constraint_rollback(c, ELM_CONSTRAINT_ROLLBACK + 1, &error),
			 ELM_ERR_ARGUMENT);
	c->matcher->memory_limit = 0; /* states get new numbers, all of them are found again */
	mask(&r, c, &any);
	for (int i = 0; i < ELM_CONSTRAINT_ROLLBACK; i++) {
		assert_true(elm_constraint_can_end(c));
		assert_int_equal(elm_constraint_rollback(c, 1, NULL), ELM_OK);
	}
	assert_int_equal(elm_constraint_rollback(c, 1, NULL), ELM_ERR_ARGUMENT);
	elm_constraint_free(c);
	rig_release(&r);
}

/* A text of its own loses the space that the vocabulary puts in front. */
static void the_first_space_may_not_count(void **state)
{
	const elm_token space_ab = 8, space = 3, ab = 6;
	elm_constraint *c;
	rig r;

	rig_small(&r, &vocab_small_spm);
	c = constrain(&r, gbnf("root ::= \"ab\"+"));
	mask(&r, c, NULL);
	assert_false(is_set(r.bits, space_ab));
	assert_true(is_set(r.bits, ab));
	elm_constraint_reset(c, true);
	mask(&r, c, NULL);
	assert_true(is_set(r.bits, space_ab));
	assert_true(is_set(r.bits, space));
	assert_true(is_set(r.bits, ab));
	assert_false(is_set(r.bits, 12)); /* two spaces */
	accept(c, space_ab);
	mask(&r, c, NULL);
	assert_false(is_set(r.bits, space_ab));
	elm_constraint_reset(c, true);
	accept(c, space);
	mask(&r, c, NULL);
	assert_false(is_set(r.bits, space));
	assert_true(is_set(r.bits, ab));
	c->matcher->memory_limit = 0;
	elm_constraint_reset(c, true);
	mask(&r, c, NULL);
	assert_true(is_set(r.bits, space_ab));
	elm_constraint_free(c);
	rig_release(&r);

	/* Not where the vocabulary does no such thing. */
	rig_small(&r, &vocab_small_bpe);
	c = constrain(&r, gbnf("root ::= \"ab\"+"));
	elm_constraint_reset(c, true);
	mask(&r, c, NULL);
	assert_false(is_set(r.bits, 9)); /* " ab" */
	elm_constraint_free(c);
	rig_release(&r);
}

static void what_is_remembered_may_be_forgotten(void **state)
{
	elm__buf first = ELM__BUF_INIT, second = ELM__BUF_INIT;
	elm_constraint *c, *d;
	rig r;

	rig_small(&r, &vocab_small_spm);
	for (size_t i = 0; i < schema_case_count; i += 3) {
		c = constrain(&r, schema(schema_cases[i].source));
		d = constrain(&r, schema(schema_cases[i].source));
		d->matcher->mask_count = 2;
		for (uint64_t seed = 0; seed < 4; seed++) {
			elm__buf_clear(&first);
			elm__buf_clear(&second);
			d->matcher->memory_limit = 0; /* tidied up at the next step */
			(void)walk(&r, c, seed, false, &first);
			(void)walk(&r, d, seed, false, &second);
			assert_string_equal(elm__buf_text(&first), elm__buf_text(&second));
		}
		elm_constraint_free(c);
		elm_constraint_free(d);
	}
	elm__buf_release(&first);
	elm__buf_release(&second);
	rig_release(&r);
}

/* A grammar with exponentially many ways, and one that is too much. */
static void ambiguity_is_bounded(void **state)
{
	static const char ways[] =
		"root ::= e\ne ::= \"a\" e \"b\" | \"a\" e \"c\" | \"a\" e e \"d\" | \"\"";
	elm_error error = { 0 };
	elm_status status = ELM_OK;
	elm_constraint *c;
	elm_token a;
	rig r;

	rig_small(&r, &vocab_small_bpe);
	a = vocab_byte(&vocab_small_bpe, 'a');
	c = constrain(&r, gbnf(ways));
	for (int i = 0; i < 400; i++)
		accept(c, a);
	mask(&r, c, NULL);
	elm_constraint_free(c);

	/* Every count of every level is possible at once. */
	c = constrain(&r, gbnf("root ::= (((\"a\" | \"aa\"){1,90000} \"b\"?){1,90000} "
			       "\"c\"?){1,90000} \"!\""));
	for (int i = 0; i < 3000 && !status; i++)
		status = elm_constraint_accept(c, a, &error);
	assert_int_equal(status, ELM_ERR_LIMIT);
	assert_contains(error.text, "too ambiguous");
	elm_constraint_free(c);
	rig_release(&r);
}

/* What the scheduler sees of a constraint. */
static void a_constraint_is_a_filter(void **state)
{
	elm_token_filter filter;
	float *logits;
	bool any;
	rig r;

	rig_small(&r, &vocab_small_spm);
	logits = calloc(r.size, sizeof(*logits));
	assert_non_null(logits);
	fail_never(); /* counts blocks */
	filter = elm_constraint_filter(constrain(&r, gbnf("root ::= \"ab\"")), true);
	assert_int_equal(filter.apply(filter.user, logits, r.size, &any, NULL), ELM_OK);
	assert_true(any);
	assert_true(logits[8] == 0); /* " ab", the space of a new text */
	assert_true(logits[5] == -INFINITY);
	assert_false(filter.finished(filter.user));
	assert_int_equal(filter.accept(filter.user, 5, NULL), ELM_ERR_ARGUMENT);
	assert_int_equal(filter.accept(filter.user, 8, NULL), ELM_OK);
	assert_true(filter.finished(filter.user));
	filter.release(filter.user);
	assert_int_equal(live_blocks(), 0);
	fail_off();
	free(logits);
	rig_release(&r);
}

/* ---- several threads ---- */

typedef struct worker {
	rig *r;
	elm_grammar *grammar;
	char *text; /* of all its walks */
} worker;

static void *work(void *user)
{
	worker *w = user;
	elm__buf text = ELM__BUF_INIT;
	elm_constraint *c;
	rig own = *w->r;

	own.bits = malloc(own.words * sizeof(*own.bits));
	if (elm_constraint_create(w->grammar, own.lexicon, &c, NULL))
		return NULL;
	for (uint64_t seed = 0; seed < 10; seed++)
		(void)walk(&own, c, seed, false, &text);
	elm_constraint_free(c);
	free(own.bits);
	w->text = elm__buf_detach(&text, NULL);
	return NULL;
}

static void threads_share_a_grammar(void **state)
{
	enum { THREADS = 4 };
	worker workers[THREADS];
	pthread_t threads[THREADS];
	elm_grammar *grammar;
	rig r;

	rig_small(&r, &vocab_small_spm);
	assert_int_equal(elm_grammar_create_json(&grammar, NULL), ELM_OK);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (worker){ .r = &r, .grammar = grammar };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_non_null(workers[i].text);
		assert_string_equal(workers[i].text, workers[0].text);
	}
	for (int i = 0; i < THREADS; i++)
		elm_free(workers[i].text);
	elm_grammar_free(grammar);
	rig_release(&r);
}

/* ---- memory ---- */

static elm_status use_everything(void *user, elm_error *error)
{
	rig *r = user;
	elm_lexicon *lexicon = NULL;
	elm_grammar *grammar = NULL;
	elm_constraint *c = NULL, *clone = NULL;
	elm_status status = elm_lexicon_create(r->tokenizer, &lexicon, error);
	static const char text[] = "{ab,a:\"";

	if (!status)
		status = elm_grammar_create_json(&grammar, error);
	if (!status)
		status = elm_constraint_create(grammar, lexicon, &c, error);
	if (!status)
		c->matcher->memory_limit = 0;
	for (size_t i = 0; i < 4 && !status; i++) {
		status = elm_constraint_mask(c, r->bits, NULL, error);
		if (!status && is_set(r->bits, vocab_byte(&vocab_small_spm, (uint8_t)text[i])))
			status = elm_constraint_accept(
				c, vocab_byte(&vocab_small_spm, (uint8_t)text[i]), error);
	}
	if (!status)
		status = elm_constraint_clone(c, &clone, error);
	elm_grammar_free(grammar); /* the constraints keep them */
	elm_lexicon_free(lexicon);
	elm_constraint_free(c);
	elm_constraint_free(clone);
	return status;
}

static void memory_may_run_out(void **state)
{
	rig r;

	rig_small(&r, &vocab_small_spm);
	(void)fail_each_allocation(use_everything, &r);
	rig_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_of_small_vocabularies),
		cmocka_unit_test(masks_of_a_real_vocabulary),
		cmocka_unit_test(walks_are_valid),
		cmocka_unit_test(walks_of_a_real_vocabulary_are_valid),
		cmocka_unit_test(shared_masks_are_the_same),
		cmocka_unit_test(masks_know_the_limit_of_the_stack),
		cmocka_unit_test(only_what_is_allowed_is_accepted),
		cmocka_unit_test(logits_become_minus_infinity),
		cmocka_unit_test(tokens_can_be_taken_back),
		cmocka_unit_test(the_first_space_may_not_count),
		cmocka_unit_test(what_is_remembered_may_be_forgotten),
		cmocka_unit_test(ambiguity_is_bounded),
		cmocka_unit_test(a_constraint_is_a_filter),
		cmocka_unit_test(threads_share_a_grammar),
		cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
