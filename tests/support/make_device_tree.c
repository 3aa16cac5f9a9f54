/* make_device_tree.c: writes the files of a device that the tests know below a folder. */
#include <stdio.h>
#include <string.h>

#include "device_trees.h"

int main(int argc, char **argv)
{
	const device_tree *tree = argc == 3 ? device_tree_find(argv[1]) : NULL;

	if (!tree) {
		fprintf(stderr, "usage: %s NAME FOLDER; names:", argv[0]);
		for (size_t i = 0; i < device_tree_count; i++)
			fprintf(stderr, " %s", device_trees[i].name);
		fputs("\n", stderr);
		return 2;
	}
	if (device_tree_write(tree, argv[2])) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
