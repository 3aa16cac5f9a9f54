/*
 * edgelm/tokenizer.h: text to tokens and back, by the vocabulary inside a GGUF file.
 *
 * A tokenizer is read-only after it is created: any number of threads may use it. It copies what it
 * needs, so the file may be closed.
 */
#ifndef EDGELM_TOKENIZER_H
#define EDGELM_TOKENIZER_H

#include <edgelm/gguf.h>

typedef int32_t elm_token;
#define ELM_TOKEN_NONE ((elm_token)-1)

typedef struct elm_tokenizer elm_tokenizer;

typedef enum elm_token_kind {
	ELM_TOKEN_NORMAL = 1,
	ELM_TOKEN_UNKNOWN = 2,
	ELM_TOKEN_CONTROL = 3,	    /* never shown to a user */
	ELM_TOKEN_USER_DEFINED = 4, /* matched whole before the model sees the text */
	ELM_TOKEN_UNUSED = 5,
	ELM_TOKEN_BYTE = 6
} elm_token_kind;

enum {
	ELM_TOKENIZE_BOS = 1,	 /* add BOS (and EOS) where the model's own rule says so, unless the
				    text brings its own */
	ELM_TOKENIZE_SPECIAL = 2 /* text such as "<|im_end|>" becomes the control token; without
				    this flag only user-defined tokens are matched */
};

ELM_BEGIN_DECLS

/* Reads the vocabulary. Unknown vocabularies and pre-tokenizers are ELM_ERR_UNSUPPORTED, by name.
 */
ELM_API ELM_NODISCARD elm_status elm_tokenizer_create(const elm_gguf *gguf, elm_tokenizer **out,
						      elm_error *error);
ELM_API void elm_tokenizer_free(elm_tokenizer *tokenizer); /* NULL allowed */

ELM_API size_t elm_tokenizer_size(const elm_tokenizer *tokenizer); /* tokens in the vocabulary */

/* The special tokens of the model; ELM_TOKEN_NONE where it has none. */
ELM_API elm_token elm_tokenizer_bos(const elm_tokenizer *tokenizer);
ELM_API elm_token elm_tokenizer_eos(const elm_tokenizer *tokenizer);
ELM_API bool elm_tokenizer_adds_bos(const elm_tokenizer *tokenizer);
/* True for every token that ends a generation: EOS, EOT, EOM and the like ("end of generation"). */
ELM_API bool elm_tokenizer_is_eog(const elm_tokenizer *tokenizer, elm_token token);
ELM_API elm_token_kind elm_tokenizer_kind(const elm_tokenizer *tokenizer, elm_token token);

/* The chat template in the file (Jinja source), NULL when it has none. Owned by the tokenizer. */
ELM_API const char *elm_tokenizer_chat_template(const elm_tokenizer *tokenizer);

/*
 * Tokenises text[0..length), any bytes. *out is an array of *count tokens that the caller releases
 * with elm_free; NULL on failure and possibly when *count is 0. Text of more than 2^31-1 bytes is
 * ELM_ERR_LIMIT. `flags` is a set of ELM_TOKENIZE_*.
 */
ELM_API ELM_NODISCARD elm_status elm_tokenize(const elm_tokenizer *tokenizer, const char *text,
					      size_t length, unsigned flags, elm_token **out,
					      size_t *count, elm_error *error);

/*
 * The bytes of one token as they appear in text; control tokens only with `special`. Not
 * necessarily valid UTF-8. The result points into the tokenizer and lives as long; a token out of
 * range gives an empty string. For SPM vocabularies the leading space of the first token of a text
 * is part of the piece; elm_detokenize and the stream below remove it where the model added it.
 */
ELM_API elm_gguf_string elm_token_piece(const elm_tokenizer *tokenizer, elm_token token,
					bool special);

/* The text of a whole sequence, as a NUL-terminated string that the caller releases with elm_free;
 * *length may be NULL. Bytes are returned as they are, valid UTF-8 or not. */
ELM_API ELM_NODISCARD elm_status elm_detokenize(const elm_tokenizer *tokenizer,
						const elm_token *tokens, size_t count, bool special,
						char **out, size_t *length, elm_error *error);

/*
 * Streaming detokenisation. Each push returns only whole characters: an unfinished one is held back
 * (at most 3 bytes) until it is complete; bytes that can never become a character are returned as
 * U+FFFD. `finish` returns U+FFFD for what is still held back. Zero-initialise the struct; it owns
 * nothing.
 */
typedef struct elm_token_stream {
	char held[4];
	uint8_t held_length;
	bool started;	   /* private, as are the above */
	bool fresh;	   /* private: tokenising has put a space before the next piece */
	bool keep_special; /* set by the caller: show control tokens */
	bool continues; /* set by the caller: what comes continues a text (after a prompt), so that
			   no leading space is removed */
} elm_token_stream;

/* `out` receives at most elm_token_stream_room(tokenizer) bytes, not NUL-terminated; returns how
 * many. */
ELM_API size_t elm_token_stream_room(const elm_tokenizer *tokenizer);
ELM_API size_t elm_token_stream_push(elm_token_stream *stream, const elm_tokenizer *tokenizer,
				     elm_token token, char *out);
ELM_API size_t elm_token_stream_finish(elm_token_stream *stream, char *out);

ELM_END_DECLS

#endif
