/*
 * schema.h: the tables of a study, stated once: the structs of their rows, the SQL that makes them,
 * the CSV files and the check of docs/FORMAT-STUDY.md all come from these lists.
 *
 * A column is INT (int64_t), REAL (double) or TEXT (const char *), with its meaning. What was not
 * measured is NULL in the file; in a row it is ELM__STUDY_NONE, NaN or NULL. Times named *_ns are
 * nanoseconds; a time without a "since" is a duration. "Study time" runs from the beginning of the
 * study while one of its sessions is running: the pause between two sessions does not count.
 *
 * Changing a list changes ELM__STUDY_VERSION.
 */
#ifndef ELM_STUDY_SCHEMA_H
#define ELM_STUDY_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

enum {
	ELM__STUDY_APPLICATION = 0x656c6d73, /* application_id of the file: "elms" */
	ELM__STUDY_VERSION = 1		     /* its user_version */
};

#define ELM__STUDY_NONE INT64_MIN

/* What the study was asked to do; a session that goes on must ask for the same. */
#define ELM__SETTING_COLUMNS(T, INT, REAL, TEXT) \
	TEXT(T, key, "name of the setting")      \
	TEXT(T, value, "as text, in one spelling")

/* A process that measured. A study that was interrupted and went on has several. */
#define ELM__SESSION_COLUMNS(T, INT, REAL, TEXT)                                         \
	INT(T, id, "key")                                                                \
	INT(T, started_unix, "seconds since 1970")                                       \
	INT(T, offset_ns, "study time when it began")                                    \
	INT(T, ended_ns, "study time when it ended; NULL: it was killed, or is running") \
	TEXT(T, outcome, "complete, interrupted or failed; NULL as ended_ns")            \
	TEXT(T, command, "the command line")                                             \
	TEXT(T, version, "of edgelm, with its commit")

#define ELM__MACHINE_COLUMNS(T, INT, REAL, TEXT)                                   \
	INT(T, id, "1: a study is of one machine")                                 \
	TEXT(T, board, "model of the board or computer, as the firmware tells it") \
	TEXT(T, cpu, "model of the processor")                                     \
	INT(T, cores, "logical processors")                                        \
	TEXT(T, isa, "best tier of instructions, as --isa names it")               \
	INT(T, memory_bytes, "memory that processes may use")                      \
	TEXT(T, system, "kernel and architecture, as uname tells them")            \
	TEXT(T, governor, "policy of the processor's clock")                       \
	TEXT(T, power_mode, "mode of nvpmodel; NULL where there is none")

#define ELM__MODEL_COLUMNS(T, INT, REAL, TEXT)                                              \
	INT(T, id, "key")                                                                   \
	TEXT(T, name, "as the file or the server names it")                                 \
	TEXT(T, path, "the file; NULL for a server")                                        \
	TEXT(T, sha256, "of the file; NULL when built without libcrypto, and for a server") \
	TEXT(T, architecture, "llama, qwen2, ...")                                          \
	TEXT(T, type, "architecture, size and what most weights are stored as")             \
	INT(T, file_bytes, "size of the file")                                              \
	INT(T, weight_bytes, "of all tensors")                                              \
	INT(T, parameters, "elements of all tensors")                                       \
	INT(T, layers, "that have keys and values")                                         \
	INT(T, heads, "query heads")                                                        \
	INT(T, kv_heads, "key and value heads, which may be fewer (GQA)")                   \
	INT(T, head_dim, "of queries and keys")                                             \
	INT(T, width, "of the embedding")                                                   \
	INT(T, vocabulary, "tokens")                                                        \
	INT(T, trained_context, "tokens")                                                   \
	INT(T, kv_token_bytes,                                                              \
	    "keys and values of one token in f16: 2 * layers * kv_heads * "                 \
	    "head_dim * 2")                                                                 \
	INT(T, kv_token_bytes_mha,                                                          \
	    "the same with `heads` for `kv_heads`, which ignores GQA; for "                 \
	    "comparison")                                                                   \
	INT(T, chat_template, "1: it has one, or was given one")

