/* page.h: the files of the web page, which the build puts into the program; see web/. */
#ifndef ELM_SERVER_PAGE_H
#define ELM_SERVER_PAGE_H

#include <stddef.h>

typedef struct elm__page_file {
	const char *path; /* as clients ask for it; NULL ends the table */
	const char *type;
	const char *tag; /* entity tag, a hash of the content, with its quotes */
	const unsigned char *plain, *gzip;
	size_t plain_length, gzip_length; /* gzip_length 0: packing makes it no smaller */
} elm__page_file;

extern const elm__page_file elm__page_files[]; /* generated */

#endif
