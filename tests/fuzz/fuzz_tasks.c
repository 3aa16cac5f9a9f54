/* A file of tasks, and the answer that its first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/tasks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void check(const elm__task *task, const char *answer, size_t length)
{
	elm_error error = { 0 };
	bool right = false;

	require(!task->prompt != !task->messages, "a task is a prompt or a conversation");
	require(task->category != NULL && task->line > 0, "it has a category and a line");
	require(task->expected || task->domain != ELM__DOMAIN_UNSAID, "something is wanted of it");
	if (!task->expected)
		return;
	if (elm__task_check(task, answer, length, &right, &error))
		require(error.text[0], "a failure says why");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const answers[] = { "",
					       "yes",
					       "-1,234.5e3 7",
					       "<tool_call>{\"a\": [1]}</tool_call>",
					       "\xff\xfe",
					       "```json\n{}```",
					       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" };
	elm__tasks tasks;
	elm_error error = { 0 };

	if (!size)
		return 0;
	if (elm__tasks_parse(&tasks, "tasks", (const char *)data + 1, size - 1, &error)) {
		require(error.text[0] && !tasks.items, "a failure says why");
		return 0;
	}
	for (size_t i = 0; i < tasks.count; i++) {
		const char *answer = answers[data[0] % (sizeof(answers) / sizeof(answers[0]))];

		check(&tasks.items[i], answer, strlen(answer));
	}
	elm__tasks_release(&tasks);
	return 0;
}
