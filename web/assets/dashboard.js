// The dashboard: what the server and its device do, once a second.
import { getJson } from "./api.js";
import { Chart, prepareCharts } from "./charts.js";
import { el } from "./dom.js";
import { bytes, count, derive, digits, duration, gather, quantile, reason, seconds } from "./figures.js";

const PERIOD = 1000, KEPT = 300; // milliseconds, points

const percent = (value) => `${digits(value)} %`;

// For each tile: its name, its curves (a member of derive's result each), how values are written, the
// least height of the scale, and lines of detail. `why` says why the first curve is not measured; what
// happens only now and then has a histogram of all cases, `since`.
const tiles = [
	{ title: "Tokens per second", curves: [["generated", "Written", "--accent"], ["read", "Read", "--second"]],
	  format: digits, unit: "tokens/s", floor: 1, why: () => "a first look; it takes two",
	  detail: (s) => [`${count(s.tokens.generated)} written, ${count(s.tokens.prompt)} read`,
			  `${count(s.tokens.reused)} of those taken from the cache`] },
	{ title: "Time to first token", curves: [["ttft", "Mean", "--accent"]], format: seconds, floor: 0.01,
	  why: () => "no answer has begun yet", since: (s) => s.time_to_first_token,
	  detail: (s) => quantiles(s.time_to_first_token) },
	{ title: "Time between tokens", curves: [["tbt", "Mean", "--accent"]], format: seconds, floor: 0.001,
	  why: () => "no answer has two tokens yet", since: (s) => s.time_between_tokens,
	  detail: (s) => quantiles(s.time_between_tokens) },
	{ title: "Requests", curves: [["running", "Running", "--accent"], ["waiting", "Waiting", "--second"]],
	  format: count, floor: 2,
	  detail: (s) => [`room for ${s.requests.room} to run, ${s.requests.queue_room} to wait`,
			  `${count(s.requests.accepted)} accepted, ${count(s.requests.refused)} refused`] },
	{ title: "KV cache", curves: [["kv", "In use", "--accent"], ["kvKept", "Kept prompts", "--second"]],
	  format: percent, floor: 10,
	  detail: (s) => [`${bytes(s.kv.bytes)} in ${count(s.kv.blocks)} blocks`,
			  `${count(s.kv.evictions)} evictions · pressure: ${s.memory_pressure}`] },
	{ title: "Processor", curves: [["cpu", "Device", "--second"], ["processCpu", "edgelm", "--accent"]],
	  format: percent, floor: 100, why: (s) => reason(s.device.cpu),
	  detail: (s) => [`${s.device.cores.length} ${s.device.cores.length === 1 ? "core" : "cores"}: ` +
		s.device.cores.slice(0, 16).map((core) => ("value" in core ? Math.round(core.value) : "–")).join(" · ") + " %",
		...clocks(s.device), ...gpus(s.device)] },
	{ title: "Memory", curves: [["memory", "Device", "--second"], ["rss", "edgelm", "--accent"]],
	  format: bytes, floor: 1 << 20, steps: Array.from({ length: 30 }, (_, i) => 2 ** (i + 14)), why: (s) => reason(s.device.memory.total) || reason(s.device.memory.available),
	  detail: (s) => [`${told(s.device.memory.available, bytes)} of ${told(s.device.memory.total, bytes)} available`,
			  `edgelm: ${told(s.device.process.anonymous, bytes)} of its own, ` +
			  `${told(s.device.process.file, bytes)} of files`] },
	{ title: "Temperature", curves: [["temperature", "Hottest", "--warm"]], format: (v) => `${digits(v)} °C`, floor: 50,
	  why: (s) => reason(s.device.temperature),
	  detail: (s) => [s.device.temperatures.length > 1 && s.device.hottest && `hottest: ${s.device.hottest}`, ...named(s.device.temperatures, "°C"), ...throttling(s.device)] },
	{ title: "Power", curves: [["power", "Power", "--warm"]], format: (v) => `${digits(v)} W`, floor: 1,
	  why: (s) => reason(s.device.power),
	  detail: (s) => [scopes[s.device.power_scope], ...named(s.device.rails, "W"), ...battery(s.device)] },
];

const scopes = { "": "", board: "of the whole board", rails: "sum of the rails that are measured",
		 processor: "of the processor and memory, not the whole device",
		 sensors: "sum of the power sensors", battery: "of the whole device, from its battery" };

const told = (reading, format) => ("value" in reading ? format(reading.value) : "unmeasured");

const megahertz = (value) => `${Math.round(value / 1e6)} MHz`;

function clocks({ clocks }) {
	const all = clocks.filter((clock) => "value" in clock.now).map((clock) => clock.now.value);
	const low = Math.min(...all), high = Math.max(...all);
	if (!all.length)
		return [];
	return [low === high ? megahertz(high) : `${megahertz(low)} to ${megahertz(high)}`];
}

function gpus({ gpus }) {
	return gpus.map((gpu) => [`GPU ${gpu.name}: ${told(gpu.load, percent)}`,
		"value" in gpu.now && megahertz(gpu.now.value),
		"value" in gpu.memory_used && bytes(gpu.memory_used.value)].filter(Boolean).join(", "));
}

function throttling({ throttled, throttle_causes: causes }) {
	return throttled.value ? [`slowed down: ${causes}`] : [];
}

function battery({ battery }) {
	return "value" in battery.level ? [`battery: ${percent(battery.level.value)}, ${battery.state.toLowerCase()}`] : [];
}

