#include "study/csv.h"

#include "base/text.h"

bool elm__csv_record(elm__csv *t)
{
	for (; t->at < t->end && *t->at == '\n'; t->at++)
		t->lines_done++;
	t->line = t->lines_done + 1;
	return t->at < t->end;
}

elm_status elm__csv_fail(const elm__csv *t, elm_error *error, const char *reason)
{
	return elm_error_set(error, ELM_ERR_FORMAT, "%s:%zu: %s", t->name, t->line, reason);
}

/* Behind the opening quote. */
static bool read_quoted(elm__csv *t)
{
	while (t->at < t->end) {
		char c = *t->at++;

		if (c == '"') {
			if (t->at == t->end || *t->at != '"')
				return true;
			t->at++;
		}
		t->lines_done += c == '\n';
		elm__buf_putc(&t->field, c);
	}
	return false;
}

elm__field_end elm__csv_field(elm__csv *t, elm_error *error)
{
	elm__buf_clear(&t->field);
	if (t->quotes && t->at < t->end && *t->at == '"') {
		t->at++;
		if (!read_quoted(t))
			return elm__csv_fail(t, error, "a quote is not closed"), ELM__FIELD_BAD;
	} else {
		const char *start = t->at;

		while (t->at < t->end && *t->at != t->separator && *t->at != '\n')
			t->at++;
		elm__buf_append(&t->field, start,
				(size_t)(t->at - start) - (t->at > start && t->at[-1] == '\r' &&
							   (t->at == t->end || *t->at == '\n')));
	}
	if (!elm__utf8_valid(elm__buf_text(&t->field), t->field.length))
		return elm__csv_fail(t, error, "the line is not UTF-8"), ELM__FIELD_BAD;
	if (t->at < t->end && *t->at == '\r' && t->at + 1 < t->end && t->at[1] == '\n')
		t->at++;
	if (t->at < t->end && *t->at == t->separator) {
		t->at++;
		return ELM__FIELD_MORE;
	}
	if (t->at < t->end && *t->at != '\n')
		return elm__csv_fail(t, error, "there is text behind a closing quote"),
		       ELM__FIELD_BAD;
	if (t->at < t->end) {
		t->at++;
		t->lines_done++;
	}
	return ELM__FIELD_LAST;
}
