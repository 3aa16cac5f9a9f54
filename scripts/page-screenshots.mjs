// Takes the pictures of docs/PAGE.md. The conversation is written by hand and the device is a tree of
// files, so that they look alike on every machine; what the server tells is its own.
// usage: tests/e2e/page.sh SOURCE WORK EDGELM MAKE_TINY_MODEL LIBRARY scripts/page-screenshots.mjs FOLDER
import path from "node:path";

import { Device, Server, conversation, launch, openHistory, openPage } from "../tests/e2e/page_support.mjs";

const out = process.argv[6];

const answer = `Two settings matter most.

**Power mode.** The middle mode usually gives the most tokens for a watt; look at what the board runs in:

\`\`\`sh
sudo nvpmodel -q          # the mode now
edgelm bench model.gguf   # tokens/s and memory in it
\`\`\`

**Size of the cache.** Each request needs room for its whole context:

| Requests | Context | f16 | q8_0 |
|---:|---:|---:|---:|
| 1 | 4,096 | 88 MiB | 47 MiB |
| 8 | 4,096 | 704 MiB | 374 MiB |

> With eight requests and \`--kv-type q8_0\`, a board with 8 GB keeps enough free for everything else.
`;

const history = () => {
	const open = conversation("a", "I have a board with 8 GB and a model of 1.1 billion parameters. What should I set?", answer);
	open.title = "Settings for a small board";
	open.messages[1].figures = "0.42 s to the first token · 18.6 tokens/s · 171 tokens";
	const titles = ["Explain the log of last night", "Names for the new sensor", "Translate the manual page"];
	return [open, ...titles.map((title, i) => ({ ...conversation(`b${i}`, "x", "y"), title, updated: -i }))];
};

const device = new Device();
const server = await Server.start({ options: ["--ctx", "4096", "--alias", "demo", "--parallel", "4",
					      "--sysroot", device.root] });
const browser = await launch();

async function shoot(name, options, prepare) {
	const page = await openPage(browser, server.url, options);
	const rest = await prepare(page);
	await page.screenshot({ path: path.join(out, name) });
	await rest?.();
	await page.context().close();
}

async function showHistory(page) {
	await openHistory(page, server.url, history());
	await page.evaluate(() => document.activeElement.blur());
	await page.evaluate(() => { document.querySelector(".scroller").scrollTop = 0; });
	await page.waitForTimeout(300);
}

// Requests of varying length, three at a time, and a device that warms up under them.
async function load(seconds) {
	const end = Date.now() + seconds * 1000;
	const client = async (number) => {
		while (Date.now() < end) {
			await fetch(server.url + "v1/chat/completions", { method: "POST", body: JSON.stringify({
				messages: [{ role: "user", content: "Say something. ".repeat(5 + number * 20) }],
				max_tokens: 500 + number * 1000, ignore_eos: true }) }).then((reply) => reply.text());
			await new Promise((resolve) => setTimeout(resolve, 300 + number * 900));
		}
	};
	const warming = setInterval(() => {
		const share = 1 - (end - Date.now()) / (seconds * 1000);
		device.heat(44 + 14 * share + Math.sin(share * 40));
		device.tick(55 + 25 * Math.sin(share * 22), 20);
		device.draw(5.1 + 2.4 * share + Math.sin(share * 31) * 0.7);
	}, 200);
	await Promise.all([0, 1, 2].map(client));
	clearInterval(warming);
}

await shoot("page-light.png", { viewport: { width: 1180, height: 800 } }, showHistory);
await shoot("page-dark.png", { viewport: { width: 1180, height: 800 }, colorScheme: "dark" }, showHistory);
await shoot("page-phone.png", { viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }, showHistory);
await shoot("page-dashboard.png", { viewport: { width: 1400, height: 985 } }, async (page) => {
	await showHistory(page);
	await page.click("#to-dashboard");
	const loading = load(45);
	await page.waitForTimeout(42000);
	return () => loading;
});
await browser.close();
await server.stop();
