// The web page of `edgelm serve` in a real browser.
// usage: test_page.mjs EDGELM MAKE_TINY_MODEL FOLDER-OF-NODE_MODULES CHROMIUM
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { Device, Server, answered, ask, closePage, conversation, folder, launch, openHistory, openPage, until,
	 write } from "./page_support.mjs";

const short = { sampling: { max_tokens: 24, temperature: 0 } };
let browser, device, server;

before(async () => {
	device = new Device();
	[browser, server] = await Promise.all([
		launch(), Server.start({ options: ["--ctx", "20000", "--sysroot", device.root] })]);
});

after(async () => {
	await browser?.close();
	await server?.stop();
});

const open = (options) => openPage(browser, server.url, options);
const text = (page, selector) => page.textContent(selector);
const lastAnswer = async (page) => (await page.locator(".message.assistant .text").last().textContent()).trim();

test("an answer appears while it is written", async () => {
	// So many that even the smallest model takes a while.
	const page = await open({ settings: { sampling: { max_tokens: 19000, temperature: 0 } } });
	await page.evaluate(() => {
		window.lengths = new Set();
		new MutationObserver(() => {
			const answer = document.querySelector(".chat.running .message.assistant .text");
			if (answer)
				window.lengths.add(answer.textContent.length);
		}).observe(document.querySelector(".messages"), { childList: true, subtree: true });
	});
	await ask(page, "Hello");
	await page.waitForSelector(".chat.running");
	await page.waitForSelector(".chat.running", { state: "detached", timeout: 60000 });
	const seen = await page.evaluate(() => [...window.lengths]);
	assert.ok(seen.filter((length) => length > 0).length >= 3, `these lengths were seen: ${seen}`);
	assert.match(await text(page, ".message.assistant .figures"),
		     /^[\d.]+ m?s to the first token · [\d.,]+ tokens\/s · 19,000 tokens · cut off/);
	assert.match(await text(page, ".hint"), /^19,0\d\d of 20,000 tokens of context used$/);
	assert.equal(await text(page, ".message.user .text"), "Hello");
	await closePage(page);
});

test("stopping ends the answer here and on the server", async () => {
	const page = await open();
	await ask(page, "Without end");
	await page.waitForFunction(() => document.querySelector(".message.assistant .text")?.textContent.length > 20);
	await page.click("button[aria-label='Stop the answer']");
	await answered(page);
	assert.match(await text(page, ".message.assistant .figures"), /tokens · stopped$/);
	await until("nothing runs", async () => (await server.running()) === 0);
	const said = await lastAnswer(page);
	await page.waitForTimeout(300);
	assert.equal(await lastAnswer(page), said);
	await closePage(page);
});

test("the history is there after a reload, and can be renamed, deleted and had back", async () => {
	const page = await open({ settings: short });
	await ask(page, "First question\nof two lines");
	await answered(page);
	const said = await lastAnswer(page);
	await page.reload();
	await page.click("#list a");
	assert.equal(await lastAnswer(page), said);
	assert.equal(await text(page, "#title"), "First question");

	await page.click("summary[aria-label='This conversation']");
	await page.click("text=Rename");
	await page.fill("#ask-text", "<b>New</b> name");
	await page.press("#ask-text", "Enter");
	assert.equal(await text(page, "#list a"), "<b>New</b> name");
	await page.reload();
	assert.equal(await text(page, "#list a"), "<b>New</b> name");

	await page.click("summary[aria-label='This conversation']");
	await page.click(".menu-body >> text=Delete");
	await page.waitForSelector("#list a", { state: "detached" });
	await page.click("text=Undo");
	await page.waitForSelector("#list a");
	assert.equal(await lastAnswer(page), said);
	await page.click("summary[aria-label='This conversation']");
	await page.click(".menu-body >> text=Delete");
	await page.reload();
	assert.equal(await page.locator("#list a").count(), 0);
	await closePage(page);
});

test("a conversation that is deleted while it is answered stays deleted", async () => {
	const page = await open();
	await ask(page, "Gone");
	await page.waitForSelector("#list a");
	await page.click("summary[aria-label='This conversation']");
	await page.click(".menu-body >> text=Delete");
	await until("nothing runs", async () => (await server.running()) === 0);
	await page.waitForTimeout(300);
	assert.equal(await page.locator("#list a").count(), 0);
	await page.reload();
	assert.equal(await page.locator("#list a").count(), 0);
	await closePage(page);
});