/* One way of running one model; each point of a sweep is one. */
#define ELM__CONFIG_COLUMNS(T, INT, REAL, TEXT)                                                   \
	INT(T, id, "key")                                                                         \
	INT(T, model_id, "model")                                                                 \
	TEXT(T, sweep, "what makes it a point of a sweep: threads=2 kv=int8; empty for the base") \
	TEXT(T, engine, "edgelm, or server")                                                      \
	TEXT(T, url, "of the server")                                                             \
	INT(T, threads, "that compute; NULL: a server does not say")                              \
	INT(T, context, "tokens that the cache holds for one request")                            \
	INT(T, batch, "prompt tokens that are computed together")                                 \
	INT(T, streams, "requests that run at the same time")                                     \
	TEXT(T, kv_type, "how keys and values are kept")                                          \
	TEXT(T, isa, "tier of instructions in use")                                               \
	TEXT(T, power_mode, "mode of the device; NULL: it has none")                              \
	TEXT(T, prompt_form,                                                                      \
	     "chat (the model's template), plain (the text as it is) or quoted (as "              \
	     "the original study)")                                                               \
	INT(T, fresh_process, "1: a new process for each trial")                                  \
	REAL(T, temperature, "0: always the most likely token")                                   \
	INT(T, top_k, "0: off")                                                                   \
	REAL(T, top_p, "1: off")                                                                  \
	REAL(T, min_p, "0: off")                                                                  \
	REAL(T, repeat_penalty, "1: off")                                                         \
	INT(T, penalty_window, "tokens")                                                          \
	INT(T, seed, "of the first trial")                                                        \
	INT(T, ignore_eos, "1: an answer always has its full length")                             \
	INT(T, weight_bytes, "of the mapped weights, counted by the engine before it runs")       \
	INT(T, packed_bytes, "private copies of weights, in the same way")                        \
	INT(T, kv_bytes, "the cache of keys and values, in the same way")                         \
	INT(T, scratch_bytes, "activations and logits, in the same way")

#define ELM__EXPERIMENT_COLUMNS(T, INT, REAL, TEXT)                                         \
	INT(T, id, "key")                                                                   \
	INT(T, config_id, "config")                                                         \
	TEXT(T, kind,                                                                       \
	     "idle, workload, median, output-length, prompt-length, equal-prompt, cold or " \
	     "probe")                                                                       \
	TEXT(T, trial_order, "random or category")                                          \
	INT(T, interval_ns, "between two samples; 0: nothing is sampled")                   \
	INT(T, repeats, "measured trials of each kind")                                     \
	INT(T, warmups, "trials before them that are marked and left out of results")       \
	INT(T, planned, "trials, warm-ups included")                                        \
	TEXT(T, state, "planned, running, done or skipped")                                 \
	TEXT(T, note, "why it was skipped, or what to know of it")

#define ELM__QUERY_COLUMNS(T, INT, REAL, TEXT)                                            \
	INT(T, id, "key")                                                                 \
	TEXT(T, category, "complex, contextual, conversational, simple or task-oriented") \
	INT(T, idx, "line in the file of its category, from 0")                           \
	TEXT(T, text, "without template")

