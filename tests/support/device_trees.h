/*
 * device_trees.h: the files of devices that telemetry reads, as their kernels have them. What
 * stands in them is made up, so that every value is another one.
 */
#ifndef ELM_TESTS_DEVICE_TREES_H
#define ELM_TESTS_DEVICE_TREES_H

#include <stddef.h>

typedef struct tree_file {
	const char *path, *text; /* a text that begins with "-> " is a symbolic link's target */
} tree_file;

typedef struct device_tree {
	const char *name;
	const tree_file *files; /* ends without a path */
	const tree_file *more;	/* likewise */
} device_tree;

/* jetson-nano, orin-nano, agx-orin, raspberry-pi-4, raspberry-pi-5, laptop. */
extern const device_tree device_trees[];
extern const size_t device_tree_count;

/* NULL when there is none of that name. */
const device_tree *device_tree_find(const char *name);

/* Writes one below a folder that is there. Returns 0, or -1 with errno. */
int device_tree_write(const device_tree *tree, const char *root);

#endif