test("exports hold the conversation", async () => {
	const page = await open({ settings: short });
	await openHistory(page, server.url, [conversation("x", "Question?", "Answer *here*.")]);
	for (const [label, name, check] of [
		["Export as Markdown", "Title x.md",
		 (data) => assert.equal(data, "# Title x\n\n**You**\n\nQuestion?\n\n**Model**\n\nAnswer *here*.\n")],
		["Export as JSON", "Title x.json",
		 (data) => assert.equal(JSON.parse(data).messages[1].content, "Answer *here*.")]]) {
		await page.click("summary[aria-label='This conversation']");
		const [download] = await Promise.all([page.waitForEvent("download"), page.click(`text=${label}`)]);
		assert.equal(download.suggestedFilename(), name);
		check(fs.readFileSync(await download.path(), "utf8"));
	}
	await closePage(page);
});

test("answers can be had again, and messages edited", async () => {
	const page = await open({ settings: short });
	await openHistory(page, server.url, [conversation("e", "One", "Old answer", "Two", "Old second")]);
	await page.click(".message.last [aria-label='Answer again']");
	await page.waitForFunction(() => !document.body.textContent.includes("Old second"));
	await answered(page);
	assert.deepEqual(page.asked.messages.map((m) => m.content), ["One", "Old answer", "Two"]);
	await page.hover(".message.user >> nth=0");
	await page.click("[aria-label='Edit the message and ask again'] >> nth=0");
	assert.equal(await page.inputValue("#prompt"), "One");
	assert.equal(await page.locator(".message").count(), 0);
	await ask(page, "Uno");
	await answered(page);
	assert.deepEqual(page.asked.messages, [{ role: "user", content: "Uno" }]);
	await closePage(page);
});

test("system prompt and sampling settings reach the server", async () => {
	const page = await open();
	await page.click("#to-settings");
	assert.equal(await page.getAttribute("#set-temperature", "placeholder"), "0.8");
	await page.fill("#set-system", "Answer in verse.");
	await page.fill("#set-temperature", "9");
	await page.click("dialog button[type=submit]");
	assert.ok(await page.isVisible("dialog"), "what is out of range is not saved");
	await page.fill("#set-temperature", "0.25");
	await page.fill("#set-max_tokens", "5");
	await page.fill("#set-seed", "7");
	await page.click("dialog button[type=submit]");
	await page.waitForSelector("dialog", { state: "detached" });
	await page.click("#new");
	await ask(page, "Hi");
	await answered(page);
	assert.deepEqual(page.asked.messages,
			 [{ role: "system", content: "Answer in verse." }, { role: "user", content: "Hi" }]);
	assert.equal(page.asked.temperature, 0.25);
	assert.equal(page.asked.seed, 7);
	assert.equal(page.asked.top_p, undefined, "what is not set is left to the server");
	assert.match(await text(page, ".figures"), / 5 tokens/);
	await closePage(page);
});

const hostile = [
	"<script>window.pwned = 1</script>", "<img src=x onerror='window.pwned = 2'>",
	"<svg onload='window.pwned = 3'><a xlink:href='javascript:alert(1)'>x</a></svg>",
	"<iframe srcdoc='<script>parent.pwned = 4</script>'></iframe>", "[a](javascript:window.pwned=5)",
	"[b](data:text/html,<script>window.pwned=6</script>)", "![c](http://evil.example/c.png)",
	"<style>body { display: none }</style>", "<form action='http://evil.example'><input name=q></form>",
	"```html\n<script>window.pwned = 7</script>\n```", "<a href='http://evil.example' class='button' onclick='pwned=8'>d</a>",
	"<http://evil.example/%22onmouseover=%22pwned=9>", "```\"><img/src/onerror=pwned=10>\nx\n```",
	"[e]: http://evil.example 'onload=pwned=11'\n[e]", "<math><mtext><table><mglyph><style><img src=x onerror=pwned=12>",
	"<div id=prompt class=composer>x</div>", "[f](  jAvAsCrIpT&colon;pwned=13)", "&lt;img src=x onerror=pwned=14&gt;",
];

