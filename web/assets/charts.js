// A chart of one or two curves over time: with uPlot, or as a table where the program was built
// without it.
import { el } from "./dom.js";
import { loadScript } from "./markdown.js";
import { hasCharts } from "./build.js";

let library = null;

export function prepareCharts() {
	library ??= hasCharts ? load() : Promise.resolve(false);
	return library;
}

async function load() {
	try {
		document.head.append(el("link", { rel: "stylesheet", href: new URL("lib/uplot.css", import.meta.url) }));
		await loadScript("uplot");
		return true;
	} catch {
		return false;
	}
}

// What a colour of the style sheet is now, as "rgb(...)": a canvas knows no names.
function colour(name) {
	const probe = el("i", { hidden: true });
	document.body.append(probe);
	probe.style.color = `var(${name})`;
	const value = getComputedStyle(probe).color;
	probe.remove();
	return value;
}

const faint = (value) => value.replace(/^rgb\((.*)\)$/, "rgba($1, 0.08)");

// Space between curve and edge, and what is never less than the height of the scale.
function range(floor) {
	return (plot, low, high) => [0, Math.max(floor, (high ?? 0) * 1.15)];
}

export class Chart {
	#plot = null;
	#data = [[]];
	#frame = el("div", { class: "plot" });
	#series;
	#format;
	#floor;

	#steps;

	// `series`: [{ label, colour }], colour a property of the style sheet; `format` writes a value;
	// `floor` is the least height of the scale; `steps` (not needed) are the distances of its lines.
	constructor(label, series, format, floor, steps) {
		this.#series = series;
		this.#format = format;
		this.#floor = floor;
		this.#steps = steps;
		this.label = label;
		this.element = this.#frame;
	}

	// data: times in seconds since 1970, then a list for each curve, null where nothing was measured.
	set(data, tables) {
		this.#data = data;
		if (tables || !globalThis.uPlot)
			this.#showTable();
		else if (this.#plot)
			this.#plot.setData(data);
		else
			this.#draw();
	}

	// The theme or the width has changed.
	redraw() {
		this.#plot?.destroy();
		this.#plot = null;
	}

	#draw() {
		const muted = colour("--muted"), line = colour("--line");
		const font = `11px ${getComputedStyle(this.#frame).fontFamily}`;
		const axis = { stroke: muted, font, ticks: { show: false } };
		this.#frame.replaceChildren();
		this.#plot = new globalThis.uPlot({
			width: Math.max(120, this.#frame.clientWidth), height: 120,
			legend: { show: false }, cursor: { points: { size: 6 }, drag: { setScale: false, x: false, y: false } },
			padding: [8, 4, 0, 0],
			scales: { y: { range: range(this.#floor) } },
			axes: [{ ...axis, grid: { show: false }, size: 22, space: 70,
				 values: (plot, times) => times.map((time) => new Date(time * 1000)
					.toLocaleTimeString("en-GB")) },
			       { ...axis, grid: { stroke: line, width: 1 }, size: 54, space: 34,
				 values: (plot, values) => values.map((value) => this.#format(value).replace(/\.0+(?=\D|$)/, "")),
				 ...(this.#steps ? { incrs: this.#steps } : {}) }],
			series: [{}, ...this.#series.map((one) => ({
				label: one.label, stroke: colour(one.colour), width: 1.75, spanGaps: false,
				fill: faint(colour(one.colour)), points: { show: false },
			}))],
		}, this.#data, this.#frame);
		const canvas = this.#frame.querySelector("canvas");
		canvas.setAttribute("role", "img");
		canvas.setAttribute("aria-label", `${this.label}, chart of the last minutes; the table has its values`);
	}

	#showTable() {
		const [times, ...curves] = this.#data;
		const rows = times.map((time, i) => [time, ...curves.map((curve) => curve[i])]).slice(-8).reverse();
		this.redraw();
		this.#frame.replaceChildren(el("table", {}, el("caption", { class: "hidden" }, this.label),
			el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"),
				...this.#series.map((one) => el("th", { scope: "col" }, one.label)))),
			el("tbody", {}, ...rows.map(([time, ...values]) => el("tr", {},
				el("td", {}, new Date(time * 1000).toLocaleTimeString("en-GB")),
				...values.map((value) => el("td", {}, value === null ? "–" : this.#format(value))))))));
	}
}
