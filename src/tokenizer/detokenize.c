#include <edgelm/tokenizer.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tokenizer/vocab.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
enum { REPLACEMENT_LENGTH = 3, LONGEST_HELD = 3 };

static bool is_hidden(elm_token_kind kind)
{
	return kind == ELM_TOKEN_CONTROL || kind == ELM_TOKEN_UNKNOWN;
}

elm_gguf_string elm_token_piece(const elm_tokenizer *t, elm_token token, bool special)
{
	elm_gguf_string piece = { "", 0 };

	if (token < 0 || (uint32_t)token >= t->count ||
	    (is_hidden(t->tokens[token].kind) && !special))
		return piece;
	piece.data = elm__piece(t, token);
	piece.length = t->tokens[token].length;
	return piece;
}

/*
 * The piece as it continues a text. *fresh: the next piece begins a text or follows a special token
 * that is shown, where tokenising has put a space in front; it is taken off here.
 */
static elm_gguf_string next_piece(const elm_tokenizer *t, elm_token token, bool special,
				  bool *fresh)
{
	elm_gguf_string piece = elm_token_piece(t, token, special);
	elm_token_kind kind;

	if (!piece.length)
		return piece;
	kind = t->tokens[token].kind;
	if (*fresh && t->add_space && kind == ELM_TOKEN_NORMAL && piece.data[0] == ' ') {
		piece.data++;
		piece.length--;
	}
	*fresh = is_hidden(kind) || kind == ELM_TOKEN_USER_DEFINED;
	return piece;
}

elm_status elm_detokenize(const elm_tokenizer *t, const elm_token *tokens, size_t count,
			  bool special, char **out, size_t *length, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	bool fresh = true;
	elm_status status;
	size_t i;

	*out = NULL;
	(void)elm__buf_reserve(&text, count);
	for (i = 0; i < count; i++) {
		elm_gguf_string piece = next_piece(t, tokens[i], special, &fresh);

		elm__buf_append(&text, piece.data, piece.length);
	}
	status = elm__buf_status(&text, error);
	if (status) {
		elm__buf_release(&text);
		return status;
	}
	*out = elm__buf_detach(&text, length);
	return ELM_OK;
}

size_t elm_token_stream_room(const elm_tokenizer *t)
{
	return (t->longest + LONGEST_HELD) * (size_t)REPLACEMENT_LENGTH;
}

/* The bytes at text[0..length), length > 0 and no character, that one U+FFFD stands for: the
 * longest beginning of a character, or one byte. */
static size_t bad_length(const char *text, size_t length)
{
	size_t n = length < LONGEST_HELD ? length : LONGEST_HELD;

	while (n > 1 && elm__utf8_prefix(text, n))
		n--;
	return n;
}

/* Copies text[0..length) to out, which may need three bytes for one, with U+FFFD for what is no
 * character. */
static size_t copy_valid(const char *text, size_t length, char *out)
{
	uint32_t code_point;
	size_t at = 0, count = 0, n;

	while (at < length) {
		n = elm__utf8_decode(text + at, length - at, &code_point);
		if (n) {
			memcpy(out + count, text + at, n);
			count += n;
			at += n;
		} else {
			memcpy(out + count, REPLACEMENT, REPLACEMENT_LENGTH);
			count += REPLACEMENT_LENGTH;
			at += bad_length(text + at, length - at);
		}
	}
	return count;
}

size_t elm_token_stream_push(elm_token_stream *stream, const elm_tokenizer *t, elm_token token,
			     char *out)
{
	elm_gguf_string piece;
	size_t take, written = 0, whole;

	if (!stream->started) {
		stream->started = true;
		stream->fresh = !stream->continues;
	}
	piece = next_piece(t, token, stream->keep_special, &stream->fresh);

	/* Complete the character that is held back, byte by byte, as far as that needs. */
	while (stream->held_length && piece.length) {
		stream->held[stream->held_length++] = *piece.data++;
		piece.length--;
		whole = elm__utf8_prefix(stream->held, stream->held_length);
		if (!whole)
			continue;
		written += copy_valid(stream->held, whole, out + written);
		stream->held_length = (uint8_t)(stream->held_length - whole);
		memmove(stream->held, stream->held + whole, stream->held_length);
	}
	if (!piece.length)
		return written;
	take = elm__utf8_prefix(piece.data, piece.length);
	written += copy_valid(piece.data, take, out + written);
	stream->held_length = (uint8_t)(piece.length - take);
	memcpy(stream->held, piece.data + take, stream->held_length);
	return written;
}

size_t elm_token_stream_finish(elm_token_stream *stream, char *out)
{
	size_t written = copy_valid(stream->held, stream->held_length, out);

	stream->held_length = 0;
	stream->started = false;
	return written;
}