async function assertHarmless(page) {
	await page.waitForTimeout(200);
	assert.equal(await page.evaluate(() => window.pwned), undefined);
	const found = await page.evaluate(() => ({
		tags: [...new Set([...document.querySelectorAll(".text *")].filter((e) => !e.closest(".code-head"))
			.map((e) => e.localName))],
		handlers: [...document.querySelectorAll(".text *")].flatMap((e) => [...e.attributes])
			.filter((a) => a.name.startsWith("on") || a.name === "style" || a.name === "id").length,
		links: [...document.querySelectorAll(".text a")].map((a) => [a.protocol, a.target, a.rel]),
		prompts: document.querySelectorAll("#prompt").length,
	}));
	for (const tag of ["script", "img", "svg", "iframe", "style", "form", "input", "math", "object"])
		assert.ok(!found.tags.includes(tag), tag);
	assert.equal(found.handlers, 0);
	assert.equal(found.prompts, 1);
	for (const [protocol, target, rel] of found.links) {
		assert.match(protocol, /^(https?|mailto):$/);
		assert.equal(target, "_blank");
		assert.match(rel, /noopener noreferrer/);
	}
}

test("what a model has written cannot run, load or look like the page", async () => {
	const page = await open();
	const list = conversation("h", "Question", hostile.join("\n\n"));
	list.title = "<img src=x onerror='window.pwned = 20'>";
	list.messages[1].figures = "<img src=x onerror='window.pwned = 21'>";
	await openHistory(page, server.url, [list]);
	await assertHarmless(page);
	assert.ok((await text(page, ".text >> nth=1")).includes("<script>window.pwned = 1</script>"), "markup is shown");
	// The same as it comes, in pieces that cut everything anywhere.
	const answer = hostile.join("\n\n");
	await page.route("**/v1/chat/completions", (route) => route.fulfill({
		contentType: "text/event-stream",
		body: [...answer.matchAll(/[\s\S]{1,7}/g)].map(([piece]) => "data: " +
			JSON.stringify({ choices: [{ delta: { content: piece }, finish_reason: null }] }) + "\n\n").join("") +
			"data: [DONE]\n\n",
	}));
	await page.click("#new");
	await ask(page, "<img src=x onerror='window.pwned = 22'>");
	await page.waitForFunction(() => !document.querySelector(".chat.running") && document.querySelector(".message.assistant"));
	await assertHarmless(page);
	await closePage(page);
});

test("markdown is laid out, and its code can be copied", async () => {
	const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
	await openHistory(page, server.url, [conversation("m", "Show",
		"# Head\n\nSome *soft* and **loud** words.\n\n```c\nint main(void)\n{\n}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")]);
	assert.equal(await text(page, ".text h1"), "Head");
	assert.equal(await text(page, ".text strong"), "loud");
	assert.equal(await page.locator(".text td").count(), 2);
	assert.equal(await text(page, ".code-head span"), "c");
	await page.click("[aria-label='Copy this code']");
	assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "int main(void)\n{\n}\n");
	await closePage(page);
});

test("thoughts are folded away, and not told again", async () => {
	const page = await open({ settings: short });
	await openHistory(page, server.url, [conversation("t", "Why?", "<think>Hm, why.</think>Because.")]);
	assert.equal(await lastAnswer(page), "Because.");
	assert.ok(!(await page.isVisible("text=Hm, why.")));
	await page.click("text=Thoughts");
	assert.ok(await page.isVisible("text=Hm, why."));
	await ask(page, "And?");
	await answered(page);
	assert.equal(page.asked.messages[1].content, "Because.");
	await closePage(page);
});

