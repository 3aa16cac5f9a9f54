/*
 * device_input.h: what fuzz_telemetry is given: files one after the other, each the two bytes of
 * its number among those of all trees in tests/support/device_trees.c, its text, and DEVICE_END.
 */
#ifndef ELM_TESTS_DEVICE_INPUT_H
#define ELM_TESTS_DEVICE_INPUT_H

enum { DEVICE_FOLDER = 1, DEVICE_LINK = 2, DEVICE_END = 0xff };

#endif
