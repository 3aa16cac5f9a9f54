/*
 * vocabulary.h: the tokens of a model on their way from the files of a tokenizer to GGUF and back.
 *
 * Sources: tokenizer.model (SentencePiece), tokenizer.json (byte-level BPE, or SentencePiece in
 * other clothes), tokenizer.bin (llama2.c), with tokenizer_config.json, added_tokens.json and the
 * files of the chat template beside them.
 */
#ifndef ELM_CONVERT_VOCABULARY_H
#define ELM_CONVERT_VOCABULARY_H

#include <edgelm/tokenizer.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/json.h"

enum { ELM__VOCABULARY_MAX = 1 << 24, ELM__PIECE_MAX = 65535 };

typedef enum elm__answer { ELM__NOT_SAID = -1, ELM__NO = 0, ELM__YES = 1 } elm__answer;

typedef struct elm__vocabulary {
	elm__arena arena; /* texts */
	bool bpe;
	uint32_t count;
	elm_gguf_string *texts;
	float *scores;	/* SentencePiece */
	int32_t *kinds; /* elm_token_kind */
	elm_gguf_string *merges;
	uint32_t merge_count;
	const char *pre; /* tokenizer.ggml.pre */
	elm_token bos, eos, unknown, padding;
	elm__answer add_bos, add_eos, add_space_prefix, squeeze_spaces;
	const char *chat_template; /* NULL: none */
} elm__vocabulary;

void elm__vocabulary_init(elm__vocabulary *v);
void elm__vocabulary_release(elm__vocabulary *v);

/* Makes it `count` tokens: new ones are "[PADn]" and unused, those beyond are dropped. */
ELM_NODISCARD elm_status elm__vocabulary_resize(elm__vocabulary *v, uint32_t count,
						elm_error *error);
/* Copies the text; id < count. */
ELM_NODISCARD elm_status elm__vocabulary_set(elm__vocabulary *v, uint32_t id, const char *text,
					     size_t length, float score, elm_token_kind kind,
					     elm_error *error);
/* The first token of exactly this text, or ELM_TOKEN_NONE. Takes time in proportion. */
elm_token elm__vocabulary_find(const elm__vocabulary *v, const char *text);

/* True for "[PADn]" that nothing uses. */
bool elm__vocabulary_is_padding(const elm__vocabulary *v, uint32_t id);

/*
 * Reads the tokenizer of a folder. `rows` is what the embedding has: the vocabulary becomes as
 * long. `pre` (may be NULL) overrides the pre-tokenizer that the files speak of.
 */
ELM_NODISCARD elm_status elm__vocabulary_read_folder(elm__vocabulary *v, const char *folder,
						     const json_t *config, uint32_t rows,
						     const char *pre, elm_error *error);

/* Sets the tokenizer.* metadata. */
ELM_NODISCARD elm_status elm__vocabulary_to_gguf(const elm__vocabulary *v, elm_gguf_writer *writer,
						 elm_error *error);
/* ELM_ERR_NOT_FOUND where the file has no vocabulary. Texts are copied. */
ELM_NODISCARD elm_status elm__vocabulary_from_gguf(elm__vocabulary *v, const elm_gguf *gguf,
						   elm_error *error);
/* Writes tokenizer.model or tokenizer.json, and tokenizer_config.json. */
ELM_NODISCARD elm_status elm__vocabulary_write_folder(const elm__vocabulary *v, const char *folder,
						      elm_error *error);

/* ---- the readers of single files; `path` is for errors ---- */

/* A SentencePiece model: sets tokens, special tokens and rules for spaces. */
ELM_NODISCARD elm_status elm__sentencepiece_read(elm__vocabulary *v, const char *path,
						 const void *data, size_t size, elm_error *error);
/* The same, written; appended to `out`. */
void elm__sentencepiece_write(const elm__vocabulary *v, elm__buf *out);

/* True where the file is byte-level BPE, so that it is to be preferred over tokenizer.model. */
bool elm__tokenizer_json_is_bpe(const json_t *root);
/* tokenizer.json; ids of `rows` and more are left out with a warning. */
ELM_NODISCARD elm_status elm__tokenizer_json_read(elm__vocabulary *v, const char *path,
						  const json_t *root, uint32_t rows,
						  const char *pre, elm_error *error);
ELM_NODISCARD elm_status elm__tokenizer_json_write(const elm__vocabulary *v, const char *path,
						   elm_error *error);

/* added_tokens_decoder, special tokens and the template of tokenizer_config.json. */
ELM_NODISCARD elm_status elm__tokenizer_config_read(elm__vocabulary *v, const char *path,
						    const json_t *root, elm_error *error);
ELM_NODISCARD elm_status elm__tokenizer_config_write(const elm__vocabulary *v, const char *path,
						     elm_error *error);

/* A token that was added to a trained vocabulary. */
ELM_NODISCARD elm_status elm__vocabulary_add(elm__vocabulary *v, uint32_t id, const char *text,
					     size_t length, bool special, elm_error *error);

/* tokenizer.bin of llama2.c, which holds exactly `rows` tokens. */
ELM_NODISCARD elm_status elm__tokenizer_bin_read(elm__vocabulary *v, const char *path,
						 const void *data, size_t size, uint32_t rows,
						 elm_error *error);

/*
 * *name is the pre-tokenizer that a tokenizer.json describes; NULL when it is none that we know.
 * `whole_words`: words that are tokens are not merged (ignore_merges).
 */
ELM_NODISCARD elm_status elm__pretokenizer_name(const json_t *description, bool whole_words,
						const char **name, elm_error *error);
/* The description of a name; NULL when the name is unknown or memory runs out. */
json_t *elm__pretokenizer_describe(const char *name);

#endif
