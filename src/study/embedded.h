/* embedded.h: files that the build puts into the program, by scripts/embed.py. */
#ifndef ELM_STUDY_EMBEDDED_H
#define ELM_STUDY_EMBEDDED_H

#include <stddef.h>

typedef struct elm__embedded {
	const char *name; /* without folder; NULL ends the table */
	const char *data; /* a NUL follows it */
	size_t size;	  /* without the NUL; 0: the build did not have the file */
} elm__embedded;

extern const elm__embedded elm__query_files[];	/* data/study: complex.txt, ... */
extern const elm__embedded elm__report_files[]; /* head.html and tail.html of reports */

#endif