test("errors are told in words", async () => {
	const page = await open({ settings: short });
	await ask(page, "word ".repeat(21000));
	await page.waitForSelector(".error");
	assert.match(await text(page, ".error"), /too long for the model: [\d]+ tokens, and it can read 20000/);
	await page.route("**/v1/chat/completions", (route) => route.fulfill({
		status: 503, headers: { "Retry-After": "7" }, contentType: "application/json",
		body: '{"error":{"code":503,"message":"64 requests wait already","type":"unavailable_error"}}' }));
	await page.click("#new");
	await ask(page, "busy");
	await page.waitForSelector(".error");
	assert.equal(await text(page, ".error"), "The server is busy (64 requests wait already). Try again in 7 seconds.");
	await page.route("**/v1/chat/completions", (route) => route.fulfill({
		contentType: "text/event-stream", body: 'data: {"choices":[{"delta":{"content":"cut"}}]}\n\n' }));
	await page.click("#new");
	await ask(page, "cut");
	await page.waitForSelector(".error");
	assert.match(await text(page, ".error"), /ended the answer before it was complete/);
	assert.equal(await lastAnswer(page), "cut");
	await page.route("**/v1/chat/completions", (route) => route.abort());
	await page.click("#new");
	await ask(page, "gone");
	await page.waitForSelector(".error");
	assert.match(await text(page, ".error"), /does not answer. Is edgelm still running\?/);
	await closePage(page, ["Failed to load resource"]);
});

test("a key is asked for where the server wants one", async () => {
	write(folder, "keys", "right-key\n");
	const locked = await Server.start({ options: ["--ctx", "500", "--api-key-file", path.join(folder, "keys")] });
	const page = await openPage(browser, locked.url, { settings: short });
	const give = async (key) => {
		await page.waitForSelector("dialog #set-key");
		await page.fill("#set-key", key);
		await page.press("#set-key", "Enter");
	};
	await give("wrong-key");
	await give("right-key");
	await page.waitForSelector("dialog", { state: "detached" });
	await ask(page, "Hi");
	await answered(page);
	assert.match(await text(page, ".figures"), /24 tokens/);
	assert.equal(await page.evaluate(() => localStorage.getItem("edgelm.settings").includes("right-key")), false);
	assert.equal((await fetch(locked.url + "edgelm/status")).status, 401);
	await page.click("#to-dashboard");
	await page.waitForSelector("#tile-requests .value >> text=0");
	await closePage(page, ["401"]);
	await locked.stop();
});

test("the model can be chosen where there are several", async () => {
	const file = path.join(folder, "tiny.gguf");
	const two = await Server.start({ options: ["--ctx", "500", "--alias", "first", "--model", `second=${file}`] });
	const page = await openPage(browser, two.url, { settings: short });
	await page.selectOption("#model", "second");
	assert.match(await text(page, ".greeting"), /computed by second/);
	await ask(page, "Hi");
	await answered(page);
	assert.equal(page.asked.model, "second");
	await page.reload();
	await page.waitForSelector("#model");
	await page.waitForFunction(() => document.querySelector("#model").value === "second");
	await page.click("#to-dashboard");
	await page.waitForFunction(() => document.querySelector("#dashboard-note")?.textContent.includes("first: llama"));
	await closePage(page);
	await two.stop();
});

const shown = (page, tile) => text(page, `#tile-${tile} .value`);

test("the values of the dashboard move", async () => {
	const page = await open({ settings: { sampling: { temperature: 0 } } });
	await ask(page, "Without end");
	await page.waitForSelector(".chat.running");
	await page.click("#to-dashboard");
	await until("a rate", async () => parseFloat(await shown(page, "tokens-per-second")) > 0);
	await until("a request", async () => (await shown(page, "requests")) === "1");
	await until("memory of the cache", async () => parseFloat(await shown(page, "kv-cache")) > 0);
	assert.match(await shown(page, "time-to-first-token"), /µs|ms|s/);
	assert.match(await shown(page, "memory"), /^2\.86 GiB$/); // 8 less 5 million kB
	await until("temperature", async () => (await shown(page, "temperature")) === "41.5 °C");
	assert.match(await text(page, "#tile-temperature .detail"), /CPU-therm 41.5 °C/);
	await until("power", async () => (await shown(page, "power")) === "8.2 W");
	assert.match(await text(page, "#tile-power .detail"), /of the whole board/);
	assert.match(await text(page, "#tile-temperature .detail"), /slowed down: thermal-cpufreq-0/);
	assert.match(await text(page, "#tile-processor .detail"), /1428 MHz to 1431 MHz.*GPU gpu: 27.3 %, 614 MHz/s);
	device.heat(63.2);
	await until("more heat", async () => (await shown(page, "temperature")) === "63.2 °C");
	for (const busy of [80, 15]) {
		const ticking = setInterval(() => device.tick(busy), 1000);
		await until(`${busy} % of the processor`, async () => {
			const value = parseFloat(await shown(page, "processor"));
			return Math.abs(value - busy) < 0.1;
		});
		clearInterval(ticking);
	}
	assert.ok((await page.locator(".tile canvas").count()) > 6, "charts are drawn");
	await page.check("text=Tables");
	await page.waitForSelector("#tile-temperature table >> text=63.2 °C");
	assert.equal(await page.locator(".tile canvas").count(), 0);
	// The answer has gone on meanwhile.
	await page.goBack();
	await until("more text", async () => (await lastAnswer(page)).length > 1000);
	await page.press("#prompt", "Escape");
	await page.click("#to-dashboard");
	await until("no request", async () => (await shown(page, "requests")) === "0");
	await closePage(page);
});

