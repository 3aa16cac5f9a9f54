/*
 * tasks.h: requests with the answers that are expected, one JSON object a line.
 *
 *     {"prompt": "2 + 3 =", "expected": "5", "match": "number", "category": "sums"}
 *     {"messages": [{"role": "user", "content": "hi"}], "expected": "Hello", "domain": "in"}
 *
 * docs/EVALUATION.md says what each member means. Members that it does not name are ignored.
 */
#ifndef ELM_EVAL_TASKS_H
#define ELM_EVAL_TASKS_H

#include <edgelm/status.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum elm__task_match {
	ELM__MATCH_EXACT,    /* the same text, without white space around it */
	ELM__MATCH_CONTAINS, /* the answer contains the text */
	ELM__MATCH_REGEX,    /* the expression matches somewhere in the answer */
	ELM__MATCH_JSON,     /* the same value, inside <tool_call> or a code fence or bare */
	ELM__MATCH_NUMBER,   /* the last number of the answer, within `tolerance` */
} elm__task_match;

typedef enum elm__task_domain {
	ELM__DOMAIN_UNSAID,
	ELM__DOMAIN_IN,	 /* what the model is made for */
	ELM__DOMAIN_OUT, /* what it should not be confident about */
} elm__task_domain;

typedef struct elm__task {
	json_t *root;			/* owns all that follows */
	const char *prompt;		/* NULL for a conversation */
	const json_t *messages, *tools; /* NULL for a prompt; tools may be NULL */
	const json_t *expected; /* an array of what counts as right; NULL: only confidence counts */
	elm__task_match match;
	double tolerance;
	const char *category;
	elm__task_domain domain;
	size_t line; /* in the file, from 1 */
} elm__task;

typedef struct elm__tasks {
	elm__task *items;
	size_t count, capacity;
} elm__tasks;

/*
 * Reads a file of tasks (text[0..length), called `name` in errors, which give the line). Empty
 * lines are skipped; a file without tasks is ELM_ERR_FORMAT. On failure the struct needs no
 * release.
 */
ELM_NODISCARD elm_status elm__tasks_parse(elm__tasks *tasks, const char *name, const char *text,
					  size_t length, elm_error *error);
void elm__tasks_release(elm__tasks *tasks);

/* Whether the answer is what the task expects; the task has an `expected`. A regular expression
 * that takes too many steps does not match. */
ELM_NODISCARD elm_status elm__task_check(const elm__task *task, const char *answer, size_t length,
					 bool *right, elm_error *error);

#endif
