// A report of `edgelm study report` in a real browser: charts, tables, numbers, dark mode, print,
// and text that would like to be a script.
// usage: test_report.mjs EDGELM MAKE_TINY_MODEL FOLDER-OF-NODE_MODULES CHROMIUM
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { folder, launch } from "./page_support.mjs";

const edgelm = process.argv[2];
const hostile = `<script>window.hacked = 1</script><img src="x" onerror="window.hacked = 1">`;
const study = path.join(folder, `study <b onmouseover=alert(1)>`);
const file = path.join(folder, "report.html");
let browser;

before(async () => {
	const queries = path.join(folder, "queries");
	fs.mkdirSync(queries);
	for (const category of ["complex", "contextual", "conversational", "simple", "task-oriented"]) {
		const long = category === "contextual" ? " and more".repeat(400) : "";
		const lines = [1, 2, 3].map((number) => `${category} ${hostile} ${number}${long}`);
		fs.writeFileSync(path.join(queries, category + ".txt"), lines.join("\n"));
	}
	execFileSync(edgelm, ["study", "run", path.join(folder, "tiny.gguf"), "-o", study, "--queries", queries,
			      "--experiments", "workload,output-length", "--repeats", "2", "--ctx", "2048", "-q"],
		     { env: { ...process.env, EDGELM_CACHE: path.join(folder, "cache") } });
	execFileSync(edgelm, ["study", "report", study, "-o", file]);
	browser = await launch();
});

after(() => browser?.close());

// The page, with all that went wrong in it and all that it asked for.
async function open(options = {}) {
	const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
	const page = await context.newPage();
	page.problems = [];
	page.requests = [];
	page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
	page.on("pageerror", (error) => page.problems.push(String(error)));
	page.on("dialog", (dialog) => {
		page.problems.push("a dialog: " + dialog.message());
		dialog.dismiss();
	});
	page.on("request", (request) => page.requests.push(request.url()));
	await page.goto(pathToFileURL(file).href);
	return page;
}

async function close(page) {
	assert.deepEqual(page.problems, []);
	await page.context().close();
}

test("every chart is drawn by uPlot, with a picture and a table behind it", async () => {
	const page = await open();
	const charts = await page.locator(".chart").count();
	assert.ok(charts >= 8, `${charts} charts`);
	assert.equal(await page.locator(".chart > svg").count(), charts);
	assert.equal(await page.locator(".chart.is-live canvas").count(), charts);
	assert.equal(await page.locator(".chart > svg:visible").count(), 0);
	// Something is painted in each.
	const blank = await page.$$eval(".live canvas", (canvases) => canvases.filter((canvas) => {
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
		return !data.some((byte) => byte);
	}).length);
	assert.equal(blank, 0);
	assert.equal(await page.locator(".figure details table").count(), charts);
	const nan = (await page.content()).match(/\bnan\b|\binf\b/);
	assert.equal(nan, null);
	await close(page);
});

test("it says the numbers of the database", async () => {
	execFileSync(edgelm, ["study", "export", study]);
	const [head, ...rows] = fs.readFileSync(path.join(study, "trial.csv"), "utf8").split("\r\n").filter(Boolean)
		.map((line) => line.match(/("([^"]|"")*"|[^,]*)(,|$)/g).map((cell) => cell.replace(/,$/, "")));
	const column = (row, name) => row[head.indexOf(name)];
	const experiments = fs.readFileSync(path.join(study, "experiment.csv"), "utf8");
	const workload = experiments.match(/^(\d+),\d+,workload/m)[1];
	const values = rows.filter((row) => column(row, "experiment_id") === workload && column(row, "warmup") === "0" &&
				   ["ok", "truncated"].includes(column(row, "status")) && column(row, "ttft_ns"))
		.map((row) => Number(column(row, "ttft_ns")) / 1e6).sort((a, b) => a - b);
	const middle = (values.length - 1) / 2;
	const median = (values[Math.floor(middle)] + values[Math.ceil(middle)]) / 2;
	const page = await open();
	const tile = await page.textContent(".tile:first-child");
	const shown = Number(tile.match(/([\d.]+) ms/)[1]);
	assert.ok(Math.abs(shown - median) <= 0.5 * 10 ** -(median >= 100 ? 0 : median >= 10 ? 1 : 2) + 1e-9,
		  `${tile} for ${median}`);
	assert.match(tile, new RegExp(`n = ${values.length}$`));
	const cells = await page.$$eval("#medians .wide tbody tr", (all) => all.slice(0, 5).map((row) => row.cells[1].textContent));
	assert.equal(cells.reduce((sum, n) => sum + Number(n), 0), values.length);
	await close(page);
});

test("prompts that did not fit are told, and hostile text is only text", async () => {
	const page = await open();
	const appendix = await page.textContent("#appendix");
	assert.match(appendix, /rejected/);
	assert.ok(appendix.includes(hostile), "the text of a rejected query");
	assert.ok(appendix.includes("<b onmouseover=alert(1)>"), "the command");
	assert.equal(await page.evaluate(() => window.hacked), undefined);
	assert.equal(await page.locator("main img, main script, main b").count(), 0);
	await close(page);
});

test("the policy lets nothing else run", async () => {
	const page = await open();
	await page.evaluate(() => {
		const script = document.createElement("script");
		script.textContent = "window.hacked = 2";
		document.body.append(script);
		const button = document.createElement("button");
		button.setAttribute("onclick", "window.hacked = 3");
		document.body.append(button);
		button.click();
	});
	assert.equal(await page.evaluate(() => window.hacked), undefined);
	assert.equal(page.problems.filter((problem) => /Content Security Policy/.test(problem)).length, 2);
	await page.context().close();
});

test("it asks for nothing but itself", async () => {
	const page = await open();
	await page.mouse.wheel(0, 20000);
	await page.waitForTimeout(200);
	assert.deepEqual(page.requests, [pathToFileURL(file).href]);
	await close(page);
});

test("dark and light have colours of their own, also while it is open", async () => {
	const page = await open({ colorScheme: "dark" });
	const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const bright = (colour) => colour.match(/\d+/g).slice(0, 3).every((value) => Number(value) > 200);
	assert.ok(!bright(await paper()));
	const dark = await page.locator(".live canvas").first().evaluate((canvas) => canvas.toDataURL());
	await page.emulateMedia({ colorScheme: "light" });
	assert.ok(bright(await paper()));
	await page.waitForFunction((old) => document.querySelector(".live canvas").toDataURL() !== old, dark);
	await close(page);
});

test("on paper there are the pictures, without what is for the screen", async () => {
	const page = await open({ colorScheme: "dark" });
	const charts = await page.locator(".chart").count();
	await page.emulateMedia({ media: "print" });
	assert.equal(await page.locator(".chart > svg:visible").count(), charts);
	assert.equal(await page.locator(".live:visible").count(), 0);
	assert.equal(await page.locator("nav:visible").count(), 0);
	const pdf = await page.pdf();
	assert.ok(pdf.length > 20000);
	await close(page);
});

test("without scripts it shows pictures and tables", async () => {
	const page = await open({ javaScriptEnabled: false });
	assert.ok(await page.locator(".chart > svg:visible").count() >= 8);
	assert.ok(await page.locator("#medians table:visible").count() >= 1);
	await close(page);
});

test("a narrow screen scrolls in no direction but down", async () => {
	const page = await open({ viewport: { width: 380, height: 800 } });
	assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await close(page);
});
