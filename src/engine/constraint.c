/* constraint.c: a constraint as the filter of a request. */
#include <edgelm/scheduler.h>

static elm_status apply(void *user, float *logits, size_t count, bool *any, elm_error *error)
{
	return elm_constraint_apply(user, logits, count, any, error);
}

static elm_status accept(void *user, elm_token token, elm_error *error)
{
	return elm_constraint_accept(user, token, error);
}

static bool finished(void *user)
{
	return elm_constraint_finished(user);
}

static void release(void *user)
{
	elm_constraint_free(user);
}

elm_token_filter elm_constraint_filter(elm_constraint *constraint, bool new_text)
{
	elm_constraint_reset(constraint, new_text);
	return (elm_token_filter){ apply, accept, finished, release, constraint };
}
