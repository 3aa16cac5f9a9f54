// Modules of the page that need no browser.
// usage: test_page_modules.mjs FOLDER-OF-ASSETS
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(path.resolve(process.argv[2], name)));
const { readEvents } = await load("events.js");
const { bytes, derive, digits, duration, gained, gather, quantile, seconds } = await load("figures.js");

async function events(...chunks) {
	const stream = new ReadableStream({ start(controller) {
		chunks.forEach((chunk) => controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk));
		controller.close();
	} });
	const all = [];
	for await (const one of readEvents(stream))
		all.push(one);
	return all;
}

test("events of a stream", async () => {
	assert.deepEqual(await events("data: a\n\ndata:b\n\n"), ["a", "b"]);
	assert.deepEqual(await events("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), ["a", "b", "c"]);
	assert.deepEqual(await events(":\n\nid: 1\nevent: x\ndata: a\ndata: b\nother\n\n"), ["a\nb"]);
	assert.deepEqual(await events("data: whole\n\ndata: no end\n"), ["whole"]);
	assert.deepEqual(await events("data:\n\n"), [""]);
	assert.deepEqual(await events(), []);
});

test("events that are cut anywhere", async () => {
	const text = "data: é世😀\r\n\r\n:\n\ndata: 2\n\ndata: 3\r\n\r\n";
	const all = new TextEncoder().encode(text);
	for (let size = 1; size < all.length; size++) {
		const chunks = [];
		for (let at = 0; at < all.length; at += size)
			chunks.push(all.slice(at, at + size));
		assert.deepEqual(await events(...chunks), ["é世😀", "2", "3"], `pieces of ${size}`);
	}
});

test("a reader who stops early ends the stream", async () => {
	let cancelled = false;
	const stream = new ReadableStream({
		pull: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
		cancel: () => { cancelled = true; },
	});
	for await (const one of readEvents(stream)) {
		assert.equal(one, "x");
		break;
	}
	assert.ok(cancelled);
});

test("numbers", () => {
	assert.deepEqual([0, 0.5, 3.14159, 42.123, 1234.5].map(digits), ["0", "0.5", "3.14", "42.1", "1,235"]);
	assert.deepEqual([0.0000005, 0.0123, 1.5, 75].map(seconds), ["0.5 µs", "12.3 ms", "1.5 s", "75.0 s"]);
	assert.deepEqual([0, 1023, 1024, 1536 * 1024, 5 * 2 ** 40].map(bytes), ["0 B", "1,023 B", "1.0 KiB", "1.5 MiB", "5.0 TiB"]);
	assert.deepEqual([5, 61, 3661, 90000].map(duration), ["5 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
});

const histogram = (counts) => ({ bounds: [1, 2, 4], counts, count: counts.reduce((a, b) => a + b), sum: 10 });

test("quantiles of histograms", () => {
	assert.equal(quantile(histogram([0, 0, 0, 0]), 0.5), null);
	assert.equal(quantile(histogram([2, 0, 0, 0]), 0.5), 0.5);
	assert.equal(quantile(histogram([1, 0, 1, 0]), 1), 4);
	assert.equal(quantile(histogram([0, 4, 0, 0]), 0.25), 1.25);
	assert.equal(quantile(histogram([0, 0, 0, 3]), 0.5), 4, "above all bounds");
	assert.deepEqual(gained(histogram([3, 2, 1, 0]), histogram([1, 2, 0, 0])).counts, [2, 0, 1, 0]);
});

function status(clock, generated, { uptime = clock, first = 0, models = 1 } = {}) {
	const model = {
		name: "m", state: "loaded", facts: {}, memory_pressure: "none",
		requests: { running: 1, waiting: 2, finished: { eos: 1 } },
		tokens: { prompt: 50, reused: 10, generated }, kv: { blocks: 8, used: 2, kept: 4 },
		time_to_first_token: histogram([first, 0, 0, 0]), time_between_tokens: histogram([0, 0, 0, 0]),
		time_in_queue: histogram([0, 0, 0, 0]),
	};
	const none = { unmeasured: "no sensor" };
	return gather({ clock, uptime, models: Array(models).fill(model), device: {
		cpu: { value: 40 }, process: { cpu: none, rss: { value: 7 } },
		memory: { total: { value: 100 }, available: { value: 30 } }, temperature: none, power: none } });
}

test("figures of a moment", () => {
	const first = derive(status(10, 100), null);
	assert.equal(first.generated, null);
	assert.deepEqual([first.running, first.waiting, first.kv, first.kvKept, first.cpu, first.memory], [1, 2, 25, 50, 40, 70]);
	assert.equal(first.power, null);
	const next = derive(status(12, 150, { first: 4 }), status(10, 100));
	assert.equal(next.generated, 25);
	assert.equal(next.read, 0);
	assert.equal(next.ttft, 0, "the sum did not grow");
	assert.equal(next.tbt, null);
	assert.equal(derive(status(12, 5, { uptime: 1 }), status(10, 100)).generated, null, "a server that was started anew");
});

test("several models are added up", () => {
	const both = status(10, 100, { models: 2 });
	assert.equal(both.requests.running, 2);
	assert.equal(both.requests.finished.eos, 2);
	assert.equal(both.tokens.generated, 200);
	assert.equal(derive(both, null).kv, 25);
	assert.equal(both.models.length, 2);
});
