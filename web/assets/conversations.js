// The conversations of this browser: a list, one of which may be open.
import * as store from "./store.js";
import { settings } from "./settings.js";

const isText = (value) => typeof value === "string";

// What is stored may come from an older page, or from somebody who wrote it by hand.
function cleanMessage(given) {
	if (!given || (given.role !== "user" && given.role !== "assistant") || !isText(given.content))
		return null;
	const message = { role: given.role, content: given.content };
	for (const name of ["note", "error", "figures"])
		if (isText(given[name]))
			message[name] = given[name];
	return message;
}

function clean(given) {
	if (!given || !isText(given.id) || !Array.isArray(given.messages))
		return null;
	return { id: given.id, title: isText(given.title) ? given.title : "",
		 system: isText(given.system) ? given.system : "",
		 created: Number(given.created) || 0, updated: Number(given.updated) || 0,
		 messages: given.messages.map(cleanMessage).filter(Boolean) };
}

class Conversations extends EventTarget {
	list = []; // the one that changed last comes first

	async load() {
		this.list = (await store.loadAll().catch(() => [])).map(clean).filter(Boolean);
		this.#changed();
	}

	// Another page of this browser has changed one.
	async refresh(id) {
		const at = this.list.findIndex((one) => one.id === id);
		const stored = clean(await store.load(id).catch(() => null));
		if (at >= 0)
			this.list.splice(at, 1);
		if (stored)
			this.list.push(stored);
		this.#changed();
	}

	find = (id) => this.list.find((one) => one.id === id);

	// It is kept from its first message on.
	create() {
		const now = Date.now();
		// crypto.randomUUID exists only over HTTPS and on this machine.
		const random = crypto.getRandomValues(new Uint32Array(2));
		return { id: now.toString(36) + "-" + random[0].toString(36) + random[1].toString(36),
			 title: "", system: settings.system, created: now, updated: now, messages: [] };
	}

	#removed = new WeakSet();

	// One that was removed stays so, although an answer to it may still come.
	async keep(conversation) {
		if (!conversation.messages.length || this.#removed.has(conversation))
			return;
		this.list = this.list.filter((one) => one.id !== conversation.id);
		this.list.push(conversation);
		if (!conversation.title)
			conversation.title = titleOf(conversation.messages[0].content);
		this.#changed();
		await store.save(conversation).catch(() => this.dispatchEvent(new Event("full")));
		this.#tell(conversation.id);
	}

	async remove(conversation) {
		this.#removed.add(conversation);
		this.list = this.list.filter((one) => one !== conversation);
		this.#changed();
		await store.remove(conversation.id).catch(() => {});
		this.#tell(conversation.id);
	}

	restore(conversation) {
		this.#removed.delete(conversation);
		return this.keep(conversation);
	}

	#changed() {
		this.list.sort((a, b) => b.updated - a.updated);
		this.dispatchEvent(new Event("change"));
	}

	#channel = this.#listen();

	#listen() {
		if (!("BroadcastChannel" in globalThis))
			return null;
		const channel = new BroadcastChannel("edgelm.conversations");
		channel.onmessage = ({ data }) => {
			this.refresh(data).then(() =>
				this.dispatchEvent(new CustomEvent("elsewhere", { detail: data })));
		};
		return channel;
	}

	#tell(id) {
		this.#channel?.postMessage(id);
	}
}

function titleOf(text) {
	const line = text.trim().split("\n")[0].replace(/\s+/g, " ");
	const characters = [...line];
	return characters.length > 48 ? characters.slice(0, 47).join("") + "…" : line || "Conversation";
}

export function asMarkdown(conversation) {
	const parts = [`# ${conversation.title}`];
	if (conversation.system)
		parts.push("**System**", conversation.system);
	for (const message of conversation.messages)
		parts.push(message.role === "user" ? "**You**" : "**Model**", message.content);
	return parts.join("\n\n") + "\n";
}

export const conversations = new Conversations();
