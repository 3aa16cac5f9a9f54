/*
 * replay.c: runs a fuzz target without libFuzzer, for CI and for compilers that lack it.
 *
 *     fuzz_x [--runs N] [--seed S] FILE|FOLDER...
 *
 * First every file as it is, in order of name; then N mutations of them, the same ones for the same
 * seed and files. An input that crashes, aborts or takes over 30 seconds is written to crash-NUMBER
 * in the current folder; give that file to reproduce it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 24, GROWTH = 4096, MAX_CHANGES = 8, TIMEOUT_SECONDS = 30 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The sanitizers' hook; absent without them. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

typedef struct input {
	uint8_t *data;
	size_t size;
} input;

static struct {
	input *files;
	size_t count;
	input now; /* what is running, for the report of a crash */
	unsigned long run;
} state;

static void give_up(const char *what, const char *name)
{
	fprintf(stderr, "replay: %s: %s\n", name, what);
	exit(2);
}

static void *checked(void *block)
{
	if (!block)
		give_up("out of memory", "replay");
	return block;
}

/* Called in a dying process: no allocation, no stdio. */
static void save_input(void)
{
	char name[] = "crash-0000000000";
	unsigned long run = state.run;
	int fd;

	if (!state.now.data)
		return;
	for (size_t i = sizeof(name) - 2; run && name[i] != '-'; i--, run /= 10)
		name[i] = (char)('0' + run % 10);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || write(fd, state.now.data, state.now.size) < 0 ||
	    write(STDERR_FILENO, "replay: the input is in ", 24) < 0 ||
	    write(STDERR_FILENO, name, sizeof(name) - 1) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		return;
	state.now.data = NULL;
}

static void on_signal(int number)
{
	save_input();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_for_death(void)
{
	static const int signals[] = { SIGALRM, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };

	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_input);
	/* With a sanitizer only what it does not report itself. */
	for (size_t i = 0; i < (__sanitizer_set_death_callback ? 2 : 6); i++)
		signal(signals[i], on_signal);
}

/* A block of exactly that size, so that a sanitizer sees reads past its end. */
static void run(const uint8_t *data, size_t size)
{
	state.now.data = checked(malloc(size ? size : 1));
	if (size)
		memcpy(state.now.data, data, size);
	state.now.size = size;
	alarm(TIMEOUT_SECONDS);
	LLVMFuzzerTestOneInput(state.now.data, size);
	free(state.now.data);
	state.now.data = NULL;
	state.run++;
}

static void add_file(const char *path, size_t size)
{
	input file = { checked(malloc(size + 1)), size };
	FILE *stream = fopen(path, "rb");

	if (!stream || fread(file.data, 1, size, stream) != size)
		give_up("cannot read", path);
	fclose(stream);
	state.files = checked(realloc(state.files, (state.count + 1) * sizeof(file)));
	state.files[state.count++] = file;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static void collect(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st))
		give_up("cannot read", path);
	if (!S_ISDIR(st.st_mode)) {
		if (st.st_size > MAX_FILE)
			give_up("too large", path);
		add_file(path, (size_t)st.st_size);
		return;
	}
	count = scandir(path, &entries, NULL, by_name);
	if (count < 0)
		give_up("cannot read", path);
	for (int i = 0; i < count; i++) {
		char inside[PATH_MAX];

		snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			collect(inside);
		free(entries[i]);
	}
	free(entries);
}

/* SplitMix64: small, and the same everywhere. */
static uint64_t next_random(uint64_t *random)
{
	uint64_t x = *random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static size_t below(uint64_t *random, size_t limit)
{
	return limit ? (size_t)(next_random(random) % limit) : 0;
}

/* Overwrites 1, 2, 4 or 8 bytes by a number on which arithmetic likes to trip, or one near it. */
static void put_number(uint64_t *random, uint8_t *at, size_t room)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    0x7f,
					    0x80,
					    0xff,
					    0x7fff,
					    0xffff,
					    0x7fffffff,
					    0x80000000,
					    0xffffffff,
					    0x100000000,
					    0x1000000000000000,
					    0x1fffffffffffffff,
					    0x2000000000000000,
					    0x7fffffffffffffff,
					    0x8000000000000000,
					    UINT64_MAX };
	uint64_t value =
		numbers[below(random, sizeof(numbers) / sizeof(numbers[0]))] + below(random, 5) - 2;
	size_t size = (size_t)1 << below(random, 4);

	memcpy(at, &value, size < room ? size : room);
}

/* Changes data[0..size) in a block with GROWTH bytes more, and returns the new size. */
static size_t mutate(uint64_t *random, uint8_t *data, size_t size)
{
	size_t at = below(random, size), length;
	const input *other = &state.files[below(random, state.count)];

	switch (below(random, 8)) {
	case 0:
		return at; /* cut off */
	case 1:
		length = below(random, size - at < 64 ? size - at : 64);
		memmove(data + at, data + at + length, size - at - length);
		return size - length;
	case 2: /* repeat a piece */
		length = below(random, size - at < 64 ? size - at : 64);
		memmove(data + at + length, data + at, size - at);
		return size + length;
	case 3: /* a piece of another file */
		length = below(random, other->size < 64 ? other->size : 64);
		if (length > size - at)
			length = size - at;
		if (length)
			memcpy(data + at, other->data + below(random, other->size - length),
			       length);
		return size;
	case 4:
		if (size)
			data[at] ^= (uint8_t)(1u << below(random, 8));
		return size;
	case 5:
		if (size)
			data[at] = (uint8_t)next_random(random);
		return size;
	default:
		put_number(random, data + at, size - at);
		return size;
	}
}

static void run_mutation(uint64_t seed, unsigned long number)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 + number;
	const input *file = &state.files[below(&random, state.count)];
	uint8_t *data = checked(malloc(file->size + GROWTH));
	size_t size = file->size, changes = 1 + below(&random, MAX_CHANGES);

	memcpy(data, file->data, size);
	while (changes--)
		size = mutate(&random, data, size);
	run(data, size);
	free(data);
}

int main(int argc, char **argv)
{
	unsigned long runs = 0;
	uint64_t seed = 1;
	clock_t start = clock();
	double seconds;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--runs") && i + 1 < argc)
			runs = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else
			collect(argv[i]);
	}
	if (!state.count)
		give_up("no input files; give files or folders", argv[0]);
	watch_for_death();
	for (size_t i = 0; i < state.count; i++)
		run(state.files[i].data, state.files[i].size);
	for (unsigned long i = 0; i < runs; i++)
		run_mutation(seed, i);
	alarm(0);
	seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("%zu files and %lu mutations of them (seed %llu) in %.1f s of CPU time\n",
	       state.count, runs, (unsigned long long)seed, seconds);
	for (size_t i = 0; i < state.count; i++)
		free(state.files[i].data);
	free(state.files);
	return 0;
}
