#include "server/job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"

typedef struct choice {
	elm__job *job;
	uint32_t number;
	uint64_t id; /* of the request */
	atomic_bool ended;
} choice;

struct elm__job {
	elm_scheduler *scheduler;
	atomic_uint users; /* the connection's thread, and each choice that has not ended */
	int signal;	   /* an eventfd: something has been put into an empty queue */
	pthread_mutex_t lock;
	elm__buf queue; /* records; behind the lock */

	elm__buf taken; /* of the connection's thread, as is what follows */
	size_t position;
	elm_error error;
	uint32_t submitted;
	choice choices[];
};

/* Records begin at multiples of 8. */
static size_t padded(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

static void let_go(elm__job *job)
{
	if (atomic_fetch_sub(&job->users, 1) != 1)
		return;
	close(job->signal);
	pthread_mutex_destroy(&job->lock);
	elm__buf_release(&job->queue);
	elm__buf_release(&job->taken);
	elm__free(job);
}

elm_status elm__job_create(uint32_t choices, elm_scheduler *scheduler, elm__job **out,
			   elm_error *error)
{
	elm__job *job = elm__calloc(1, sizeof(*job) + choices * sizeof(job->choices[0]));

	*out = NULL;
	if (!job)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	job->signal = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (job->signal < 0) {
		elm__free(job);
		return elm_error_set(error, ELM_ERR_FULL, "no more descriptors: %s",
				     strerror(errno));
	}
	pthread_mutex_init(&job->lock, NULL);
	atomic_init(&job->users, 1);
	job->scheduler = scheduler;
	for (uint32_t i = 0; i < choices; i++) {
		job->choices[i].job = job;
		job->choices[i].number = i;
	}
	*out = job;
	return ELM_OK;
}

/* Appends a record: the event, its list of tokens, its texts. */
static void put(elm__buf *queue, const elm__job_event *record, const elm_event *event)
{
	size_t top = record->top_count * sizeof(event->top[0]);
	size_t error = event->kind == ELM_EVENT_ERROR ? sizeof(*event->error) : 0;
	size_t states = record->state_count * record->state_width * sizeof(event->states[0]);
	size_t length =
		sizeof(*record) + top + error + states + record->text_length + record->stop_length;
	static const char zeros[8];

	if (!elm__buf_reserve(queue, padded(length)))
		return;
	elm__buf_append(queue, record, sizeof(*record));
	if (top)
		elm__buf_append(queue, event->top, top);
	if (error)
		elm__buf_append(queue, event->error, error);
	if (states)
		elm__buf_append(queue, event->states, states);
	elm__buf_append(queue, event->text, record->text_length);
	if (record->stop_length)
		elm__buf_append(queue, event->stop, record->stop_length);
	elm__buf_append(queue, zeros, padded(length) - length);
}

/* On the engine thread. */
static bool on_event(void *user, const elm_event *event)
{
	choice *c = user;
	elm__job *job = c->job;
	bool last = event->kind == ELM_EVENT_DONE || event->kind == ELM_EVENT_ERROR;
	elm__job_event record;
	bool was_empty, kept;

	/* Zeroed whole: it is copied with its padding. */
	memset(&record, 0, sizeof(record));
	record.choice = c->number;
	record.kind = event->kind;
	record.token = event->token;
	record.logprob = event->logprob;
	record.finish = event->finish;
	record.prompt_done = event->prompt_done;
	record.text_length = event->text_length;
	record.top_count = event->top_count;
	record.state_count = event->state_count;
	record.state_width = event->state_width;
	record.stop_length = event->stop ? strlen(event->stop) + 1 : 0;
	record.stats = event->stats;

	pthread_mutex_lock(&job->lock);
	was_empty = !job->queue.length;
	put(&job->queue, &record, event);
	kept = !job->queue.failed;
	pthread_mutex_unlock(&job->lock);
	if (was_empty || !kept)
		(void)!eventfd_write(job->signal, 1); /* fails only when it is signalled already */
	if (last) {
		atomic_store(&c->ended, true);
		let_go(job);
	}
	return kept;
}

elm_status elm__job_submit(elm__job *job, const elm_request *request, elm_error *error)
{
	choice *c = &job->choices[job->submitted];
	elm_request own = *request;
	elm_status status;

	own.on_event = on_event;
	own.user = c;
	atomic_fetch_add(&job->users, 1);
	status = elm_scheduler_submit(job->scheduler, &own, &c->id, error);
	if (status)
		atomic_fetch_sub(&job->users, 1);
	else
		job->submitted++;
	return status;
}

void elm__job_close(elm__job *job)
{
	if (!job)
		return;
	for (uint32_t i = 0; i < job->submitted; i++)
		if (!atomic_load(&job->choices[i].ended))
			elm_scheduler_cancel(job->scheduler, job->choices[i].id);
	let_go(job);
}

/* Swaps the queues. True when there is something in the one that was taken. */
static bool take(elm__job *job)
{
	eventfd_t count;
	elm__buf queue;

	(void)!eventfd_read(job->signal, &count);
	elm__buf_clear(&job->taken);
	job->position = 0;
	pthread_mutex_lock(&job->lock);
	queue = job->queue;
	job->queue = job->taken;
	job->queue.failed = queue.failed; /* once something was lost, nothing is kept */
	pthread_mutex_unlock(&job->lock);
	job->taken = queue;
	return job->taken.length != 0;
}

/* What is told when memory has run out on the way. */
static void put_lost(elm__job *job, elm__job_event *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = ELM_EVENT_ERROR;
	out->text = "";
	elm_error_set(&job->error, ELM_ERR_NO_MEMORY, "out of memory");
	out->error = &job->error;
}

bool elm__job_next(elm__job *job, elm__job_event *out)
{
	const char *data;

	if (job->position == job->taken.length && !take(job)) {
		if (!job->taken.failed)
			return false;
		put_lost(job, out);
		return true;
	}
	data = job->taken.data + job->position;
	memcpy(out, data, sizeof(*out));
	data += sizeof(*out);
	out->top = (const elm_token_logprob *)data;
	data += out->top_count * sizeof(out->top[0]);
	if (out->kind == ELM_EVENT_ERROR) {
		memcpy(&job->error, data, sizeof(job->error));
		out->error = &job->error;
		data += sizeof(job->error);
	}
	out->states = (const float *)data;
	data += out->state_count * out->state_width * sizeof(float);
	out->text = data;
	data += out->text_length;
	out->stop = out->stop_length ? data : NULL;
	data += out->stop_length;
	job->position = padded((size_t)(data - job->taken.data));
	return true;
}

elm__http_event elm__job_wait(elm__job *job, const elm__http_exchange *exchange, int milliseconds)
{
	return elm__http_wait(exchange, job->signal, milliseconds);
}
