#include "http/negotiate.h"

#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

/* Whether the parameters of an item have a weight of zero: "q=0", "q=0.000". */
static bool is_refused(const char *at, const char *end)
{
	while (at < end && (*at == ';' || strchr(blanks, *at)))
		at++;
	if (end - at < 3 || (*at != 'q' && *at != 'Q') || at[1] != '=' || at[2] != '0')
		return false;
	for (at += 3; at < end; at++)
		if (*at >= '1' && *at <= '9')
			return false;
	return true;
}

bool elm__http_accepts_coding(const char *header, const char *coding)
{
	size_t wanted = strlen(coding);
	bool any = false;

	while (header && *header) {
		const char *item, *end;
		size_t name;

		header += strspn(header, " \t,");
		item = header;
		header += strcspn(header, ",");
		end = header;
		name = strcspn(item, " \t;,");
		if (name == wanted && !strncasecmp(item, coding, wanted))
			return !is_refused(item + name, end);
		if (name == 1 && *item == '*')
			any = !is_refused(item + name, end);
	}
	return any;
}

bool elm__http_has_tag(const char *header, const char *tag)
{
	size_t length = strlen(tag);

	while (header && *header) {
		size_t item;

		header += strspn(header, " \t,");
		/* Weak comparison: whether the bytes are the same does not matter here. */
		if (!strncmp(header, "W/", 2))
			header += 2;
		item = strcspn(header, " \t,");
		if ((item == length && !strncmp(header, tag, length)) ||
		    (item == 1 && *header == '*'))
			return true;
		header += item;
	}
	return false;
}
