/*
 * sentencepiece.c: tokenizer.model, a protocol buffer.
 *
 * Of the message ModelProto: pieces = 1 (repeated: piece = 1, score = 2 as float, type = 3),
 * trainer_spec = 2 (model_type = 3; unk, bos, eos and pad ids = 40 to 43), normalizer_spec = 3
 * (precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4). All else is
 * skipped. The types of pieces are numbered as in GGUF.
 */
#include <edgelm/log.h>

#include <string.h>

#include "convert/vocabulary.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { MODEL_BPE = 2 };

typedef struct message {
	const uint8_t *at, *end;
} message;

typedef struct element {
	uint32_t number;
	unsigned wire;
	uint64_t value; /* of a number; bits of a float */
	message bytes;
} element;

static bool read_varint(message *m, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (m->at == m->end)
			return false;
		byte = *m->at++;
		*out |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return true;
	}
	return false;
}

static bool read_fixed(message *m, size_t size, uint64_t *out)
{
	*out = 0;
	if ((size_t)(m->end - m->at) < size)
		return false;
	memcpy(out, m->at, size); /* little-endian, as all machines that we run on */
	m->at += size;
	return true;
}

/* The next element; false when the message is damaged. The caller looks for the end first. */
static bool next_element(message *m, element *e)
{
	uint64_t key;

	memset(e, 0, sizeof(*e));
	if (!read_varint(m, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
		return false;
	e->number = (uint32_t)(key >> 3);
	e->wire = key & 7;
	switch (e->wire) {
	case WIRE_VARINT:
		return read_varint(m, &e->value);
	case WIRE_64:
		return read_fixed(m, 8, &e->value);
	case WIRE_32:
		return read_fixed(m, 4, &e->value);
	case WIRE_BYTES:
		if (!read_varint(m, &e->value) || e->value > (uint64_t)(m->end - m->at))
			return false;
		e->bytes = (message){ m->at, m->at + e->value };
		m->at += e->value;
		return true;
	default:
		return false;
	}
}

typedef struct sp_reader {
	elm__vocabulary *v;
	const char *path;
	elm_error *error;
} sp_reader;

static elm_status damaged(const sp_reader *r, const char *where)
{
	return elm_error_set(r->error, ELM_ERR_FORMAT,
			     "%s: %s is damaged; is this a SentencePiece model?", r->path, where);
}

static elm_status read_piece(const sp_reader *r, uint32_t id, message m)
{
	message text = { NULL, NULL };
	int64_t kind = ELM_TOKEN_NORMAL;
	float score = 0;
	element e;

	while (m.at < m.end) {
		if (!next_element(&m, &e))
			return damaged(r, "a piece");
		if (e.number == 1 && e.wire == WIRE_BYTES)
			text = e.bytes;
		if (e.number == 2 && e.wire == WIRE_32)
			memcpy(&score, &e.value, sizeof(score));
		if (e.number == 3 && e.wire == WIRE_VARINT)
			kind = (int64_t)e.value;
	}
	if (!text.at || kind < ELM_TOKEN_NORMAL || kind > ELM_TOKEN_BYTE)
		return damaged(r, "a piece");
	if (kind == ELM_TOKEN_UNKNOWN && r->v->unknown == ELM_TOKEN_NONE)
		r->v->unknown = (elm_token)id;
	return elm__vocabulary_set(r->v, id, (const char *)text.at, (size_t)(text.end - text.at),
				   score, (elm_token_kind)kind, r->error);
}

static void take_id(const sp_reader *r, uint64_t value, elm_token *id)
{
	/* -1 means that there is none; it comes as ten bytes. */
	*id = value < r->v->count ? (elm_token)value : ELM_TOKEN_NONE;
}

static elm_status read_trainer(const sp_reader *r, message m)
{
	elm_token unknown, bos, eos, padding = ELM_TOKEN_NONE;
	uint64_t model = 1; /* unigram */
	element e;

	take_id(r, 0, &unknown);
	take_id(r, 1, &bos);
	take_id(r, 2, &eos);
	while (m.at < m.end) {
		if (!next_element(&m, &e))
			return damaged(r, "the trainer specification");
		if (e.wire != WIRE_VARINT)
			continue;
		if (e.number == 3)
			model = e.value;
		if (e.number == 40)
			take_id(r, e.value, &unknown);
		if (e.number == 41)
			take_id(r, e.value, &bos);
		if (e.number == 42)
			take_id(r, e.value, &eos);
		if (e.number == 43)
			take_id(r, e.value, &padding);
	}
	if (model != MODEL_BPE)
		return elm_error_set(r->error, ELM_ERR_UNSUPPORTED,
				     "%s: a SentencePiece model of kind %llu (1 is unigram) is not "
				     "supported; BPE (2) is",
				     r->path, (unsigned long long)model);
	r->v->unknown = unknown;
	r->v->bos = bos;
	r->v->eos = eos;
	r->v->padding = padding;
	return ELM_OK;
}

static elm_status read_normalizer(const sp_reader *r, message m)
{
	bool prefix = true, squeeze = true, map = false;
	element e;

	while (m.at < m.end) {
		if (!next_element(&m, &e))
			return damaged(r, "the normalizer specification");
		if (e.number == 2 && e.wire == WIRE_BYTES)
			map = e.bytes.at != e.bytes.end;
		if (e.number == 3 && e.wire == WIRE_VARINT)
			prefix = e.value != 0;
		if (e.number == 4 && e.wire == WIRE_VARINT)
			squeeze = e.value != 0;
	}
	if (map)
		elm_log(ELM_LOG_WARN,
			"%s: its normalisation of characters is left out: GGUF has no place for it",
			r->path);
	r->v->add_space_prefix = prefix ? ELM__YES : ELM__NO;
	if (squeeze)
		r->v->squeeze_spaces = ELM__YES;
	return ELM_OK;
}

static elm_status count_pieces(const sp_reader *r, message m, uint32_t *count)
{
	element e;

	*count = 0;
	while (m.at < m.end) {
		if (!next_element(&m, &e))
			return damaged(r, "the file");
		if (e.number == 1 && e.wire == WIRE_BYTES && ++*count > ELM__VOCABULARY_MAX)
			return elm_error_set(r->error, ELM_ERR_LIMIT, "%s: more than %d pieces",
					     r->path, ELM__VOCABULARY_MAX);
	}
	return *count ? ELM_OK : damaged(r, "the file, which has no pieces,");
}

elm_status elm__sentencepiece_read(elm__vocabulary *v, const char *path, const void *data,
				   size_t size, elm_error *error)
{
	sp_reader r = { v, path, error };
	message m = { data, (const uint8_t *)data + size };
	uint32_t count, id = 0;
	elm_status status = count_pieces(&r, m, &count);
	element e;

	if (status == ELM_OK)
		status = elm__vocabulary_resize(v, count, error);
	while (status == ELM_OK && m.at < m.end) {
		if (!next_element(&m, &e))
			return damaged(&r, "the file");
		if (e.wire != WIRE_BYTES)
			continue;
		if (e.number == 1)
			status = read_piece(&r, id++, e.bytes);
		else if (e.number == 2)
			status = read_trainer(&r, e.bytes);
		else if (e.number == 3)
			status = read_normalizer(&r, e.bytes);
	}
	return status;
}

/* ---- writing ---- */

static void put_varint(elm__buf *out, uint64_t value)
{
	for (; value > 127; value >>= 7)
		elm__buf_putc(out, (char)(value | 128));
	elm__buf_putc(out, (char)value);
}

static void put_number(elm__buf *out, uint32_t number, uint64_t value)
{
	put_varint(out, number << 3 | WIRE_VARINT);
	put_varint(out, value);
}

static void put_bytes(elm__buf *out, uint32_t number, const void *data, size_t size)
{
	put_varint(out, number << 3 | WIRE_BYTES);
	put_varint(out, size);
	elm__buf_append(out, data, size);
}

static void put_piece(elm__buf *out, const elm__vocabulary *v, uint32_t id, elm__buf *scratch)
{
	/* SentencePiece refuses a model without an unknown piece. */
	int32_t kind = (elm_token)id == v->unknown ? ELM_TOKEN_UNKNOWN : v->kinds[id];

	elm__buf_clear(scratch);
	put_bytes(scratch, 1, v->texts[id].data, v->texts[id].length);
	put_varint(scratch, 2 << 3 | WIRE_32);
	elm__buf_append(scratch, &v->scores[id], sizeof(v->scores[id]));
	put_number(scratch, 3, (uint64_t)kind);
	if (scratch->failed)
		out->failed = true;
	else
		put_bytes(out, 1, scratch->data, scratch->length);
}

void elm__sentencepiece_write(const elm__vocabulary *v, elm__buf *out)
{
	elm__buf part = ELM__BUF_INIT;

	for (uint32_t i = 0; i < v->count; i++)
		put_piece(out, v, i, &part);
	elm__buf_clear(&part);
	put_number(&part, 3, MODEL_BPE);
	put_number(&part, 40, (uint64_t)(int64_t)v->unknown);
	put_number(&part, 41, (uint64_t)(int64_t)v->bos);
	put_number(&part, 42, (uint64_t)(int64_t)v->eos);
	put_number(&part, 43, (uint64_t)(int64_t)v->padding);
	put_bytes(out, 2, elm__buf_text(&part), part.length);
	out->failed = out->failed || part.failed;
	elm__buf_clear(&part);
	put_bytes(&part, 1, "identity", 8);
	put_number(&part, 3, v->add_space_prefix != ELM__NO);
	put_number(&part, 4, v->squeeze_spaces == ELM__YES);
	put_bytes(out, 3, elm__buf_text(&part), part.length);
	out->failed = out->failed || part.failed;
	elm__buf_release(&part);
}
