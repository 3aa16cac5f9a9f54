/* The order in which windows of the training text come by. */
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "train/corpus.h"

/* Adds the window [start, start + tokens) unless nothing in it is trained. */
static void add_window(elm__feed *f, size_t start, size_t tokens)
{
	elm__window *w = &f->windows[f->count];

	*w = (elm__window){ .start = start, .tokens = (uint32_t)tokens };
	for (size_t i = 1; i < tokens; i++)
		w->targets += f->corpus->trained[start + i];
	f->count += w->targets > 0;
}

/* Neighbours share a token, the last of one and the first of the next, so that each token but the
 * first of the document is predicted once. */
static void cut_document(elm__feed *f, size_t start, size_t end, elm__random *random)
{
	size_t first = f->context;

	if (!f->same_cuts && end - start > (size_t)f->context + 1)
		first = 1 + elm__random_u64(random) % f->context;
	while (start + 1 < end) {
		size_t tokens = end - start - 1 < first ? end - start : first + 1;

		add_window(f, start, tokens);
		start += tokens - 1;
		first = f->context;
	}
}

static void begin_epoch(elm__feed *f, uint64_t epoch)
{
	elm__random random;

	elm__random_seed(&random, f->seed + epoch * UINT64_C(0x9e3779b97f4a7c15));
	f->epoch = epoch;
	f->next = f->count = 0;
	for (size_t i = 0; i < f->corpus->documents; i++)
		cut_document(f, f->corpus->starts[i], f->corpus->starts[i + 1], &random);
	for (size_t i = f->count; f->shuffled && i > 1; i--) {
		size_t other = elm__random_u64(&random) % i;
		elm__window w = f->windows[i - 1];

		f->windows[i - 1] = f->windows[other];
		f->windows[other] = w;
	}
}

static elm_status init(elm__feed *feed, const elm__corpus *corpus, elm_error *error)
{
	size_t most = 0;

	for (size_t i = 0; i < corpus->documents; i++)
		most += (corpus->starts[i + 1] - corpus->starts[i]) / feed->context + 2;
	feed->windows = elm__realloc_array(NULL, most, sizeof(*feed->windows));
	if (!feed->windows)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for the training text");
	begin_epoch(feed, 0);
	if (feed->count)
		return ELM_OK;
	elm__feed_release(feed);
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "the text has nothing to train on: no token that is to be predicted "
			     "follows another");
}

elm_status elm__feed_init(elm__feed *feed, const elm__corpus *corpus, uint32_t context,
			  uint64_t seed, elm_error *error)
{
	*feed = (elm__feed){ .corpus = corpus, .context = context, .seed = seed, .shuffled = true };
	return init(feed, corpus, error);
}

elm_status elm__feed_init_plain(elm__feed *feed, const elm__corpus *corpus, uint32_t context,
				elm_error *error)
{
	*feed = (elm__feed){ .corpus = corpus, .context = context, .same_cuts = true };
	return init(feed, corpus, error);
}

void elm__feed_keep_cuts(elm__feed *feed)
{
	feed->same_cuts = true;
	if (!feed->next)
		begin_epoch(feed, feed->epoch);
}

void elm__feed_release(elm__feed *feed)
{
	elm__free(feed->windows);
	memset(feed, 0, sizeof(*feed));
}

elm__window elm__feed_next(elm__feed *feed)
{
	if (feed->next == feed->count)
		begin_epoch(feed, feed->epoch + 1);
	return feed->windows[feed->next++];
}

bool elm__feed_seek(elm__feed *feed, uint64_t epoch, size_t next)
{
	begin_epoch(feed, epoch);
	if (next > feed->count)
		return false;
	feed->next = next;
	return true;
}
