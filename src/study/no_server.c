/* no_server.c: in the place of subject_server.c where libcurl is not there. */
#include "study/subject.h"

elm_status elm__subject_server(const elm__server_options *options, const volatile int *cancel,
			       elm__subject **out, elm_error *error)
{
	*out = NULL;
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "%s: this program was built without libcurl, which asks servers; "
			     "install its development package and build again",
			     options->url);
}
