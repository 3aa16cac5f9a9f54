// Dialogs and short notices.
import { el, find, iconButton } from "./dom.js";

let titles = 0;

// `actions` are [label, run] of the buttons at the end; the first one is the Enter key's. The dialog
// closes unless `run` returns false.
export function openDialog(title, body, actions) {
	const id = "dialog-title-" + ++titles;
	const form = el("form", { method: "dialog", novalidate: true });
	const dialog = el("dialog", { "aria-labelledby": id }, form);
	const close = () => dialog.close();
	const [first, ...others] = actions;

	form.addEventListener("submit", (event) => {
		event.preventDefault();
		if (first[1]() !== false)
			close();
	});
	form.append(el("header", {}, el("h2", { id }, title), iconButton("close", "Close", close)),
		    el("div", { class: "dialog-body" }, ...body.filter(Boolean)),
		    el("footer", {}, ...others.map(([label, run]) =>
			    el("button", { class: "button plain", type: "button",
					   onclick: () => run() !== false && close() }, label)),
		       el("button", { class: "button", type: "submit" }, first[0])));
	dialog.addEventListener("close", () => dialog.remove());
	// A click beside the dialog is one on its backdrop.
	dialog.addEventListener("click", (event) => event.target === dialog && close());
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

export function askText(title, label, value, done) {
	const input = el("input", { id: "ask-text", type: "text", maxlength: 200 });
	input.value = value;
	openDialog(title, [el("div", { class: "field" }, el("label", { for: "ask-text" }, label), input)],
		   [["Save", () => done(input.value.trim())]]);
	input.select();
}

export function toast(text, action) {
	const box = el("div", { class: "toast" }, el("span", {}, text));
	const timer = setTimeout(() => box.remove(), action ? 10000 : 5000);
	if (action)
		box.append(el("button", { class: "button plain", type: "button", onclick: () => {
			clearTimeout(timer);
			box.remove();
			action[1]();
		} }, action[0]));
	find("toasts").append(box);
}