/* One request: a query, asked once. */
#define ELM__TRIAL_COLUMNS(T, INT, REAL, TEXT)                                                     \
	INT(T, id, "key")                                                                          \
	INT(T, session_id, "session")                                                              \
	INT(T, experiment_id, "experiment")                                                        \
	INT(T, query_id, "query; NULL in the experiments idle and probe")                          \
	TEXT(T, variant, "what is varied: n=120, p=224, recorder=off; empty where nothing is")     \
	INT(T, repeat, "from 0; warm-ups count on their own")                                      \
	INT(T, warmup, "1: not part of results")                                                   \
	INT(T, position, "in the order of the experiment, from 0")                                 \
	INT(T, stream, "of those that run at the same time, from 0")                               \
	INT(T, cold, "1: the first request of a process that has just loaded the model")           \
	INT(T, recorded, "1: a recorder was sampling")                                             \
	TEXT(T, status,                                                                            \
	     "ok; rejected (the prompt does not fit: nothing was generated); truncated "           \
	     "(the context was full before the limit); failed")                                    \
	TEXT(T, stop, "eos, length, stop or context; NULL unless text was generated")              \
	TEXT(T, error, "the sentence of a trial that was rejected or failed")                      \
	INT(T, seed, "of the sampler")                                                             \
	INT(T, start_ns, "study time of the request's arrival")                                    \
	INT(T, load_ns,                                                                            \
	    "from the start of the process until the model was ready; NULL unless cold")           \
	INT(T, tokenize_ns, "part of ttft_ns")                                                     \
	INT(T, prompt_ns, "computing the prompt; part of ttft_ns")                                 \
	INT(T, ttft_ns, "from arrival to the first token with text; NULL: none came")              \
	INT(T, total_ns, "from arrival to the last token")                                         \
	INT(T, wall_ns,                                                                            \
	    "from sending the request to having the whole answer, as the study sees it")           \
	INT(T, prompt_tokens, "all of the prompt, template included")                              \
	INT(T, prompt_target, "tokens that the experiment asked for; NULL where it asks for none") \
	INT(T, reused_tokens, "of the prompt, taken from a cache; 0 unless something is wrong")    \
	INT(T, max_tokens, "limit of the answer")                                                  \
	INT(T, output_tokens, "without the one that ends the answer")                              \
	TEXT(T, text, "the answer")                                                                \
	INT(T, process_cpu_ns, "processor time of the engine's process during the trial")          \
	INT(T, peak_rss_bytes,                                                                     \
	    "most memory that was resident in it: VmHWM, reset before the trial; of a server the " \
	    "most that was sampled")                                                               \
	REAL(T, energy_j, "joules: integral of power over wall_ns; NULL: unmeasured")              \
	REAL(T, idle_j, "joules that the idle device takes in the same time")                      \
	TEXT(T, energy_scope, "what the power includes: board, rails, processor, sensors")         \
	TEXT(T, energy_note, "why it is unmeasured")

#define ELM__TOKEN_COLUMNS(T, INT, REAL, TEXT) \
	INT(T, trial_id, "trial")              \
	INT(T, idx, "from 0")                  \
	INT(T, at_ns, "since the arrival of the request")

/* Something that is sampled. */
#define ELM__METRIC_COLUMNS(T, INT, REAL, TEXT)                                \
	INT(T, id, "key")                                                      \
	TEXT(T, name, "cpu, core0, process_rss, temperature:cpu-thermal, ...") \
	TEXT(T, unit, "%, bytes, W, C, Hz, or empty for a count")              \
	TEXT(T, scope, "device or process (that of the engine)")               \
	TEXT(T, reason, "why it is unmeasured; NULL where it is measured")

/* A value holds from its time until the next one of the same metric: only changes are kept, and
 * the first of each trial. */
#define ELM__SAMPLE_COLUMNS(T, INT, REAL, TEXT) \
	INT(T, trial_id, "trial")               \
	INT(T, metric_id, "metric")             \
	INT(T, at_ns, "study time")             \
	REAL(T, value, "in the unit of the metric; NULL: could not be read then")

/* How often a metric really changes: a sensor that updates once a second stays one. */
#define ELM__RATE_COLUMNS(T, INT, REAL, TEXT)                                                      \
	INT(T, experiment_id, "experiment")                                                        \
	INT(T, metric_id, "metric")                                                                \
	INT(T, reads, "how often its sensor was read")                                             \
	INT(T, unmeasured, "of them in vain")                                                      \
	INT(T, read_ns, "from one read to the next, on average; NULL: there were fewer than two")  \
	INT(T, update_ns,                                                                          \
	    "what the sensor seems to need for a new value: a tenth of its times from one change " \
	    "to the next were shorter; NULL: it changed less than four times")

#define ELM__EVENT_COLUMNS(T, INT, REAL, TEXT)                                  \
	INT(T, id, "key")                                                       \
	INT(T, session_id, "session")                                           \
	INT(T, trial_id, "trial during which it was seen; NULL: none")          \
	INT(T, at_ns, "study time")                                             \
	TEXT(T, kind, "throttled, resumed or warning")                          \
	REAL(T, value, "a number that belongs to it; NULL where there is none") \
	TEXT(T, text, "a sentence")

