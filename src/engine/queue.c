#include "engine/queue.h"

#include <string.h>

/* Tenants without requests whose service is remembered. */
enum { REMEMBERED = 64 };

bool elm__queue_init(elm__queue *queue, size_t requests, elm__arena *arena)
{
	memset(queue, 0, sizeof(*queue));
	queue->tenant_room = requests + REMEMBERED;
	queue->tenants = elm__arena_calloc(arena, queue->tenant_room, sizeof(elm__tenant));
	return queue->tenants != NULL;
}

static elm__tenant *find(const elm__queue *queue, uint64_t key)
{
	for (size_t i = 0; i < queue->n_tenants; i++)
		if (queue->tenants[i].key == key)
			return &queue->tenants[i];
	return NULL;
}

uint32_t elm__queue_of_tenant(const elm__queue *queue, uint64_t key)
{
	const elm__tenant *tenant = find(queue, key);

	return tenant ? tenant->waiting : 0;
}

/* The least that a tenant with requests was served; `otherwise` when there is none. */
static uint64_t least_served(const elm__queue *queue, uint64_t otherwise)
{
	uint64_t least = UINT64_MAX;
	bool any = false;

	for (size_t i = 0; i < queue->n_tenants; i++)
		if (queue->tenants[i].requests) {
			any = true;
			if (queue->tenants[i].served < least)
				least = queue->tenants[i].served;
		}
	return any ? least : otherwise;
}

/* A place for a new tenant: a free one, or that of the least served who has no request. There is
 * one, because each request has one tenant only. */
static elm__tenant *place(elm__queue *queue)
{
	elm__tenant *best = NULL;

	if (queue->n_tenants < queue->tenant_room)
		return &queue->tenants[queue->n_tenants++];
	for (size_t i = 0; i < queue->n_tenants; i++) {
		elm__tenant *t = &queue->tenants[i];

		if (!t->requests && (!best || t->served < best->served))
			best = t;
	}
	return best;
}

void elm__queue_add(elm__queue *queue, elm__request *r)
{
	uint64_t key = r->what.tenant;
	elm__tenant *tenant = find(queue, key);

	if (!tenant || !tenant->requests) {
		uint64_t least = least_served(queue, 0);

		if (!tenant) {
			tenant = place(queue);
			*tenant = (elm__tenant){ .key = key };
		}
		if (tenant->served < least)
			tenant->served = least;
	}
	tenant->requests++;
	r->tenant = tenant;
	elm__queue_return(queue, r);
}

void elm__queue_return(elm__queue *queue, elm__request *r)
{
	r->next = NULL;
	if (queue->last)
		queue->last->next = r;
	else
		queue->first = r;
	queue->last = r;
	queue->count++;
	r->tenant->waiting++;
}

static bool goes_before(const elm__request *a, const elm__request *b)
{
	bool a_started = a->stats.start_ns != 0, b_started = b->stats.start_ns != 0;

	if (a->what.priority != b->what.priority)
		return a->what.priority > b->what.priority;
	if (a_started != b_started)
		return a_started;
	if (!a_started && a->tenant->served != b->tenant->served)
		return a->tenant->served < b->tenant->served;
	return a->id < b->id;
}

elm__request *elm__queue_next(const elm__queue *queue)
{
	elm__request *best = queue->first;

	for (elm__request *r = best; r; r = r->next)
		if (goes_before(r, best))
			best = r;
	return best;
}

void elm__queue_remove(elm__queue *queue, elm__request *r)
{
	elm__request *before = NULL;

	for (elm__request *q = queue->first; q != r; q = q->next)
		before = q;
	if (before)
		before->next = r->next;
	else
		queue->first = r->next;
	if (queue->last == r)
		queue->last = before;
	r->next = NULL;
	queue->count--;
	r->tenant->waiting--;
}

void elm__queue_forget(elm__request *r)
{
	r->tenant->requests--;
}
