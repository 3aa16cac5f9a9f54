#include "engine/pressure.h"

#include "base/process.h"

enum { LOOK_NS = 1000000000, DEFAULT_RESERVE_DIVISOR = 20 };

/* Percent of the last ten seconds in which some process, or all, waited for memory. */
static const double some_waited = 20, all_waited = 10;

void elm__pressure_init(elm__pressure *p, const char *sysroot, uint64_t reserve)
{
	uint64_t total;

	*p = (elm__pressure){ .sysroot = sysroot ? sysroot : "", .reserve = reserve };
	if (!reserve)
		p->reserve = elm__memory_total(p->sysroot, &total) ?
				     total / DEFAULT_RESERVE_DIVISOR :
				     UINT64_MAX;
}

static elm_pressure measure(const elm__pressure *p)
{
	elm_pressure level = ELM_PRESSURE_NONE;
	uint64_t available;
	double some, all;

	if (elm__memory_available(p->sysroot, &available)) {
		if (available < p->reserve / 2)
			level = ELM_PRESSURE_REFUSE;
		else if (available < p->reserve)
			level = ELM_PRESSURE_FEWER;
		else if (available / 2 < p->reserve)
			level = ELM_PRESSURE_SHRINK;
	}
	if (elm__memory_stall(p->sysroot, &some, &all)) {
		if (all >= all_waited && level < ELM_PRESSURE_FEWER)
			level = ELM_PRESSURE_FEWER;
		else if (some >= some_waited && level < ELM_PRESSURE_SHRINK)
			level = ELM_PRESSURE_SHRINK;
	}
	return level;
}

bool elm__pressure_look(elm__pressure *p, uint64_t now_ns)
{
	elm_pressure level;

	if (p->reserve == UINT64_MAX || (p->looked_ns && now_ns - p->looked_ns < LOOK_NS))
		return false;
	p->looked_ns = now_ns;
	level = measure(p);
	if (level >= p->level)
		p->level = level;
	else
		p->level--;
	return true;
}