/* What the recorder itself has cost. */
#define ELM__OVERHEAD_COLUMNS(T, INT, REAL, TEXT)                 \
	INT(T, experiment_id, "experiment")                       \
	INT(T, samples, "that were taken")                        \
	INT(T, missed, "that came so late that the next was due") \
	INT(T, span_ns, "time that it ran")                       \
	INT(T, cpu_ns, "processor time of its thread")            \
	INT(T, late_max_ns, "the most that a sample was late")

/* A small fixed piece of work in a second process, alone and beside the model. */
#define ELM__PROBE_COLUMNS(T, INT, REAL, TEXT)                       \
	INT(T, id, "key")                                            \
	INT(T, config_id, "config")                                  \
	TEXT(T, phase, "alone, or beside (while the model answers)") \
	INT(T, repeat, "from 0")                                     \
	INT(T, at_ns, "study time when it began")                    \
	INT(T, duration_ns, "of the piece of work")

/* name, row type, columns, constraints */
#define ELM__STUDY_TABLES(X)                                                                     \
	X(setting, ELM__SETTING_COLUMNS, "PRIMARY KEY (key)")                                    \
	X(session, ELM__SESSION_COLUMNS, "PRIMARY KEY (id)")                                     \
	X(machine, ELM__MACHINE_COLUMNS, "PRIMARY KEY (id)")                                     \
	X(model, ELM__MODEL_COLUMNS, "PRIMARY KEY (id)")                                         \
	X(config, ELM__CONFIG_COLUMNS, "PRIMARY KEY (id)")                                       \
	X(experiment, ELM__EXPERIMENT_COLUMNS, "PRIMARY KEY (id), UNIQUE (config_id, kind)")     \
	X(query, ELM__QUERY_COLUMNS, "PRIMARY KEY (id), UNIQUE (category, idx)")                 \
	X(trial, ELM__TRIAL_COLUMNS,                                                             \
	  "PRIMARY KEY (id), UNIQUE (experiment_id, query_id, variant, warmup, repeat, stream)") \
	X(token, ELM__TOKEN_COLUMNS, "PRIMARY KEY (trial_id, idx)")                              \
	X(metric, ELM__METRIC_COLUMNS, "PRIMARY KEY (id), UNIQUE (name)")                        \
	X(sample, ELM__SAMPLE_COLUMNS, "PRIMARY KEY (trial_id, metric_id, at_ns)")               \
	X(rate, ELM__RATE_COLUMNS, "PRIMARY KEY (experiment_id, metric_id)")                     \
	X(event, ELM__EVENT_COLUMNS, "PRIMARY KEY (id)")                                         \
	X(overhead, ELM__OVERHEAD_COLUMNS, "PRIMARY KEY (experiment_id)")                        \
	X(probe, ELM__PROBE_COLUMNS, "PRIMARY KEY (id)")

/* The rows: elm__study_trial and so on. */
#define ELM__ROW_INT_(T, name, meaning) int64_t name;
#define ELM__ROW_REAL_(T, name, meaning) double name;
#define ELM__ROW_TEXT_(T, name, meaning) const char *name;
#define ELM__ROW_(table, columns, constraints)                                             \
	typedef struct elm__study_##table {                                                \
		columns(elm__study_##table, ELM__ROW_INT_, ELM__ROW_REAL_, ELM__ROW_TEXT_) \
	} elm__study_##table;
ELM__STUDY_TABLES(ELM__ROW_)
#undef ELM__ROW_

typedef enum elm__study_table {
#define ELM__TABLE_(table, columns, constraints) ELM__TABLE_##table,
	ELM__STUDY_TABLES(ELM__TABLE_)
#undef ELM__TABLE_
		ELM__TABLE_COUNT
} elm__study_table;

typedef enum elm__column_kind {
	ELM__COLUMN_INT,
	ELM__COLUMN_REAL,
	ELM__COLUMN_TEXT
} elm__column_kind;

typedef struct elm__column {
	const char *name, *meaning;
	elm__column_kind kind;
	size_t offset; /* in the row */
} elm__column;

typedef struct elm__table {
	const char *name, *constraints;
	const elm__column *columns;
	size_t count;
	size_t row_size;
} elm__table;

extern const elm__table elm__tables[ELM__TABLE_COUNT];

/* Sets all columns of a row to "unmeasured". */
void elm__row_clear(elm__study_table table, void *row);

#endif