function named(list, unit) {
	const all = list.map((one) => `${one.name} ${"value" in one ? `${digits(one.value)} ${unit}` : "unmeasured"}`);
	return all.length > 1 ? [all.slice(0, 6).join(" · ")] : all;
}

function quantiles(histogram) {
	if (!histogram.count)
		return [];
	return [`median ${seconds(quantile(histogram, 0.5))}, p95 ${seconds(quantile(histogram, 0.95))}`,
		`of ${count(histogram.count)} since the start`];
}

class Tile {
	constructor(tile) {
		this.tile = tile;
		this.value = el("p", { class: "value" });
		this.detail = el("div", { class: "detail quiet" });
		this.chart = new Chart(tile.title, tile.curves.map(([, label, colour]) => ({ label, colour })),
				       tile.format, tile.floor, tile.steps);
		const id = "tile-" + tile.title.toLowerCase().replace(/\W+/g, "-");
		const legend = tile.curves.length > 1 ?
			el("p", { class: "legend quiet" }, ...tile.curves.map(([, label, colour]) =>
				el("span", { class: "of" + colour }, label))) : null;
		this.element = el("section", { class: "tile", id, "aria-labelledby": id + "-title" },
				  el("header", {}, el("h2", { id: id + "-title" }, tile.title), legend),
				  this.value, this.chart.element, this.detail);
	}

	show(status, points, tables) {
		const { tile } = this;
		const names = tile.curves.map(([name]) => name);
		const now = points.at(-1), first = now[names[0]];
		const last = tile.since ? points.findLast((point) => point[names[0]] !== null) : null;
		const median = tile.since ? quantile(tile.since(status), 0.5) : null;
		if (first !== null)
			this.value.replaceChildren(tile.format(first), tile.unit ? el("small", {}, " " + tile.unit) : "");
		else if (last)
			this.value.replaceChildren(tile.format(last[names[0]]), el("small", {}, ` ${ago(now.clock - last.clock)}`));
		else if (median !== null)
			this.value.replaceChildren(tile.format(median), el("small", {}, " median since the start"));
		else
			this.value.replaceChildren(el("span", { class: "unmeasured" }, "unmeasured"),
						   el("small", {}, " " + tile.why(status)));
		this.detail.replaceChildren(...tile.detail(status).filter(Boolean).map((line) => el("p", {}, line)));
		const measured = points.some((point) => names.some((name) => point[name] !== null));
		this.chart.element.hidden = !measured;
		if (measured)
			this.chart.set([points.map((point) => point.time),
					...names.map((name) => points.map((point) => point[name]))], tables);
	}
}

function describe({ name, state, facts }) {
	if (state !== "loaded")
		return `${name}: ${state}`;
	return `${name}: ${facts.architecture}, ${digits(facts.parameters / 1e6)} million parameters, ` +
		`${bytes(facts.weight_bytes)}, context of ${count(facts.context)} tokens`;
}

const ago = (span) => `${duration(Math.max(1, Math.round(span)))} ago`;

export class Dashboard {
	#tiles = tiles.map((tile) => new Tile(tile));
	#points = [];
	#before = null;
	#timer = 0;
	#tables = false;
	#shown = false;
	#note = el("p", { class: "quiet", id: "dashboard-note" });
	#error = el("p", { class: "error", role: "alert", hidden: true });

	constructor(needKey) {
		this.needKey = needKey;
		const toggle = el("input", { type: "checkbox", onchange: () => {
			this.#tables = toggle.checked;
			this.#redraw();
		} });
		this.element = el("section", { class: "dashboard", "aria-label": "Dashboard" },
				  el("div", { class: "dashboard-head" }, this.#note,
				     el("label", { class: "check" }, toggle, "Tables")),
				  this.#error, el("div", { class: "tiles" }, ...this.#tiles.map((tile) => tile.element)));
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
		addEventListener("resize", () => this.#redraw());
		document.addEventListener("visibilitychange", () => this.#schedule());
	}

	async start() {
		this.#shown = true;
		await prepareCharts();
		this.#schedule();
	}

	stop() {
		this.#shown = false;
		clearTimeout(this.#timer);
	}

	// The theme has changed.
	restyle() {
		this.#redraw();
	}

	#redraw() {
		for (const tile of this.#tiles)
			tile.chart.redraw();
		this.#show();
	}

	// A page that nobody sees asks for nothing.
	#schedule() {
		clearTimeout(this.#timer);
		if (this.#shown && document.visibilityState === "visible")
			this.#look();
	}

	async #look() {
		const started = performance.now();
		try {
			const status = gather(await getJson("edgelm/status"));
			this.#points.push({ ...derive(status, this.#recent(status)), time: Date.now() / 1000 });
			this.#points.splice(0, this.#points.length - KEPT);
			this.#before = status;
			this.#error.hidden = true;
			this.#show();
		} catch (error) {
			this.#error.textContent = error.message;
			this.#error.hidden = false;
			if (error.status === 401) {
				this.needKey();
				return;
			}
		}
		clearTimeout(this.#timer);
		if (this.#shown)
			this.#timer = setTimeout(() => this.#schedule(),
						 Math.max(0, PERIOD - (performance.now() - started)));
	}

	// Averages over a time in which nobody looked would hide what happened in it.
	#recent(status) {
		return this.#before && status.clock - this.#before.clock < 5 * PERIOD / 1000 ? this.#before : null;
	}

	#show() {
		const status = this.#before;
		if (!status || !this.#shown)
			return;
		this.#note.textContent = `edgelm ${status.version}, up for ${duration(status.uptime)} · ` +
			status.models.map(describe).join("; ");
		for (const tile of this.#tiles)
			tile.show(status, this.#points, this.#tables);
	}
}
