#include "server/models.h"

#include <edgelm/log.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/figures.h"

/* How often files are looked at, while any model is loaded. */
enum { LOOK_NS = 1000000000 };

/* Tells one content of a file from the next. */
typedef struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
} identity;

typedef struct entry {
	elm__loaded *current; /* NULL: not loaded */
	/* Its file has changed and there is no room for both: the next request waits until nobody
	 * uses the old one. */
	bool stale;
	identity file;	  /* of what is loaded */
	identity seen;	  /* what the last look found; it is loaded when it stays so */
	identity refused; /* a new file that could not be used */
	uint64_t used_ns; /* when somebody let go of it */
	uint64_t loads, failures;
	elm_error failure;	  /* the last, for the operator */
	elm_scheduler_stats past; /* of those that are gone */
	size_t longest;
} entry;

struct elm__models {
	elm__models_options options;
	pthread_t keeper;
	bool keeping;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something was loaded, unloaded or let go of */
	pthread_cond_t wake;	/* the keeper has something to do */

	/* under the lock */
	entry *entries;
	bool changing; /* somebody loads or frees a model: one at a time, so that what memory there
			  is does not change while it is decided about */
	entry *loading;
	elm__loaded *replaced;
	bool stopping, look_now;
};

/* --- under the lock --- */

static const elm__model_source *source_of(const elm__models *m, const entry *e)
{
	return &m->options.sources[e - m->entries];
}

static void take_figures(elm__models *m, const elm__loaded *l)
{
	entry *e = &m->entries[l->entry];
	elm_scheduler_stats stats;
	size_t longest = atomic_load(&l->longest);

	elm_scheduler_get_stats(l->scheduler, &stats);
	elm__figures_end(&stats);
	elm__figures_add(&e->past, &stats);
	if (longest > e->longest)
		e->longest = longest;
}

/* Takes a model out of its entry. Returns what is to be freed, without the lock: NULL while
 * somebody uses it, who will do so. */
static elm__loaded *take_out(elm__models *m, entry *e)
{
	elm__loaded *l = e->current;

	e->current = NULL;
	e->stale = false;
	pthread_cond_broadcast(&m->changed);
	if (!l->users) {
		take_figures(m, l);
		return l;
	}
	l->replaced = true;
	l->next = m->replaced;
	m->replaced = l;
	return NULL;
}

static elm_status stopping(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_CANCELLED,
			     "no more requests are accepted: shutting down");
}

static size_t count_loaded(const elm__models *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->options.count; i++)
		n += m->entries[i].current != NULL;
	return n;
}

/* --- loading --- */

static uint64_t weights_of_others(void *user)
{
	elm__models *m = user;
	uint64_t bytes = 0;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->options.count; i++)
		if (m->entries[i].current)
			bytes += m->entries[i].current->weights;
	for (const elm__loaded *l = m->replaced; l; l = l->next)
		bytes += l->weights;
	pthread_mutex_unlock(&m->lock);
	return bytes;
}

/* Unloads the model that was not used for longest, if there is one that nobody uses. */
static bool make_room(void *user)
{
	elm__models *m = user;
	elm__loaded *freed = NULL;
	entry *oldest = NULL;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->options.count; i++) {
		entry *e = &m->entries[i];

		if (e->current && e != m->loading && !e->current->users &&
		    (!oldest || e->used_ns < oldest->used_ns))
			oldest = e;
	}
	if (oldest)
		freed = take_out(m, oldest);
	pthread_mutex_unlock(&m->lock);
	if (!freed)
		return false;
	elm__load_say(&m->options.loading, freed->name, "unloaded, to make room for another");
	elm__loaded_free(freed);
	return true;
}

static bool is_stopping(void *user)
{
	elm__models *m = user;
	const volatile int *cancel = m->options.loading.cancel;
	bool value;

	pthread_mutex_lock(&m->lock);
	value = m->stopping || (cancel && *cancel);
	pthread_mutex_unlock(&m->lock);
	return value;
}

/* Without the lock, by the one thread that has set m->changing. `kept`: models of this entry that
 * stay loaded meanwhile. */
static elm_status load_file(elm__models *m, const entry *e, size_t kept, elm__loaded **out,
			    elm_error *error)
{
	const elm__model_source *source = source_of(m, e);
	elm__load load = {
		.options = &m->options.loading,
		.name = source->name,
		.path = source->path,
		.others = weights_of_others,
		.make_room = make_room,
		.cancelled = is_stopping,
		.user = m,
	};
	size_t loaded;

	*out = NULL;
	do {
		pthread_mutex_lock(&m->lock);
		loaded = count_loaded(m) - kept;
		pthread_mutex_unlock(&m->lock);
		if (!m->options.most || loaded < m->options.most) {
			elm__load_say(load.options, load.name, "loading %s", load.path);
			return elm__loaded_create(&load, out, error);
		}
	} while (make_room(m));
	return elm_error_set(error, ELM_ERR_FULL,
			     "all of the %zu models that may be loaded are in use",
			     m->options.most);
}

