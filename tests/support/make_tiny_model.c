/* make_tiny_model.c: writes a tiny model for the black-box tests.
 *
 * usage: make_tiny_model FILE [CONTEXT [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "tiny_model.h"

int main(int argc, char **argv)
{
	tiny_model tiny = { .seed = 3 };

	if (argc < 2 || argc > 4) {
		fputs("usage: make_tiny_model FILE [CONTEXT [SEED]]\n", stderr);
		return 2;
	}
	if (argc >= 3)
		tiny.context = (uint32_t)strtoul(argv[2], NULL, 10);
	if (argc == 4)
		tiny.seed = strtoul(argv[3], NULL, 10);
	tiny_model_write(&tiny, argv[1]);
	return 0;
}
