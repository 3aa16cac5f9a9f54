/* Memory of this process and of the machine, the latter from files that the test writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/process.h"
#include "support.h"

enum { MIB = 1 << 20 };

static void the_peak_can_be_reset(void **state)
{
	uint64_t before, high, after;
	size_t size = 64 * (size_t)MIB;
	volatile char *block;

	if (!elm__process_peak_memory(&before) || !elm__process_reset_peak_memory())
		skip();
	/* From the kernel and back to it: allocators keep what is freed. */
	block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(block != MAP_FAILED);
	for (size_t i = 0; i < size; i += 1024)
		block[i] = 1;
	assert_true(elm__process_peak_memory(&high));
	assert_true(high >= size);
	assert_int_equal(munmap((void *)block, size), 0);
	assert_true(elm__process_reset_peak_memory());
	assert_true(elm__process_peak_memory(&after));
	assert_true(after + size / 2 < high);
}

static char root[4096];

static void put(const char *path, const char *text)
{
	write_below(root, path, text);
}

/* A fresh root for each test. */
static void start(const char *name)
{
	snprintf(root, sizeof(root), "%s", temp_path(name));
	assert_int_equal(mkdir(root, 0777), 0);
	put("/proc/meminfo", "MemTotal:       9000 kB\nMemFree: 7 kB\nMemAvailable:    4096 kB\n");
}

static uint64_t available(void)
{
	uint64_t bytes = 1;

	assert_true(elm__memory_available(root, &bytes));
	return bytes;
}

static void the_machine_is_the_limit(void **state)
{
	uint64_t bytes;

	start("machine");
	assert_int_equal(available(), 4 * MIB);
	put("/sys/fs/cgroup/memory.max", "max\n");
	put("/sys/fs/cgroup/memory.current", "1000\n");
	assert_int_equal(available(), 4 * MIB);
	put("/sys/fs/cgroup/memory.max", "1073741824\n");
	assert_int_equal(available(), 4 * MIB);
	put("/proc/meminfo", "MemTotal:       9000 kB\n");
	assert_false(elm__memory_available(root, &bytes));
}

static void the_group_is_the_limit(void **state)
{
	start("group");
	put("/sys/fs/cgroup/memory.max", "3000000\n");
	put("/sys/fs/cgroup/memory.current", "1000000\n");
	assert_int_equal(available(), 2000000);
	put("/sys/fs/cgroup/memory.stat", "anon 7\ninactive_file 200000\nactive_file 50000\n");
	assert_int_equal(available(), 2250000);
	put("/sys/fs/cgroup/memory.current", "4000000\n");
	assert_int_equal(available(), 0);
}

static void the_old_groups_are_read_too(void **state)
{
	start("old");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
	put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n");
	put("/sys/fs/cgroup/memory/memory.stat",
	    "active_file 1\ntotal_inactive_file 9000000\ntotal_active_file 1\n");
	assert_int_equal(available(), 3000000); /* no more than is used can be cached */
}

static void all_memory_is_that_of_the_group_too(void **state)
{
	uint64_t bytes;

	start("total");
	assert_true(elm__memory_total(root, &bytes));
	assert_int_equal(bytes, 9000 * 1024);
	put("/sys/fs/cgroup/memory.max", "3000000\n");
	assert_true(elm__memory_total(root, &bytes));
	assert_int_equal(bytes, 3000000);
	put("/sys/fs/cgroup/memory.max", "max\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_true(elm__memory_total(root, &bytes));
	assert_int_equal(bytes, 9000 * 1024);
	assert_false(elm__memory_total("/nowhere", &bytes));
}

static void waiting_for_memory(void **state)
{
	double some = -1, all = -1;

	start("stall");
	assert_false(elm__memory_stall(root, &some, &all));
	put("/proc/pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.00 total=7\n");
	assert_false(elm__memory_stall(root, &some, &all));
	put("/proc/pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.00 total=7\n"
				     "full avg10=3.25 avg60=1.00 avg300=0.00 total=7\n");
	assert_true(elm__memory_stall(root, &some, &all));
	assert_true(some == 12.5 && all == 3.25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peak_can_be_reset),
		cmocka_unit_test(the_machine_is_the_limit),
		cmocka_unit_test(the_group_is_the_limit),
		cmocka_unit_test(the_old_groups_are_read_too),
		cmocka_unit_test(all_memory_is_that_of_the_group_too),
		cmocka_unit_test(waiting_for_memory),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