test("what nobody measures says so, and why", async () => {
	const root = path.join(folder, "bare");
	write(root, "proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n");
	const bare = await Server.start({ options: ["--ctx", "500", "--sysroot", root] });
	const page = await openPage(browser, bare.url + "#dashboard");
	await page.waitForSelector("#tile-power .unmeasured");
	assert.match(await shown(page, "power"), /^unmeasured neither power rails nor RAPL/);
	assert.match(await shown(page, "temperature"), /^unmeasured the kernel shows no temperature sensor/);
	assert.match(await shown(page, "processor"), /^unmeasured the kernel has no file/);
	assert.match(await shown(page, "time-to-first-token"), /^unmeasured no answer has begun yet/);
	assert.ok(!/\b0(\.0)? (W|°C)/.test(await text(page, ".tiles")), "nothing unmeasured is shown as 0");
	await closePage(page);
	await bare.stop();
});

test("the keyboard is enough", async () => {
	const page = await open({ settings: short });
	const name = () => page.evaluate(() => {
		const e = document.activeElement;
		return e.getAttribute("aria-label") || e.textContent.trim() || e.id;
	});
	const tabTo = async (wanted) => {
		for (let i = 0; i < 40; i++) {
			await page.keyboard.press("Tab");
			if ((await name()) === wanted)
				return;
		}
		assert.fail(`Tab does not reach ${wanted}`);
	};
	await page.keyboard.type("Typed at once");
	await page.keyboard.press("Shift+Enter");
	await page.keyboard.type("second line");
	await page.keyboard.press("Enter");
	await answered(page);
	assert.equal(await text(page, ".message.user .text"), "Typed at once\nsecond line");
	await page.evaluate(() => document.activeElement.blur());
	await tabTo("Skip to the content");
	await tabTo("Settings");
	await page.keyboard.press("Enter");
	await page.waitForSelector("dialog");
	assert.ok(await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)));
	await page.keyboard.press("Escape");
	await page.waitForSelector("dialog", { state: "detached" });
	assert.equal(await name(), "Settings", "the focus comes back");
	await tabTo("This conversation");
	await page.keyboard.press("Enter");
	await tabTo("Rename");
	await page.keyboard.press("Enter");
	await page.keyboard.type("By hand");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#title").textContent === "By hand");
	await page.keyboard.press("Alt+d");
	await page.waitForSelector(".dashboard");
	await page.keyboard.press("Alt+d");
	await page.waitForSelector(".chat");
	await page.keyboard.press("Alt+n");
	await page.waitForSelector(".greeting");
	await page.keyboard.type("New");
	assert.equal(await page.inputValue("#prompt"), "New");
	await closePage(page);
});

test("escape stops an answer", async () => {
	const page = await open();
	await ask(page, "Without end");
	await page.waitForFunction(() => document.querySelector(".message.assistant .text")?.textContent.length > 5);
	await page.keyboard.press("Escape");
	await answered(page);
	assert.match(await text(page, ".figures"), /stopped$/);
	await closePage(page);
});

