/* Seeds of fuzz_tasks: every member and every rule. */
#include <stdio.h>
#include <string.h>

#include "seeds.h"

static const char *const files[] = {
	"1{\"prompt\": \"a\", \"expected\": \"yes\", \"category\": \"x\", \"domain\": \"in\"}\n\n"
	"{\"prompt\": \"b\", \"domain\": \"out\"}\n",
	"2{\"prompt\": \"\", \"expected_any\": [1, -1234.5], \"match\": \"number\", "
	"\"tolerance\": 0.5}",
	"3{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"tools\": [], "
	"\"expected\": {\"a\": [1, null]}, \"match\": \"json\"}",
	"4{\"prompt\": \"a\", \"expected\": \"^(a*)*b$\", \"match\": \"regex\"}",
	"6{\"prompt\": \"a\", \"expected\": \"ab\", \"match\": \"contains\"}",
	"0{\"prompt\": \"a\", \"expected\": \"\", \"match\": \"exact\"}",
};

void seeds_tasks(void)
{
	char name[32];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "file-%zu", i);
		seed_write("tasks", name, files[i], strlen(files[i]));
	}
}
