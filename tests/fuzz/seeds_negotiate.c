/* Seeds of fuzz_negotiate: headers of browsers, and odd ones. */
#include <string.h>

#include "seeds.h"

static const char codings[] = "gzip, deflate, br, zstd\ngzip;q=0.5, *;q=0\n*\n gzip ; q=0.000 ,br\n"
			      "identity;q=1, gzip; Q=0.\n";
static const char tags[] = "\"tag\"\nW/\"tag\", \"other\"\n*\n\"ta\" , W/ \"tag\"\nW/\n";

void seeds_negotiate(void)
{
	seed_write("negotiate", "codings", codings, strlen(codings));
	seed_write("negotiate", "tags", tags, strlen(tags));
}
