// What the user has chosen, kept in localStorage; and the dialog that changes it.
import { el } from "./dom.js";
import { openDialog } from "./dialogs.js";

const PLACE = "edgelm.settings";

// Settings of sampling: the name in requests, the label, and what may be entered.
export const fields = [
	{ name: "temperature", label: "Temperature", min: 0, max: 5, step: 0.05,
	  help: "0 takes the likeliest token each time; higher is more varied." },
	{ name: "top_p", label: "Top p", min: 0, max: 1, step: 0.01,
	  help: "Only the likeliest tokens that together reach this probability." },
	{ name: "top_k", label: "Top k", min: 0, max: 100000, step: 1,
	  help: "Only so many of the likeliest tokens; 0 is all." },
	{ name: "min_p", label: "Min p", min: 0, max: 1, step: 0.01,
	  help: "Only tokens at least so likely, compared with the likeliest." },
	{ name: "repeat_penalty", label: "Repeat penalty", min: 0, max: 3, step: 0.01,
	  help: "Above 1, what has been said lately becomes less likely." },
	{ name: "max_tokens", label: "Longest answer", min: 1, max: 1000000, step: 1, unset: "no limit",
	  help: "In tokens." },
	{ name: "seed", label: "Seed", min: 0, max: 4294967294, step: 1, unset: "random",
	  help: "The same seed gives the same answer again." },
];

function clean(given) {
	const settings = { theme: "", system: "", key: "", rememberKey: false, model: "", sampling: {} };
	for (const name of Object.keys(settings))
		if (name !== "sampling" && typeof given[name] === typeof settings[name])
			settings[name] = given[name];
	for (const field of fields) {
		const value = given.sampling?.[field.name];
		if (typeof value === "number" && value >= field.min && value <= field.max)
			settings.sampling[field.name] = value;
	}
	return settings;
}

function read() {
	let given = {};
	try {
		given = JSON.parse(localStorage.getItem(PLACE)) || {};
		given.key = given.key || sessionStorage.getItem(PLACE + ".key") || "";
	} catch {
		// Nothing is stored, or it is not ours: defaults.
	}
	return clean(given);
}

export const settings = read();

export function keep() {
	try {
		const { key, ...rest } = settings;
		localStorage.setItem(PLACE, JSON.stringify(settings.rememberKey ? settings : rest));
		sessionStorage.setItem(PLACE + ".key", key);
	} catch {
		// A browser that stores nothing: they last as long as the page.
	}
}

export const themes = ["", "light", "dark"];

export function applyTheme() {
	if (settings.theme)
		document.documentElement.dataset.theme = settings.theme;
	else
		delete document.documentElement.dataset.theme;
}

// The chosen settings as members of a request.
export const sampling = () => ({ ...settings.sampling });

function numberField(field, defaults) {
	const standard = field.unset ?? defaults[field.name];
	const id = "set-" + field.name;
	const input = el("input", { id, type: "number", min: field.min, max: field.max, step: field.step,
				    inputmode: "decimal", "aria-describedby": id + "-help",
				    placeholder: standard === undefined ? "" :
						 typeof standard === "number" ? +standard.toFixed(4) : standard });
	if (settings.sampling[field.name] !== undefined)
		input.value = settings.sampling[field.name];
	return { input, row: el("div", { class: "field" }, el("label", { for: id }, field.label), input,
				el("p", { class: "quiet", id: id + "-help" }, field.help)) };
}

export function keyFields() {
	const input = el("input", { id: "set-key", type: "password", autocomplete: "off",
				    spellcheck: "false" });
	const remember = el("input", { type: "checkbox" });
	input.value = settings.key;
	remember.checked = settings.rememberKey;
	const take = () => {
		settings.key = input.value.trim();
		settings.rememberKey = remember.checked;
		keep();
	};
	const row = el("div", { class: "field" }, el("label", { for: "set-key" }, "API key"), input,
		       el("label", { class: "check" }, remember, "Remember it in this browser"));
	return { row, take };
}

// `about` says what the server does by default; `actions` are buttons for the history.
export function openSettings(about, actions) {
	const system = el("textarea", { id: "set-system", rows: 4,
					placeholder: "None. For example: Answer in one sentence." });
	const numbers = fields.map((field) => [field, numberField(field, about.defaults)]);
	const key = keyFields();
	system.value = settings.system;

	const clear = el("button", { class: "button plain", type: "button", onclick: () => {
		for (const [, { input }] of numbers)
			input.value = "";
		system.value = "";
	} }, "Back to the server's settings");
	const body = [
		el("div", { class: "field" }, el("label", { for: "set-system" }, "System prompt"), system,
		   el("p", { class: "quiet" }, "Told to the model before each conversation that begins from now on.")),
		el("fieldset", { class: "grid" }, el("legend", {}, "Sampling"), ...numbers.map(([, n]) => n.row)),
		clear,
		about.needsKey || settings.key ? key.row : null,
		el("fieldset", {}, el("legend", {}, "History"), el("div", { class: "row" }, ...actions)),
		el("details", {}, el("summary", {}, "Keys of the keyboard"), el("dl", { class: "keys" },
			el("dt", {}, "Enter"), el("dd", {}, "send"),
			el("dt", {}, "Shift + Enter"), el("dd", {}, "new line"),
			el("dt", {}, "Esc"), el("dd", {}, "stop the answer, close a dialog"),
			el("dt", {}, "Alt + N"), el("dd", {}, "new conversation"),
			el("dt", {}, "Alt + D"), el("dd", {}, "dashboard and back"))),
	];
	openDialog("Settings", body, [["Save", () => {
		for (const [field, { input }] of numbers) {
			if (!input.reportValidity())
				return false;
			if (input.value.trim() === "")
				delete settings.sampling[field.name];
			else
				settings.sampling[field.name] = Number(input.value);
		}
		settings.system = system.value.trim();
		if (about.needsKey || settings.key)
			key.take();
		keep();
		return true;
	}]]);
}