/* What a client is told of a failure; the log has all of it. */
static elm_status fail_client(const elm__models *m, const entry *e, elm_error *error)
{
	const char *name = source_of(m, e)->name;

	switch (e->failure.status) {
	case ELM_ERR_CANCELLED:
		return stopping(error);
	case ELM_ERR_FULL:
	case ELM_ERR_NO_MEMORY:
		return elm_error_set(error, ELM_ERR_FULL,
				     "there is no room for model \"%s\" now; try again later",
				     name);
	default:
		return elm_error_set(error, ELM_ERR_SYSTEM,
				     "model \"%s\" could not be loaded; the log of the server "
				     "says why",
				     name);
	}
}

/* Before the file is opened, so that a change in between is seen as one. */
static bool identify(const char *path, identity *out)
{
	struct stat s;

	memset(out, 0, sizeof(*out)); /* it is compared with its padding */
	if (stat(path, &s) || !S_ISREG(s.st_mode))
		return false;
	out->device = s.st_dev;
	out->inode = s.st_ino;
	out->size = s.st_size;
	out->changed = s.st_mtim;
	return true;
}

static bool same(const identity *a, const identity *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void put_in(elm__models *m, entry *e, elm__loaded *l, const identity *file)
{
	l->entry = (size_t)(e - m->entries);
	e->current = l;
	e->stale = false;
	e->file = e->seen = *file;
	e->used_ns = elm__now_ns();
	e->loads++;
	pthread_cond_signal(&m->wake);
}

/* With the lock, which is let go meanwhile. Nothing is loaded in the entry, or what nobody uses and
 * is to be replaced. */
static elm_status load_entry(elm__models *m, entry *e)
{
	elm__loaded *old = e->current ? take_out(m, e) : NULL, *l;
	elm_error own = { 0 };
	identity file;
	elm_status status;

	m->changing = true;
	m->loading = e;
	pthread_mutex_unlock(&m->lock);
	elm__loaded_free(old);
	(void)identify(source_of(m, e)->path, &file); /* what is wrong with it, loading will tell */
	status = load_file(m, e, 0, &l, &own);
	pthread_mutex_lock(&m->lock);
	m->changing = false;
	m->loading = NULL;
	if (!status && m->stopping) {
		pthread_mutex_unlock(&m->lock);
		elm__loaded_free(l);
		pthread_mutex_lock(&m->lock);
		status = stopping(&own);
	}
	if (status) {
		e->failures++;
		e->failure = own;
	} else {
		put_in(m, e, l, &file);
	}
	pthread_cond_broadcast(&m->changed);
	return status;
}

/* With the lock: returns when the entry's model can be used. Those who wait for a load share its
 * failure. */
static elm_status make_ready(elm__models *m, entry *e, elm_error *error)
{
	uint64_t failures = e->failures;

	while (!e->current || e->stale) {
		if (m->stopping)
			return stopping(error);
		if (e->failures != failures)
			return fail_client(m, e, error);
		if (m->changing || (e->current && e->current->users))
			pthread_cond_wait(&m->changed, &m->lock);
		else if (load_entry(m, e))
			elm_log(ELM_LOG_WARN, "model %s: not loaded: %s", source_of(m, e)->name,
				e->failure.text);
	}
	return m->stopping ? stopping(error) : ELM_OK;
}

/* --- the keeper: files that change, models that are not used --- */

/* Whether the file of a loaded model is another one than it was, and complete as far as we know: it
 * has not changed since the last look. */
static bool has_changed(elm__models *m, entry *e, bool at_once, identity *file)
{
	bool settled;

	if (!identify(source_of(m, e)->path, file) || !file->size || same(file, &e->file))
		return false;
	if (at_once)
		memset(&e->refused, 0, sizeof(e->refused));
	settled = same(file, &e->seen) || at_once;
	e->seen = *file;
	return settled && !same(file, &e->refused);
}

/* With the lock, which is let go meanwhile. Requests get the old model until the new one is there.
 */
static void exchange(elm__models *m, entry *e, const identity *file)
{
	const elm__load_options *options = &m->options.loading;
	const char *name = source_of(m, e)->name;
	elm__loaded *l, *old = NULL;
	elm_error own = { 0 };
	elm_status status;

	m->changing = true;
	m->loading = e;
	pthread_mutex_unlock(&m->lock);
	elm__load_say(options, name, "its file has changed");
	status = load_file(m, e, 1, &l, &own);
	pthread_mutex_lock(&m->lock);
	m->changing = false;
	m->loading = NULL;
	if (!status && m->stopping) {
		old = l;
	} else if (!status) {
		old = take_out(m, e);
		put_in(m, e, l, file);
	} else if (status == ELM_ERR_NO_MEMORY) {
		e->stale = true;
		elm__load_say(options, name,
			      "no room for the old and the new one: new requests wait until the "
			      "old one is not used");
	} else if (status != ELM_ERR_CANCELLED) {
		e->refused = *file;
		elm_log(ELM_LOG_WARN,
			"model %s: the new file cannot be used, the old one stays: %s", name,
			own.text);
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	elm__loaded_free(old);
	pthread_mutex_lock(&m->lock);
}

/* With the lock, which is let go meanwhile. */
static void unload(elm__models *m, entry *e, const char *why)
{
	elm__loaded *l = take_out(m, e);

	m->changing = true;
	pthread_mutex_unlock(&m->lock);
	elm__load_say(&m->options.loading, l->name, "unloaded%s", why);
	elm__loaded_free(l);
	pthread_mutex_lock(&m->lock);
	m->changing = false;
	pthread_cond_broadcast(&m->changed);
}

static void look(elm__models *m, bool at_once)
{
	uint64_t idle_ns = (uint64_t)(m->options.idle_seconds * 1e9);
	identity file;

	for (size_t i = 0; i < m->options.count && !m->stopping; i++) {
		entry *e = &m->entries[i];

		if (!e->current || m->changing)
			continue;
		if (!e->stale && has_changed(m, e, at_once, &file))
			exchange(m, e, &file);
		else if (!e->current->users && e->stale)
			unload(m, e, ": its file has changed");
		else if (!e->current->users && idle_ns && elm__now_ns() - e->used_ns >= idle_ns)
			unload(m, e, ": nobody has asked for it");
	}
}

/* Wakes once a second while a model is loaded, and not at all otherwise. */
static void *keep(void *user)
{
	elm__models *m = user;
	uint64_t next = 0;

	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		uint64_t now = elm__now_ns();
		bool at_once = m->look_now;

		if (at_once || (now >= next && count_loaded(m))) {
			m->look_now = false;
			look(m, at_once);
			next = elm__now_ns() + LOOK_NS;
		} else if (!count_loaded(m)) {
			pthread_cond_wait(&m->wake, &m->lock);
		} else {
			struct timespec until = { .tv_sec = (time_t)(next / 1000000000),
						  .tv_nsec = (long)(next % 1000000000) };

			(void)pthread_cond_timedwait(&m->wake, &m->lock, &until);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* --- life --- */

/* Conditions wait by the monotonic clock. */
static int init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int rc = pthread_condattr_init(&attributes);

	if (rc)
		return rc;
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	rc = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return rc;
}

static int start_keeper(elm__models *m)
{
	sigset_t all, before;
	int rc;

	/* Signals are for the threads of the program, not for ours. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&m->keeper, NULL, keep, m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	m->keeping = !rc;
	return rc;
}

elm_status elm__models_create(const elm__models_options *options, elm__models **out,
			      elm_error *error)
{
	elm__models *m = elm__calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (m)
		m->entries = elm__calloc(options->count, sizeof(m->entries[0]));
	if (!m || !m->entries) {
		elm__free(m);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	m->options = *options;
	for (size_t i = 0; i < options->count; i++)
		elm__figures_init(&m->entries[i].past);
	pthread_mutex_init(&m->lock, NULL);
	rc = init_condition(&m->changed);
	if (!rc)
		rc = init_condition(&m->wake);
	if (!rc)
		rc = start_keeper(m);
	if (rc) {
		elm__models_free(m);
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot start a thread: %s",
				     strerror(rc));
	}
	*out = m;
	return ELM_OK;
}

void elm__models_free(elm__models *m)
{
	if (!m)
		return;
	elm__models_stop(m);
	if (m->keeping)
		pthread_join(m->keeper, NULL);
	for (size_t i = 0; i < m->options.count; i++)
		elm__loaded_free(m->entries[i].current);
	pthread_cond_destroy(&m->changed);
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	elm__free(m->entries);
	elm__free(m);
}

size_t elm__models_count(const elm__models *m)
{
	return m->options.count;
}

const elm__model_source *elm__models_source(const elm__models *m, size_t index)
{
	return &m->options.sources[index];
}

size_t elm__models_find(const elm__models *m, const char *name)
{
	size_t i = 0;

	while (i < m->options.count && strcmp(m->options.sources[i].name, name) != 0)
		i++;
	return i;
}

/* --- use --- */

elm_status elm__models_load(elm__models *m, size_t index, elm_error *error)
{
	entry *e = &m->entries[index];
	elm_status status;

	pthread_mutex_lock(&m->lock);
	status = load_entry(m, e);
	if (status && error)
		*error = e->failure;
	pthread_mutex_unlock(&m->lock);
	return status;
}

elm_status elm__models_acquire(elm__models *m, size_t index, elm__loaded **out, elm_error *error)
{
	entry *e = &m->entries[index];
	elm_status status;

	*out = NULL;
	pthread_mutex_lock(&m->lock);
	status = make_ready(m, e, error);
	if (!status) {
		*out = e->current;
		e->current->users++;
	}
	pthread_mutex_unlock(&m->lock);
	return status;
}

elm__loaded *elm__models_peek(elm__models *m, size_t index)
{
	elm__loaded *l;

	pthread_mutex_lock(&m->lock);
	l = m->entries[index].current;
	if (l)
		l->users++;
	pthread_mutex_unlock(&m->lock);
	return l;
}

/* Takes it out of the list of those that were replaced. */
static void unlink_replaced(elm__models *m, elm__loaded *l)
{
	elm__loaded **link = &m->replaced;

	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
}

void elm__models_release(elm__models *m, elm__loaded *l, bool used)
{
	bool last;

	if (!l)
		return;
	pthread_mutex_lock(&m->lock);
	l->users--;
	last = !l->users && l->replaced;
	if (last) {
		unlink_replaced(m, l);
		take_figures(m, l);
	} else if (used) {
		m->entries[l->entry].used_ns = elm__now_ns();
	}
	if (!l->users)
		pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	if (!last)
		return;
	elm__load_say(&m->options.loading, l->name, "the old one is not used any more");
	elm__loaded_free(l);
}

/* With the lock. */
static void add_figures(const elm__loaded *l, elm__model_figures *out)
{
	size_t longest = atomic_load(&l->longest);
	elm_scheduler_stats stats;

	elm_scheduler_get_stats(l->scheduler, &stats);
	elm__figures_add(&out->stats, &stats);
	if (longest > out->longest)
		out->longest = longest;
}

elm__model_state elm__models_state(elm__models *m, size_t index)
{
	const entry *e = &m->entries[index];
	elm__model_state state;

	pthread_mutex_lock(&m->lock);
	state = e->current	? ELM__MODEL_LOADED :
		m->loading == e ? ELM__MODEL_LOADING :
				  ELM__MODEL_UNLOADED;
	pthread_mutex_unlock(&m->lock);
	return state;
}

void elm__models_figures(elm__models *m, size_t index, elm__model_figures *out)
{
	const entry *e = &m->entries[index];

	pthread_mutex_lock(&m->lock);
	out->loads = e->loads;
	out->failures = e->failures;
	out->stats = e->past;
	out->longest = e->longest;
	if (e->current)
		add_figures(e->current, out);
	for (const elm__loaded *l = m->replaced; l; l = l->next)
		if (l->entry == index)
			add_figures(l, out);
	pthread_mutex_unlock(&m->lock);
}

double elm__models_retry_after(elm__models *m)
{
	double longest = 1;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->options.count; i++)
		if (m->entries[i].current) {
			double seconds =
				elm_scheduler_retry_after(m->entries[i].current->scheduler);

			longest = seconds > longest ? seconds : longest;
		}
	pthread_mutex_unlock(&m->lock);
	return longest;
}

void elm__models_reload(elm__models *m)
{
	pthread_mutex_lock(&m->lock);
	m->look_now = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

void elm__models_stop(elm__models *m)
{
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

/* Holds one that was not drained yet; NULL: there is none. */
static elm__loaded *hold_undrained(elm__models *m)
{
	elm__loaded *found = m->replaced;

	while (found && found->drained)
		found = found->next;
	for (size_t i = 0; i < m->options.count && !found; i++)
		if (m->entries[i].current && !m->entries[i].current->drained)
			found = m->entries[i].current;
	if (found) {
		found->drained = true;
		found->users++;
	}
	return found;
}

void elm__models_drain(elm__models *m, double seconds)
{
	uint64_t start = elm__now_ns();
	elm__loaded *l;

	elm__models_stop(m);
	for (;;) {
		double left = seconds - elm__seconds_between(start, elm__now_ns());

		pthread_mutex_lock(&m->lock);
		l = hold_undrained(m);
		pthread_mutex_unlock(&m->lock);
		if (!l)
			break;
		/* What is cut off has been told so: whether all could end makes no difference. */
		(void)!elm_scheduler_drain(l->scheduler, left, NULL);
		elm__models_release(m, l, false);
	}
}
