/*
 * corpus.h: what a model is trained on: documents of tokens, each marked whether predicting it is
 * trained, and the order in which pieces of them come by.
 */
#ifndef ELM_TRAIN_CORPUS_H
#define ELM_TRAIN_CORPUS_H

#include <edgelm/tokenizer.h>

typedef struct elm__corpus {
	elm_token *tokens;
	uint8_t *trained; /* 1 where predicting the token is trained */
	size_t count, capacity;
	size_t *starts; /* of documents; documents + 1 of them */
	size_t documents, starts_capacity;
} elm__corpus;

void elm__corpus_init(elm__corpus *corpus);
void elm__corpus_release(elm__corpus *corpus);

/*
 * Adds the documents of a file ("-" is standard input). One that is named *.jsonl holds a record
 * per line: {"prompt": ..., "answer": ...} trains the answer and its end, {"text": ...} all, and
 * {"segments": [{"text": ..., "train": true}, ...]} what it says. Any other is one document of
 * plain text. Special tokens that the text spells out are taken as such; a document begins with BOS
 * where the model's rule says so, and ends with EOS, which is trained if what stands before it is.
 * ELM_ERR_FORMAT gives path and line.
 */
ELM_NODISCARD elm_status elm__corpus_add_file(elm__corpus *corpus, const elm_tokenizer *tokenizer,
					      const char *path, elm_error *error);

/* The same from memory; `name` begins errors. */
ELM_NODISCARD elm_status elm__corpus_add_text(elm__corpus *corpus, const elm_tokenizer *tokenizer,
					      const char *text, size_t length, elm_error *error);
ELM_NODISCARD elm_status elm__corpus_add_records(elm__corpus *corpus,
						 const elm_tokenizer *tokenizer, const char *name,
						 const char *lines, size_t length,
						 elm_error *error);

/* Of tokens, marks and documents: the same for the same training text. */
uint64_t elm__corpus_hash(const elm__corpus *corpus);

/* Tokens [start, start + tokens) of the corpus: the first tokens - 1 of them predict the others. */
typedef struct elm__window {
	size_t start;
	uint32_t tokens;  /* at least 2 */
	uint32_t targets; /* trained ones among all but the first, at least 1 */
} elm__window;

/*
 * Windows of at most context + 1 tokens, in an order that is shuffled anew for each epoch.
 * Documents that are longer are cut, in each epoch at other places.
 */
typedef struct elm__feed {
	const elm__corpus *corpus;
	uint32_t context;
	uint64_t seed;
	bool shuffled;	/* false: in the order of the corpus */
	bool same_cuts; /* long documents are cut at the same places in each epoch */
	uint64_t epoch;
	size_t next, count; /* of this epoch's windows */
	elm__window *windows;
} elm__feed;

/* ELM_ERR_ARGUMENT when the corpus has nothing to train on. On failure nothing is to be released.
 */
ELM_NODISCARD elm_status elm__feed_init(elm__feed *feed, const elm__corpus *corpus,
					uint32_t context, uint64_t seed, elm_error *error);
/* Each document once, in the order of the corpus. */
ELM_NODISCARD elm_status elm__feed_init_plain(elm__feed *feed, const elm__corpus *corpus,
					      uint32_t context, elm_error *error);
void elm__feed_release(elm__feed *feed);

/* The next window; a new epoch begins where one has ended. */
elm__window elm__feed_next(elm__feed *feed);
/* From the next epoch that begins on, and at once where none has yielded a window. */
void elm__feed_keep_cuts(elm__feed *feed);
/* Goes to where the next window is number `next` of `epoch`; false when there is none. */
bool elm__feed_seek(elm__feed *feed, uint64_t epoch, size_t next);

#endif
