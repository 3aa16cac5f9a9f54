/* negotiate.h: headers by which a client says what it takes, and what it has already (RFC 9110). */
#ifndef ELM_HTTP_NEGOTIATE_H
#define ELM_HTTP_NEGOTIATE_H

#include <stdbool.h>

/* Whether an Accept-Encoding header (NULL: none was sent) takes the coding, "gzip" say. */
bool elm__http_accepts_coding(const char *header, const char *coding);

/* Whether an If-None-Match header (NULL: none was sent) names the entity tag, which has its quotes.
 */
bool elm__http_has_tag(const char *header, const char *tag);

#endif
