// The frame of the page: what it shows, the list of conversations, the theme, the key.
import { getJson } from "./api.js";
import { Chat } from "./chat.js";
import { conversations } from "./conversations.js";
import { Dashboard } from "./dashboard.js";
import { openDialog, toast } from "./dialogs.js";
import { download, el, find, icon } from "./dom.js";
import { prepare } from "./markdown.js";
import { applyTheme, keep, keyFields, openSettings, settings, themes } from "./settings.js";
import { isKept } from "./store.js";

// What is known of the server: the model that answers, and the tokens that each can read, 0 where that
// is known only when it is loaded.
const server = { model: "", contexts: new Map(), needsKey: false, defaults: {} };
const chat = new Chat(server, find("tools"), askKey);
const dashboard = new Dashboard(askKey);

const PLACES = { chat: "#chat/", dashboard: "#dashboard" };
const dashboardShown = () => location.hash === PLACES.dashboard;

function askKey() {
	if (document.querySelector("dialog[open]"))
		return;
	server.needsKey = true;
	const key = keyFields();
	openDialog("API key", [el("p", {}, "This server answers only those who have a key. Whoever runs it can give you one."),
			       key.row], [["Use it", () => {
		key.take();
		learn();
		if (dashboardShown())
			dashboard.start();
	}]]);
}

// Asks the server for its models and settings.
async function learn() {
	try {
		const [models, props] = await Promise.all([getJson("v1/models"), getJson("props")]);
		server.contexts = new Map(models.data.map((model) => [model.id, model.meta?.n_ctx ?? 0]));
		server.defaults = props.default_generation_settings?.params ?? {};
		showModels();
	} catch (error) {
		if (error.status === 401)
			askKey();
		else
			toast(error.message);
	}
}

function showModels() {
	const names = [...server.contexts.keys()];
	const select = find("model"), single = names.length < 2;
	if (!names.includes(settings.model))
		settings.model = "";
	server.model = settings.model || names[0] || "";
	select.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
	select.value = server.model;
	select.hidden = single;
	find("model-name").textContent = single ? server.model : "";
	find("model-label").title = server.model;
	chat.greet();
}

function showList() {
	const rows = conversations.list.map((one) => {
		const open = one === chat.conversation && !dashboardShown();
		return el("li", {}, el("a", { class: "item", href: PLACES.chat + one.id, title: one.title,
					      "aria-current": open ? "page" : null }, one.title));
	});
	find("list").replaceChildren(...rows);
	find("empty-list").hidden = rows.length > 0;
	showTitle();
}

function showTitle() {
	const title = dashboardShown() ? "Dashboard" : chat.conversation?.title || "New conversation";
	find("title").textContent = title;
	document.title = `${title} – edgelm`;
}

// Shows what the address says.
function route() {
	const main = find("main");
	closeMenu();
	if (dashboardShown()) {
		find("to-dashboard").setAttribute("aria-current", "page");
		find("tools").replaceChildren();
		main.replaceChildren(dashboard.element);
		dashboard.start();
	} else {
		const id = location.hash.startsWith(PLACES.chat) ? location.hash.slice(PLACES.chat.length) : "";
		const empty = chat.conversation && !chat.conversation.messages.length ? chat.conversation : null;
		const open = conversations.find(id) ??
			(chat.conversation?.id === id ? chat.conversation : empty ?? conversations.create());
		find("to-dashboard").removeAttribute("aria-current");
		dashboard.stop();
		if (!chat.element.isConnected)
			main.replaceChildren(chat.element);
		chat.show(open);
	}
	showList();
}

function begin() {
	location.hash = "";
	chat.show(conversations.create());
	route();
	chat.focus();
}

function openMenu(open) {
	document.body.classList.toggle("menu-open", open);
	find("menu").setAttribute("aria-expanded", String(open));
}

const closeMenu = () => openMenu(false);

function showTheme() {
	const names = { "": "automatic", light: "light", dark: "dark" };
	applyTheme();
	find("theme").textContent = `Theme: ${names[settings.theme]}`;
	dashboard.restyle();
}

function historyActions() {
	const all = () => JSON.stringify(conversations.list, null, "\t");
	return [el("button", { class: "button plain", type: "button",
			       onclick: () => download("edgelm-conversations.json", "application/json", all()) },
		   "Export all conversations"),
		el("button", { class: "button plain danger", type: "button", onclick: () => {
			openDialog("Delete all conversations", [el("p", {}, `${conversations.list.length} conversations will be gone from this browser.`)],
				   [["Delete them", async () => {
					for (const one of [...conversations.list])
						await conversations.remove(one);
					begin();
				   }]]);
		} }, "Delete all conversations")];
}

function listen() {
	find("menu").append(icon("menu"));
	find("menu").addEventListener("click", () => openMenu(!document.body.classList.contains("menu-open")));
	find("veil").addEventListener("click", closeMenu);
	find("new").addEventListener("click", begin);
	find("to-settings").addEventListener("click", () => {
		closeMenu();
		openSettings(server, historyActions());
	});
	find("theme").addEventListener("click", () => {
		settings.theme = themes[(themes.indexOf(settings.theme) + 1) % themes.length];
		keep();
		showTheme();
	});
	find("model").addEventListener("change", (event) => {
		settings.model = event.target.value;
		server.model = settings.model;
		keep();
		chat.greet();
	});
	addEventListener("hashchange", route);
	addEventListener("keydown", (event) => {
		if (document.querySelector("dialog[open]"))
			return;
		if (event.key === "Escape") {
			if (document.body.classList.contains("menu-open"))
				closeMenu();
			else
				chat.stop();
		} else if (event.altKey && event.code === "KeyN") {
			event.preventDefault();
			begin();
		} else if (event.altKey && event.code === "KeyD") {
			event.preventDefault();
			if (dashboardShown())
				history.back();
			else
				location.hash = PLACES.dashboard;
		}
	});
	conversations.addEventListener("change", showList);
	conversations.addEventListener("full", () => toast("The browser keeps no more: this conversation is lost when the page is closed. Export it, or delete others."));
	conversations.addEventListener("elsewhere", ({ detail }) => {
		if (!chat.busy && chat.conversation?.id === detail && !dashboardShown())
			route();
	});
}

async function start() {
	listen();
	showTheme();
	const [, kept] = await Promise.all([conversations.load(), isKept(), prepare()]);
	route();
	learn();
	if (!kept)
		toast("This browser keeps nothing: conversations last as long as the page.");
	// On phones the keyboard would cover half of the page.
	if (!dashboardShown() && matchMedia("(pointer: fine)").matches)
		chat.focus();
}

start();
