// What the tests of the web page share: a server, a browser, and a device made of files.
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [edgelm, makeTinyModel, modules, chromiumPath] = process.argv.slice(2);

export const folder = fs.mkdtempSync(path.join(os.tmpdir(), "edgelm-page-"));
const model = path.join(folder, "tiny.gguf");
execFileSync(makeTinyModel, [model, "20000"]);
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

export function write(root, name, text) {
	const file = path.join(root, name);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	// At once, as the kernel shows a new value.
	fs.writeFileSync(file + ".new", text);
	fs.renameSync(file + ".new", file);
}

// A tree that looks like a board with four cores and an INA3221; `ticks` is its age.
export class Device {
	root = fs.mkdtempSync(path.join(folder, "device-"));
	ticks = 1000;

	constructor() {
		this.tick(0);
		this.heat(41.5);
		write(this.root, "sys/class/thermal/thermal_zone0/type", "CPU-therm\n");
		write(this.root, "proc/meminfo",
		      "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
		write(this.root, "proc/self/status", "VmRSS: 900000 kB\nRssAnon: 200000 kB\nRssFile: 700000 kB\n" +
		      "RssShmem: 0 kB\nThreads: 9\n");
		write(this.root, "proc/pressure/memory",
		      "some avg10=0.00 avg60=0 avg300=0 total=0\nfull avg10=0.00 avg60=0 avg300=0 total=0\n");
		["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"].forEach((name, i) => {
			const chip = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/";
			write(this.root, `${chip}in${i + 1}_label`, name + "\n");
			write(this.root, `${chip}in${i + 1}_input`, "5000\n");
		});
		this.draw(8.2);
		for (let n = 0; n < 4; n++)
			write(this.root, `sys/devices/system/cpu/cpu${n}/cpufreq/scaling_cur_freq`, `${1428 + n}000\n`);
		const gpu = "sys/class/devfreq/57000000.gpu/";
		write(this.root, gpu + "device/of_node/name", "gpu");
		write(this.root, gpu + "device/load", "273\n");
		write(this.root, gpu + "cur_freq", "614400000\n");
		write(this.root, "sys/class/thermal/cooling_device0/type", "thermal-cpufreq-0\n");
		write(this.root, "sys/class/thermal/cooling_device0/cur_state", "2\n");
	}

	// Time passes, in hundredths of a second, in which the cores are so busy, in percent.
	tick(busy, ticks = 100) {
		this.ticks += ticks;
		this.busy = (this.busy ?? 0) + Math.round(busy * ticks / 100);
		const line = (name, cores) =>
			`${name} ${this.busy * cores} 0 0 ${(this.ticks - this.busy) * cores} 0 0 0 0 0 0\n`;
		write(this.root, "proc/stat", line("cpu ", 4) + [0, 1, 2, 3].map((n) => line(`cpu${n}`, 1)).join(""));
		write(this.root, "proc/self/stat", `7 (edgelm) R 1 1 1 0 -1 0 0 0 0 0 ${this.busy * 3} 0 0 0\n`);
	}

	// Watts of the whole board, and of parts of it.
	draw(watts) {
		[1, 0.43, 0.18].forEach((share, i) =>
			write(this.root, `sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/curr${i + 1}_input`,
			      `${Math.round(watts * share * 200)}\n`));
	}

	heat(degrees) {
		write(this.root, "sys/class/thermal/thermal_zone0/temp", `${Math.round(degrees * 1000)}\n`);
	}
}

export class Server {
	static async start({ options = [], file = model, template = "chatml" } = {}) {
		const server = new Server();
		server.process = spawn(edgelm, ["serve", file, "--port", "0", "--threads", "1", "--template", template,
						"--no-engine-cache", "--slots", ...options],
				       { stdio: ["ignore", "ignore", "pipe"] });
		server.ended = new Promise((resolve) => server.process.on("exit", resolve));
		let said = "";
		await new Promise((resolve, reject) => {
			server.process.stderr.on("data", (data) => {
				said += data;
				const found = /listening at http:\/\/\S+:(\d+)/.exec(said);
				if (found) {
					server.url = `http://127.0.0.1:${found[1]}/`;
					resolve();
				}
			});
			server.process.on("exit", () => reject(new Error(said)));
		});
		return server;
	}

	async json(name) {
		return (await fetch(this.url + name)).json();
	}

	running = async () => (await this.json("slots")).filter((slot) => slot.is_processing).length;

	async stop() {
		this.process.kill("SIGKILL");
		await this.ended;
	}
}

const { chromium } = createRequire(path.join(modules, "package.json"))("playwright-core");

export const launch = () => chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });

// A page of its own browser context. What goes wrong in it, and what it asks of others, is collected.
export async function openPage(browser, url, { settings = {}, ...options } = {}) {
	const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, ...options });
	const page = await context.newPage();
	page.problems = [];
	page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
	page.on("pageerror", (error) => page.problems.push(String(error)));
	page.on("request", (request) => {
		if (!request.url().startsWith(new URL(url).origin + "/") && !request.url().startsWith("blob:"))
			page.problems.push("asked elsewhere: " + request.url());
	});
	page.setDefaultTimeout(15000);
	await context.addInitScript((given) => {
		if (!localStorage.getItem("edgelm.settings"))
			localStorage.setItem("edgelm.settings", JSON.stringify(given));
	}, settings);
	// Models of random numbers would end their answers anywhere.
	await page.route("**/v1/chat/completions", (route) => {
		page.asked = route.request().postDataJSON();
		return route.continue({ postData: JSON.stringify({ ...page.asked, ignore_eos: true }) });
	});
	await page.goto(url);
	await page.waitForSelector("main > *");
	return page;
}

export async function closePage(page, allowed = []) {
	const problems = page.problems.filter((one) => !allowed.some((part) => one.includes(part)));
	await page.context().close();
	assert.deepEqual(problems, []);
}

// Puts conversations where the page keeps them, and opens the first.
export async function openHistory(page, url, conversations) {
	await page.evaluate(async (list) => {
		const request = indexedDB.open("edgelm", 1);
		await new Promise((resolve) => { request.onsuccess = resolve; });
		const change = request.result.transaction("conversations", "readwrite");
		list.forEach((one) => change.objectStore("conversations").put(one));
		await new Promise((resolve) => { change.oncomplete = resolve; });
	}, conversations);
	await page.goto(`${url}#chat/${conversations[0].id}`);
	await page.reload();
	await page.waitForSelector(".message");
}

export const conversation = (id, ...texts) => ({
	id, title: `Title ${id}`, system: "", created: 1, updated: 1,
	messages: texts.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })),
});

export async function ask(page, text) {
	await page.fill("#prompt", text);
	await page.press("#prompt", "Enter");
}

export const answered = (page) =>
	page.waitForFunction(() => !document.querySelector(".chat.running") && document.querySelector(".message.assistant .figures, .error"));

// The same page, again and again, until it is as wanted.
export async function until(what, condition, seconds = 15) {
	const end = Date.now() + seconds * 1000;
	while (!(await condition())) {
		assert.ok(Date.now() < end, `not in ${seconds} seconds: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
