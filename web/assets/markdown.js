// Text of models as elements. It is hostile: whatever it holds, it must not run, load, or look like
// part of the page. marked makes markup of it, DOMPurify takes from that all but plain formatting, and
// the server's Content-Security-Policy would stop what is left.
import { hasMarkdown } from "./build.js";
import { copyButton, el } from "./dom.js";

const tags = ["a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
	      "li", "ol", "p", "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead",
	      "tr", "ul"];
const attributes = ["href", "align", "start", "class"];

export function loadScript(name) {
	return new Promise((resolve, reject) => {
		const script = el("script", { src: new URL(`lib/${name}.js`, import.meta.url) });
		script.onload = resolve;
		script.onerror = reject;
		document.head.append(script);
	});
}

let ready = false;

// Resolves when texts can be rendered, with the libraries or without.
export async function prepare() {
	if (!hasMarkdown)
		return;
	try {
		await Promise.all([loadScript("marked"), loadScript("purify")]);
	} catch {
		return;
	}
	globalThis.marked.use({ gfm: true, breaks: true, renderer: {
		// Markup in a text is shown as the text that it is.
		html: ({ text }) => escapeText(text),
		// An image would be loaded from wherever the text says; its description is all of it.
		image: ({ text, href }) => escapeText(text || href),
	} });
	ready = true;
}

function escapeText(text) {
	const signs = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
	return text.replace(/[&<>"]/g, (sign) => signs[sign]);
}

function finishLinks(fragment) {
	for (const link of fragment.querySelectorAll("a")) {
		if (!/^(https?|mailto):/i.test(link.getAttribute("href") || "")) {
			link.replaceWith(...link.childNodes);
			continue;
		}
		link.setAttribute("target", "_blank");
		link.setAttribute("rel", "noopener noreferrer nofollow");
		link.setAttribute("title", link.getAttribute("href"));
	}
}

function finishBlocks(fragment) {
	for (const block of fragment.querySelectorAll("pre")) {
		const code = block.querySelector("code") ?? block;
		const language = /^language-([\w+#.-]{1,20})$/.exec(code.className)?.[1] ?? "";
		code.removeAttribute("class");
		block.tabIndex = 0; // so that the keyboard can scroll it
		const frame = el("div", { class: "code" });
		block.replaceWith(frame);
		frame.append(el("div", { class: "code-head" }, el("span", {}, language),
				copyButton("Copy this code", () => code.textContent)), block);
	}
	for (const table of fragment.querySelectorAll("table")) {
		const frame = el("div", { class: "table-frame", tabindex: 0, role: "region", "aria-label": "Table" });
		table.replaceWith(frame);
		frame.append(table);
	}
	// Classes are for the above only: none of the page's own.
	for (const element of fragment.querySelectorAll("[class]"))
		if (!element.closest(".code, .table-frame"))
			element.removeAttribute("class");
}

// Replaces the content of `target`.
export function render(target, text) {
	if (!ready) {
		target.classList.add("plain-text");
		target.textContent = text;
		return;
	}
	target.classList.remove("plain-text");
	const fragment = globalThis.DOMPurify.sanitize(globalThis.marked.parse(text), {
		ALLOWED_TAGS: tags, ALLOWED_ATTR: attributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
		RETURN_DOM_FRAGMENT: true,
	});
	finishLinks(fragment);
	finishBlocks(fragment);
	target.replaceChildren(fragment);
}
