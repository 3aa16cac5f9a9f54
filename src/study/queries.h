/*
 * queries.h: the queries of a study: five categories, each a file of one query per line.
 *
 * The program brings its own (data/study), so that a study runs with nothing downloaded; others
 * come from `edgelm study import` or from anybody.
 */
#ifndef ELM_STUDY_QUERIES_H
#define ELM_STUDY_QUERIES_H

#include <edgelm/status.h>

#include "base/arena.h"

/* In the order of their names, which is that of figures and tables. */
typedef enum elm__category {
	ELM__CATEGORY_COMPLEX,
	ELM__CATEGORY_CONTEXTUAL,
	ELM__CATEGORY_CONVERSATIONAL,
	ELM__CATEGORY_SIMPLE,
	ELM__CATEGORY_TASK_ORIENTED,
	ELM__CATEGORY_COUNT
} elm__category;

enum {
	ELM__QUERY_LIMIT = 65536,  /* bytes of one query */
	ELM__QUERIES_LIMIT = 20000 /* queries of one file */
};

/* "task-oriented" and so on; the file of a category is named like it, with ".txt". */
const char *elm__category_name(elm__category category);
extern const char *const elm__category_names[ELM__CATEGORY_COUNT];
/* The category of a name; ELM__CATEGORY_COUNT: there is none. */
elm__category elm__category_of(const char *name);

/* The queries of one category, owned by the arena. */
typedef struct elm__queries {
	const char **texts;
	size_t count;
	elm__arena arena;
} elm__queries;

/*
 * Reads FOLDER/CATEGORY.txt, or with a folder of NULL the program's own. Lines of one character and
 * less are no queries. Refused, with line and reason: what is not UTF-8, control characters other
 * than tabs, and what goes over the limits; also a file without a query. *out need not be
 * initialised; release it also after a failure.
 */
ELM_NODISCARD elm_status elm__queries_read(const char *folder, elm__category category,
					   elm__queries *out, elm_error *error);
/* The same from text that is there already; `name` begins the error. */
ELM_NODISCARD elm_status elm__queries_parse(const char *name, const char *text, size_t length,
					    elm__queries *out, elm_error *error);
void elm__queries_release(elm__queries *queries);

#endif
