#include "study/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "cpu/cpu.h"

enum { MAX_TEXT = 4096 };

/* The first line of a file of the kernel; NULL where there is none. */
static const char *first_line(const char *sysroot, const char *file, elm__arena *arena)
{
	elm__buf path = ELM__BUF_INIT, text = ELM__BUF_INIT;
	char line[256] = "";

	elm__buf_printf(&path, "%s%s", sysroot, file);
	if (!elm__buf_status(&path, NULL) &&
	    !elm__file_read(elm__buf_text(&path), MAX_TEXT, &text, NULL))
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(elm__buf_text(&text), "\n"),
			 elm__buf_text(&text));
	elm__buf_release(&path);
	elm__buf_release(&text);
	elm__make_printable(line);
	return line[0] ? elm__arena_strndup(arena, line, strlen(line)) : NULL;
}

/* "pmode:0002 fmode:quiet" of nvpmodel's state file: the mode. */
static const char *power_mode(const char *sysroot, elm__arena *arena)
{
	const char *state = first_line(sysroot, "/var/lib/nvpmodel/status", arena);
	const char *mode = state ? strstr(state, "pmode:") : NULL;

	return mode ? elm__arena_strndup(arena, mode + 6, strcspn(mode + 6, " ")) : NULL;
}

elm_status elm__machine_look(const char *sysroot, elm__arena *arena, elm__study_machine *row,
			     elm_error *error)
{
	char cpu[128], system[256];
	struct utsname name;
	uint64_t memory;

	elm__row_clear(ELM__TABLE_machine, row);
	row->id = 1;
	row->board = first_line(sysroot, "/proc/device-tree/model", arena);
	if (!row->board)
		row->board = first_line(sysroot, "/sys/class/dmi/id/product_name", arena);
	elm__cpu_model_name(cpu, sizeof(cpu));
	row->cpu = elm__arena_strndup(arena, cpu, strlen(cpu));
	row->cores = sysconf(_SC_NPROCESSORS_ONLN);
	row->isa = elm__cpu_tier_name(elm__cpu_detect());
	if (elm__memory_total(sysroot, &memory))
		row->memory_bytes = (int64_t)memory;
	if (!uname(&name)) {
		snprintf(system, sizeof(system), "%s %s %s", name.sysname, name.release,
			 name.machine);
		row->system = elm__arena_strndup(arena, system, strlen(system));
	}
	row->governor =
		first_line(sysroot, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", arena);
	row->power_mode = power_mode(sysroot, arena);
	if (!row->cpu)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return ELM_OK;
}
