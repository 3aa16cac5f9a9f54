// Numbers: how they are written, and what follows from two looks at the server. No elements here.

// Three significant digits, without an exponent.
export function digits(value) {
	const size = Math.abs(value);
	return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 2,
					    minimumFractionDigits: size >= 100 || size === 0 ? 0 : 1 });
}

export const count = (value) => Math.round(value).toLocaleString("en");

export function seconds(value) {
	if (value < 0.001)
		return `${digits(value * 1e6)} µs`;
	return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
}

export function bytes(value) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let unit = 0;
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	return unit ? `${digits(value)} ${units[unit]}` : `${count(value)} B`;
}

export function duration(value) {
	const minutes = Math.floor(value / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
	if (days)
		return `${days} d ${hours % 24} h`;
	if (hours)
		return `${hours} h ${minutes % 60} min`;
	return minutes ? `${minutes} min ${Math.floor(value % 60)} s` : `${Math.floor(value)} s`;
}

// What a histogram has gained since an earlier one.
export function gained(now, before) {
	return { bounds: now.bounds, sum: now.sum - before.sum, count: now.count - before.count,
		 counts: now.counts.map((value, i) => value - before.counts[i]) };
}

// A quantile of a histogram, by linear interpolation inside its bucket; null when it is empty. What is
// above all bounds is told as the last bound.
export function quantile(histogram, q) {
	let below = 0;
	if (!histogram.count)
		return null;
	for (let i = 0; i < histogram.bounds.length; i++) {
		const inside = histogram.counts[i];
		if (inside && below + inside >= q * histogram.count) {
			const low = i ? histogram.bounds[i - 1] : 0;
			return low + (histogram.bounds[i] - low) * (q * histogram.count - below) / inside;
		}
		below += inside;
	}
	return histogram.bounds[histogram.bounds.length - 1];
}

function addHistograms(a, b) {
	return { bounds: a.bounds, sum: a.sum + b.sum, count: a.count + b.count,
		 counts: a.counts.map((value, i) => value + b.counts[i]) };
}

function addCounts(a, b) {
	return Object.fromEntries(Object.entries(a).map(([name, value]) =>
		[name, typeof value === "number" ? value + b[name] : addCounts(value, b[name])]));
}

const pressures = ["none", "shrink", "fewer", "refuse"];

function addModels(a, b) {
	const sum = { facts: {}, memory_pressure: pressures[Math.max(pressures.indexOf(a.memory_pressure),
								     pressures.indexOf(b.memory_pressure))] };
	for (const name of ["requests", "tokens", "kv"])
		sum[name] = addCounts(a[name], b[name]);
	for (const name of ["time_to_first_token", "time_between_tokens", "time_in_queue"])
		sum[name] = addHistograms(a[name], b[name]);
	return sum;
}

// A status with the figures of all its models added up.
export function gather(status) {
	return { ...status.models.reduce(addModels), ...status };
}

const value = (reading) => (reading && "value" in reading ? reading.value : null);
export const reason = (reading) => reading?.unmeasured ?? "";

// The figures of a moment, from a gathered status and the one before it (null: the first). null stands for what
// nobody measured, or what had no case to measure.
export function derive(now, before) {
	const device = now.device, memory = device.memory;
	const total = value(memory.total), available = value(memory.available);
	const figures = {
		clock: now.clock, running: now.requests.running, waiting: now.requests.waiting,
		kv: now.kv.blocks ? 100 * now.kv.used / now.kv.blocks : null,
		kvKept: now.kv.blocks ? 100 * now.kv.kept / now.kv.blocks : null,
		cpu: value(device.cpu), processCpu: value(device.process.cpu), rss: value(device.process.rss),
		memory: total !== null && available !== null ? total - available : null,
		temperature: value(device.temperature), power: value(device.power),
		generated: null, read: null, ttft: null, tbt: null,
	};
	// A server that was started anew counts from 0.
	const span = before ? now.clock - before.clock : 0;
	if (span <= 0 || now.uptime < before.uptime)
		return figures;
	const first = gained(now.time_to_first_token, before.time_to_first_token);
	const between = gained(now.time_between_tokens, before.time_between_tokens);
	figures.generated = (now.tokens.generated - before.tokens.generated) / span;
	figures.read = (now.tokens.prompt - now.tokens.reused - before.tokens.prompt + before.tokens.reused) / span;
	figures.ttft = first.count ? first.sum / first.count : null;
	figures.tbt = between.count ? between.sum / between.count : null;
	return figures;
}
