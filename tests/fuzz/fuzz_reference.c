/* The numbers of another study: whatever is read must be numbers from 0 on, or not there. */
#include <math.h>
#include <stdlib.h>

#include "study/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm__reference reference;
	elm_error error = { 0 };

	if (elm__reference_parse("x", (const char *)data, size, &reference, &error) != ELM_OK) {
		if (!error.text[0])
			abort();
	} else {
		for (size_t i = 0; i < reference.count; i++)
			for (int m = 0; m < ELM__MEASURE_COUNT; m++)
				if (reference.queries[i].values[m] < 0 ||
				    isinf(reference.queries[i].values[m]))
					abort();
	}
	elm__reference_release(&reference);
	return 0;
}
