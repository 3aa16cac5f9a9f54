/* calibrate.h: collects what a text makes the products of a model read. */
#ifndef ELM_COMPRESS_CALIBRATE_H
#define ELM_COMPRESS_CALIBRATE_H

#include "compress/calib.h"

/* Called with windows x layers; returning true ends the work with ELM_ERR_CANCELLED. */
typedef bool elm__compress_progress(void *user, uint64_t done, uint64_t total);

typedef struct elm__calibrate_options {
	elm__walk_options walk; /* `beside` is set to `output` */
	const char *output;	/* the file; NULL for elm__calib_collect that keeps nothing */
	const char *text_name;	/* that the file mentions; may be NULL */
	bool products;
	bool resume;			  /* go on from an unfinished file where there is one */
	elm__compress_progress *progress; /* or NULL */
	void *user;
} elm__calibrate_options;

typedef struct elm__calibrate_report {
	uint64_t tokens; /* seen by every layer */
	uint32_t windows, window;
	bool resumed;
} elm__calibrate_report;

/*
 * Writes the file when all layers have seen all of the text; an unfinished one every ten minutes
 * and when cancelled.
 */
ELM_NODISCARD elm_status elm__calibrate(elm_model *model, const elm_token *tokens, size_t count,
					const elm__calibrate_options *options,
					elm__calibrate_report *report, elm_error *error);

/* Adds what the rest of the text makes every layer read. Of the options only `output`, `progress`
 * and `user` count. */
ELM_NODISCARD elm_status elm__calib_collect(elm__calib *calib, elm__walk *walk,
					    const elm__calibrate_options *options,
					    elm_error *error);

#endif
