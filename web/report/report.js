// Makes the charts of a report interactive: values at the pointer, zoom by dragging, series on and
// off in the legend. Without uPlot, and on paper, the page shows the same charts as pictures.
"use strict";

(() => {
	const panels = JSON.parse(document.getElementById("data").textContent).panels;
	const boxes = [...document.querySelectorAll(".chart")];
	let plots = [];

	const property = (name) => {
		// A canvas knows no light-dark(): the style of an element has the colour that is meant.
		const probe = document.createElement("i");
		probe.hidden = true;
		probe.style.color = `var(${name})`;
		document.body.append(probe);
		const value = getComputedStyle(probe).color;
		probe.remove();
		return value;
	};

	const digits = (value) => {
		if (value === null || value === undefined || !Number.isFinite(value))
			return "–";
		const size = Math.abs(value);
		return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 1 : size >= 1 ? 2 : 4 });
	};

	// uPlot wants rising x without repeats; what shares an x is set apart by less than can be seen.
	function columns(series, span) {
		const points = [...series.points].sort((a, b) => a[0] - b[0]);
		const xs = [], ys = [];
		let last = -Infinity;
		for (const [x, y] of points) {
			last = x > last ? x : last + span * 1e-9;
			xs.push(last);
			ys.push(y);
		}
		return [xs, ys];
	}

	function limits(panel) {
		let low = Infinity, high = -Infinity;
		for (const series of panel.series)
			for (const [, ...ys] of series.points)
				for (const y of ys)
					if (y !== null) {
						low = Math.min(low, y);
						high = Math.max(high, y);
					}
		if (panel.zero)
			low = Math.min(0, low);
		const room = (high - low || Math.abs(high) || 1) * 0.06;
		return [panel.zero && low === 0 ? 0 : low - room, high + room];
	}

	function whiskers(panel, shown) {
		return (plot) => {
			const { ctx } = plot;
			ctx.save();
			ctx.lineWidth = 1.5 * devicePixelRatio;
			panel.series.forEach((series, index) => {
				if (!plot.series[index + 1].show)
					return;
				ctx.strokeStyle = shown[index];
				for (const [x, , low, high] of series.points) {
					if (low === undefined || low === null)
						continue;
					const px = plot.valToPos(x, "x", true), foot = 5 * devicePixelRatio;
					const from = plot.valToPos(low, "y", true), to = plot.valToPos(high, "y", true);
					ctx.beginPath();
					ctx.moveTo(px, from);
					ctx.lineTo(px, to);
					for (const y of [from, to]) {
						ctx.moveTo(px - foot, y);
						ctx.lineTo(px + foot, y);
					}
					ctx.stroke();
				}
			});
			ctx.restore();
		};
	}

	function draw(panel, box) {
		const place = box.querySelector(".live");
		const all = panel.series.flatMap((series) => series.points.map((point) => point[0]));
		const low = Math.min(...all), high = Math.max(...all), span = high - low || Math.abs(high) || 1;
		const data = uPlot.join(panel.series.map((series) => columns(series, span)));
		const ink = property("--ink"), muted = property("--muted"), line = property("--line");
		const shown = panel.series.map((series) => property(`--c${series.colour}`));
		const font = `12px ${getComputedStyle(document.body).fontFamily}`;
		const names = panel.names;
		const axis = { stroke: muted, font, labelFont: font, ticks: { stroke: line, size: 4 } };

		const plot = new uPlot({
			width: place.clientWidth || 700,
			height: 300,
			legend: { markers: { width: 0, fill: (u, index) => shown[index - 1] } },
			cursor: { drag: { x: true, y: true, uni: 20 }, points: { size: 8 } },
			scales: {
				x: { time: false, range: names.length ? [-0.5, names.length - 0.5] :
					(u, from, to) => from === low && to === high ? [low - span * 0.02, high + span * 0.02] :
						[from, to] },
				y: { range: (u, from, to) => {
					const wanted = limits(panel);
					return u.zoomed ? [from, to] : wanted;
				} },
			},
			axes: [
				{ ...axis, label: panel.x || undefined, labelSize: 22, grid: { show: false },
				  ...(names.length ? {
					splits: () => names.map((_, index) => index),
					values: (u, at) => at.map((index) => names[index] ?? ""),
				  } : {}) },
				{ ...axis, label: panel.y, labelSize: 22, size: 62, grid: { stroke: line, width: 1 } },
			],
			series: [
				{ label: names.length ? "group" : panel.x.split(",")[0],
				  value: (u, x) => names.length ? names[Math.round(x)] ?? "–" : digits(x) },
				...panel.series.map((series, index) => ({
					label: series.label,
					stroke: shown[index],
					width: series.mark === "points" ? 0 : 1.75,
					dash: series.dashed ? [6, 4] : undefined,
					value: (u, y) => digits(y),
					paths: series.mark === "points" ? () => null :
						series.mark === "step" ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
					points: { show: series.mark === "points" || series.points.length === 1,
						  size: series.points.length > 60 ? 5 : 9, fill: shown[index], width: 0 },
				})),
			],
			hooks: {
				draw: [whiskers(panel, shown)],
				setSelect: [(u) => { u.zoomed = u.select.width > 0; }],
				ready: [(u) => u.over.addEventListener("dblclick", () => {
					u.zoomed = false;
					u.setScale("y", { min: null, max: null });
				})],
			},
		}, data, place);
		box.classList.add("is-live");
		plot.root.style.color = ink;
		return plot;
	}

	function drawAll() {
		for (const plot of plots)
			plot.destroy();
		// The place has a width only once it is shown.
		plots = boxes.map((box, index) => {
			if (!panels[index].series.some((series) => series.points.length))
				return null;
			box.classList.add("is-live");
			return draw(panels[index], box);
		}).filter(Boolean);
	}

	if (!globalThis.uPlot || boxes.length !== panels.length)
		return;
	drawAll();
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
	let width = innerWidth, waiting = 0;
	addEventListener("resize", () => {
		clearTimeout(waiting);
		waiting = setTimeout(() => {
			if (innerWidth !== width) {
				width = innerWidth;
				drawAll();
			}
		}, 120);
	});
})();
