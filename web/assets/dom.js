// Elements, icons, and what is said to screen readers.

// el("p", { class: "quiet", onclick: f }, "text", child): strings become text, never markup.
export function el(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.filter((child) => child !== null && child !== undefined));
	return element;
}

export const find = (id) => document.getElementById(id);

const paths = {
	menu: "M4 7h16M4 12h16M4 17h16",
	send: "M12 19V5M6 11l6-6 6 6",
	stop: "M8 8h8v8H8z",
	copy: "M9 9h10v10H9zM5 15V5h10",
	again: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
	edit: "M5 19l1-4L16 5l3 3L9 18z",
	more: "M6 12h.01M12 12h.01M18 12h.01",
	down: "M12 5v14M6 13l6 6 6-6",
	check: "M5 12.5l4.5 4.5L19 7.5",
	close: "M6 6l12 12M18 6L6 18",
};

export function icon(name) {
	const space = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(space, "svg");
	const path = document.createElementNS(space, "path");
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", "icon");
	svg.setAttribute("aria-hidden", "true");
	path.setAttribute("d", paths[name]);
	svg.append(path);
	return svg;
}

export function iconButton(name, label, onclick, more = {}) {
	return el("button", { class: "icon-button", type: "button", "aria-label": label, title: label,
			      onclick, ...more }, icon(name));
}

// Told to screen readers, not shown.
export function say(text) {
	find("said").textContent = text;
}

export async function copyText(text) {
	if (navigator.clipboard) {
		await navigator.clipboard.writeText(text);
		return;
	}
	// Browsers give the clipboard to pages of other machines only over HTTPS.
	const area = el("textarea", { class: "hidden", "aria-hidden": "true" });
	area.value = text;
	document.body.append(area);
	area.select();
	const done = document.execCommand("copy");
	area.remove();
	if (!done)
		throw new Error("the browser did not allow it");
}

export function copyButton(label, text) {
	const button = iconButton("copy", label, async () => {
		try {
			await copyText(text());
			button.replaceChildren(icon("check"));
			say("Copied");
		} catch {
			say("Copying failed");
			return;
		}
		setTimeout(() => button.replaceChildren(icon("copy")), 1500);
	});
	return button;
}

export function download(name, type, text) {
	const address = URL.createObjectURL(new Blob([text], { type }));
	el("a", { href: address, download: name }).click();
	setTimeout(() => URL.revokeObjectURL(address), 1000);
}