test("a phone shows all of it without scrolling sideways", async () => {
	const page = await open({ viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true, settings: short });
	const fits = async (what) => {
		const wide = await page.evaluate(() => Math.max(document.documentElement.scrollWidth,
			...[...document.querySelectorAll("main > *, main > * > *, dialog")].map((e) => e.scrollWidth)));
		assert.ok(wide <= 360, `${what} is ${wide} wide`);
	};
	await openHistory(page, server.url, [conversation("p", "W".repeat(300),
		"```\n" + "long ".repeat(100) + "\n```\n\n| " + "column | ".repeat(12) + "\n|" + "---|".repeat(12) + "\n")]);
	await fits("a conversation");
	await page.tap("#menu");
	await page.waitForTimeout(300);
	await fits("the menu");
	await page.tap("#to-dashboard");
	await page.waitForSelector("#tile-requests canvas");
	await fits("the dashboard");
	await page.tap("#menu");
	await page.waitForTimeout(300);
	await page.tap("#to-settings");
	await page.waitForSelector("dialog");
	await fits("the settings");
	await closePage(page);
});

// Of two colours "rgb(r, g, b)", as WCAG 2 defines it.
function contrast(a, b) {
	const light = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number).map((v) => v / 255)
		.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
	return (high + 0.05) / (low + 0.05);
}

const colours = (page) => page.evaluate(() => {
	const probe = document.body.appendChild(document.createElement("i"));
	const names = ["paper", "raised", "sunken", "ink", "muted", "accent", "danger", "on-accent"];
	const all = names.map((name) => {
		probe.style.color = `var(--${name})`;
		return [name, getComputedStyle(probe).color];
	});
	probe.remove();
	return Object.fromEntries(all);
});

test("light and dark follow the system or the choice, and can be read", async () => {
	const themes = {};
	for (const colorScheme of ["light", "dark"]) {
		const page = await open({ colorScheme });
		const c = themes[colorScheme] = await colours(page);
		for (const ground of ["paper", "raised", "sunken"])
			for (const ink of ["ink", "muted", "accent", "danger"])
				assert.ok(contrast(c[ink], c[ground]) >= 4.5, `${colorScheme}: ${ink} on ${ground}`);
		assert.ok(contrast(c["on-accent"], c.accent) >= 4.5);
		await closePage(page);
	}
	assert.ok(contrast(themes.light.paper, themes.dark.paper) > 10);
	const page = await open({ colorScheme: "light" });
	await page.click("#theme");
	await page.click("#theme");
	assert.equal(await text(page, "#theme"), "Theme: dark");
	assert.equal((await colours(page)).paper, themes.dark.paper);
	await page.reload();
	assert.equal((await colours(page)).paper, themes.dark.paper);
	await closePage(page);
});

test("without its libraries the page is plainer, and works", async () => {
	const context = await browser.newContext();
	const page = await context.newPage();
	const problems = [];
	page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
	page.on("pageerror", (error) => problems.push(String(error)));
	await page.route("**/assets/build.js", (route) => route.fulfill({
		contentType: "text/javascript", body: "export const hasMarkdown = false, hasCharts = false;" }));
	await page.goto(server.url);
	await page.waitForSelector("main > *");
	await openHistory(page, server.url, [conversation("l", "Q", hostile.join("\n\n"))]);
	assert.equal(await lastAnswer(page), hostile.join("\n\n"));
	await assertHarmless(page);
	await page.click("#to-dashboard");
	await page.waitForSelector("#tile-requests table");
	await context.close();
	assert.deepEqual(problems, []);
});

test("two tabs show the same history", async () => {
	const page = await open({ settings: short });
	const other = await page.context().newPage();
	await other.goto(server.url);
	await ask(page, "Shared");
	await answered(page);
	await other.waitForSelector("#list a >> text=Shared");
	await other.click("#list a");
	assert.equal(await lastAnswer(other), await lastAnswer(page));
	await closePage(page);
});

test("damaged history does no harm", async () => {
	const page = await open();
	await openHistory(page, server.url, [conversation("ok", "Fine", "Good"),
		{ id: "b", messages: 7 }, { id: "c", title: 5, messages: [null, { role: "system", content: "x" }, { role: "user" },
									 { role: "user", content: "kept" }] }]);
	assert.equal(await page.locator("#list a").count(), 2);
	await page.evaluate(() => localStorage.setItem("edgelm.settings", '{"sampling": {"temperature": "hot"}, "theme": []}'));
	await page.reload();
	await page.waitForSelector(".message");
	await page.click("#to-settings");
	assert.equal(await page.inputValue("#set-temperature"), "");
	await closePage(page);
});
