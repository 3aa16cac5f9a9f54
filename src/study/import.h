/*
 * import.h: queries of public data sets, chosen as the study that this one redoes chose them
 * (docs/STUDY.md has the rules). Its random numbers had no seed; ours have one.
 */
#ifndef ELM_STUDY_IMPORT_H
#define ELM_STUDY_IMPORT_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "study/queries.h"

typedef enum elm__import_source {
	ELM__IMPORT_WIKIQA,
	ELM__IMPORT_SQUAD,
	ELM__IMPORT_QUAC,
	ELM__IMPORT_FRIENDS,
	ELM__IMPORT_MULTIWOZ,
	ELM__IMPORT_COUNT
} elm__import_source;

/* "wikiqa" and so on; the category that its queries are of. */
const char *elm__import_name(elm__import_source source);
elm__category elm__import_category(elm__import_source source);

/* One query that may be chosen. */
typedef struct elm__candidate {
	const char *key;  /* candidates with the same one are the same */
	const char *text; /* of the query; of its question where its passage has a context */
	size_t passage;	  /* which; 0 where the source has none */
	size_t order;	  /* in which it was read */
} elm__candidate;

/* Questions about one text. */
typedef struct elm__passage {
	const char *context; /* NULL: no part of queries */
	size_t first, count; /* candidates, which are neighbours */
	size_t topic;
	bool refused; /* drawn like others, but gives no query */
} elm__passage;

typedef struct elm__topic {
	size_t first, count; /* passages */
} elm__topic;

/* What the files of one source have to offer. */
typedef struct elm__pool {
	elm__import_source source;
	elm__candidate *candidates;
	elm__passage *passages; /* none: all candidates are equally likely */
	elm__topic *topics;
	size_t candidate_count, passage_count, topic_count;
	size_t candidate_room, passage_room, topic_room;
	elm__arena arena; /* of the texts */
} elm__pool;

void elm__pool_init(elm__pool *pool, elm__import_source source);
void elm__pool_release(elm__pool *pool);

/*
 * Adds what a file holds, in the original format of the source. What is malformed is refused with
 * line and reason; the pool is then good for nothing but to be released. Memory is bounded by the
 * length of the text.
 */
ELM_NODISCARD elm_status elm__pool_read(elm__pool *pool, const char *name, const char *text,
					size_t length, elm_error *error);

/* Leaves the first of candidates with the same key. Once, after all is read. Returns how many are
 * left. */
size_t elm__pool_unique(elm__pool *pool);

/*
 * Chooses `count` of them, 0 for all in the order of the files, as lines of a query file.
 * ELM_ERR_LIMIT where there are too few. Appends to `out`.
 */
ELM_NODISCARD elm_status elm__pool_draw(const elm__pool *pool, size_t count, uint64_t seed,
					elm__buf *out, elm_error *error);

/* --- shared by the readers --- */

/* Copies a text into the pool; NULL is an out-of-memory error. */
char *elm__pool_copy(elm__pool *pool, const elm__buf *text);
/* A text of less than two characters is left out. */
ELM_NODISCARD elm_status elm__pool_add(elm__pool *pool, const char *key, const char *text,
				       elm_error *error);
ELM_NODISCARD elm_status elm__pool_add_topic(elm__pool *pool, elm_error *error);
ELM_NODISCARD elm_status elm__pool_add_passage(elm__pool *pool, elm_error *error);

elm_status elm__import_wikiqa(elm__pool *pool, const char *name, const char *text, size_t length,
			      elm_error *error);
elm_status elm__import_friends(elm__pool *pool, const char *name, const char *text, size_t length,
			       elm_error *error);
elm_status elm__import_squad(elm__pool *pool, const char *name, const char *text, size_t length,
			     elm_error *error);
elm_status elm__import_quac(elm__pool *pool, const char *name, const char *text, size_t length,
			    elm_error *error);
elm_status elm__import_multiwoz(elm__pool *pool, const char *name, const char *text, size_t length,
				elm_error *error);

/* --- what the rules do to texts, in place --- */

/* Characters of UTF-8. */
size_t elm__text_characters(const char *text, size_t length);
/* Lower case, as Python's str.lower() has it. */
void elm__text_lower(elm__buf *text);
/* All occurrences of `part` go. */
void elm__text_remove(elm__buf *text, const char *part);
/* Every character but 0-9 a-z A-Z space , . ? ! - goes. */
void elm__text_clean(elm__buf *text);
/* What the system says in a dialogue goes: <SYSTEM>((.|\n)(?!<USER>))+[ ?.] */
void elm__text_remove_system(elm__buf *text);
/* Runs of eight and more digits and capital letters go: [0-9A-Z]{8,} */
void elm__text_remove_references(elm__buf *text);
/* Control characters become spaces, so that the text is one line. */
void elm__text_one_line(elm__buf *text);

#endif
