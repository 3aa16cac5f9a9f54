// The page of a conversation: its messages, and the box to write the next one.
import { ApiError, streamChat } from "./api.js";
import { askText, toast } from "./dialogs.js";
import { asMarkdown, conversations } from "./conversations.js";
import { download, el, icon, iconButton, say } from "./dom.js";
import { count, digits, seconds } from "./figures.js";
import { MessageView, withoutThoughts } from "./messages.js";
import { sampling, settings } from "./settings.js";

// Nearer to the end than this, the view follows the answer.
const NEAR_END = 80;

function figuresOf(firstAt, sentAt, timings) {
	const parts = [];
	if (firstAt)
		parts.push(`${seconds((firstAt - sentAt) / 1000)} to the first token`);
	if (timings?.predicted_per_second > 0)
		parts.push(`${digits(timings.predicted_per_second)} tokens/s`);
	if (timings?.predicted_n)
		parts.push(`${count(timings.predicted_n)} ${timings.predicted_n === 1 ? "token" : "tokens"}`);
	return parts.join(" · ");
}

export class Chat {
	#server;
	#conversation;
	#views = [];
	#running = null; // AbortController of an answer in progress
	#messages = el("div", { class: "messages", "aria-label": "Messages" });
	#input = el("textarea", { id: "prompt", rows: 1, placeholder: "Write a message",
				  "aria-label": "Message", enterkeyhint: "send" });
	#send = el("button", { class: "send", type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
	#hint = el("p", { class: "hint quiet" });
	#down = iconButton("down", "To the end", () => this.#toEnd(), { class: "icon-button to-end", hidden: true });
	#scroller = el("div", { class: "scroller" });
	#tools;

	// `server`: what the page knows of it; `needKey` is called when it asks for a key.
	constructor(server, tools, needKey) {
		this.#server = server;
		this.#tools = tools;
		this.needKey = needKey;
		const form = el("form", { class: "composer" }, this.#input, this.#send);
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			if (this.#running)
				this.stop();
			else
				this.#submit();
		});
		this.#input.addEventListener("input", () => this.#fit());
		this.#input.addEventListener("keydown", (event) => {
			// Enter that ends the input of a character of Chinese, say, sends nothing.
			if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !this.#running) {
				event.preventDefault();
				this.#submit();
			}
		});
		this.#scroller.append(this.#messages);
		this.#scroller.addEventListener("scroll", () => this.#showDown());
		this.element = el("section", { class: "chat", "aria-label": "Conversation" }, this.#scroller,
				  el("div", { class: "dock" }, this.#down, form, this.#hint));
	}

	get conversation() {
		return this.#conversation;
	}

	get busy() {
		return this.#running !== null;
	}

	show(conversation) {
		if (conversation === this.#conversation) {
			this.#showTools();
			return;
		}
		this.stop();
		this.#conversation = conversation;
		this.#views = [];
		this.#messages.replaceChildren();
		conversation.messages.forEach((message) => this.#append(message));
		this.#mark();
		this.#hint.textContent = "";
		this.greet();
		this.#showTools();
		this.#toEnd();
	}

	focus() {
		this.#input.focus();
	}

	// Beside the title.
	#showTools() {
		const c = this.#conversation;
		this.#tools.replaceChildren();
		if (!c.messages.length)
			return;
		const menu = el("details", { class: "menu" }, el("summary", { "aria-label": "This conversation",
									      title: "This conversation" }, icon("more")));
		const item = (label, run) => el("button", { type: "button", class: "item", onclick: () => {
			menu.open = false;
			run();
		} }, label);
		menu.append(el("div", { class: "menu-body" },
			item("Rename", () => this.#rename()),
			item("Export as Markdown", () => download(`${c.title}.md`, "text/markdown", asMarkdown(c))),
			item("Export as JSON", () => download(`${c.title}.json`, "application/json",
							     JSON.stringify(c, null, "\t"))),
			item("Delete", () => this.#delete())));
		menu.addEventListener("keydown", (event) => {
			if (event.key !== "Escape" || !menu.open)
				return;
			event.stopPropagation();
			menu.open = false;
			menu.firstChild.focus();
		});
		this.#tools.append(menu);
	}

	#rename() {
		const c = this.#conversation;
		askText("Rename the conversation", "Title", c.title, (title) => {
			c.title = title;
			conversations.keep(c);
		});
	}

	#delete() {
		const c = this.#conversation;
		this.stop();
		conversations.remove(c);
		location.hash = "";
		toast("Deleted.", ["Undo", () => {
			conversations.restore(c);
			location.hash = "chat/" + c.id;
		}]);
	}

	// What an empty conversation shows.
	greet() {
		if (!this.#conversation || this.#conversation.messages.length)
			return;
		this.#messages.replaceChildren(el("div", { class: "greeting" },
			el("h2", {}, "What is on your mind?"),
			el("p", { class: "quiet" }, "Answers are computed by ", el("strong", {}, this.#server.model || "the model"),
			   " on the device that serves this page. Nothing leaves it."),
			this.#conversation.system ?
				el("p", { class: "quiet system" }, "System prompt: ", this.#conversation.system) : null));
	}

	#append(message) {
		const view = new MessageView(message, {
			edit: () => this.#edit(message), again: () => this.#again() });
		this.#views.push(view);
		this.#messages.append(view.element);
		return view;
	}

	// Only the last answer can be had again.
	#mark() {
		const last = this.#messages.lastElementChild;
		for (const view of this.#views)
			view.element.classList.toggle("last", view.element === last);
	}

	#fit() {
		this.#input.style.height = "auto";
		this.#input.style.height = `${this.#input.scrollHeight}px`;
	}

	#atEnd() {
		const s = this.#scroller;
		return s.scrollHeight - s.scrollTop - s.clientHeight < NEAR_END;
	}

	#toEnd() {
		this.#scroller.scrollTop = this.#scroller.scrollHeight;
		this.#showDown();
	}

	// Draws something; whoever was at the end still is afterwards.
	#following = (draw) => {
		const follow = this.#atEnd();
		draw();
		if (follow)
			this.#toEnd();
		else
			this.#showDown();
	};

	#showDown() {
		this.#down.hidden = this.#atEnd();
	}

	#cut(index) {
		this.#conversation.messages.length = index;
		for (const view of this.#views.splice(index))
			view.element.remove();
	}

	#edit(message) {
		if (this.#running)
			return;
		this.#cut(this.#conversation.messages.indexOf(message));
		this.greet();
		this.#input.value = message.content;
		this.#fit();
		this.#input.focus();
	}

	#again() {
		if (this.#running)
			return;
		const messages = this.#conversation.messages;
		this.#cut(messages.length - 1);
		this.#answer();
	}

	#submit() {
		const text = this.#input.value.trim();
		const messages = this.#conversation.messages;
		if (!text || this.#running)
			return;
		if (!messages.length) {
			this.#messages.replaceChildren();
			// From now on it has an address, for reloading and coming back.
			history.replaceState(null, "", "#chat/" + this.#conversation.id);
		}
		// A question that got no answer is asked together with the next one.
		messages.push({ role: "user", content: text });
		this.#append(messages.at(-1));
		this.#input.value = "";
		this.#fit();
		this.#answer();
	}

	stop() {
		this.#running?.abort();
	}

	#request(messages) {
		const list = messages.filter((m) => m.content)
			.map((m) => ({ role: m.role, content: m.role === "user" ? m.content : withoutThoughts(m.content) }));
		if (this.#conversation.system)
			list.unshift({ role: "system", content: this.#conversation.system });
		return { ...(settings.model ? { model: settings.model } : {}), messages: list, ...sampling() };
	}

	async #answer() {
		const c = this.#conversation;
		const body = this.#request(c.messages);
		const message = { role: "assistant", content: "" };
		const controller = new AbortController();
		c.messages.push(message);
		c.updated = Date.now();
		const view = this.#append(message);
		this.#running = controller;
		this.#showSend();
		this.#mark();
		view.grow("Waiting for the model", this.#following);
		this.#toEnd();
		say("Waiting for the answer");
		conversations.keep(c);
		this.#showTools();
		try {
			await this.#take(message, view, streamChat(body, controller.signal));
		} catch (error) {
			this.#explain(message, error);
		}
		this.#running = null;
		this.#showSend();
		this.#following(() => view.finish());
		say(message.error ?? `Answer complete: ${message.content.slice(0, 500)}`);
		c.updated = Date.now();
		conversations.keep(c);
	}

	#explain(message, error) {
		if (error.name === "AbortError") {
			message.note = "stopped";
			return;
		}
		if (error instanceof ApiError) {
			message.error = error.message;
			if (error.status === 401)
				this.needKey();
			return;
		}
		message.error = "The page failed: " + error.message;
		throw error;
	}

	// Takes in an answer as it comes.
	async #take(message, view, events) {
		const sentAt = performance.now();
		let firstAt = 0, timings = null;
		try {
			for await (const event of events) {
				const choice = event.choices?.[0];
				timings = event.timings ?? timings;
				if (choice?.delta?.content) {
					firstAt ||= performance.now();
					message.content += choice.delta.content;
				}
				if (choice?.finish_reason === "length")
					message.note = "cut off at the longest length";
				if (event.usage)
					this.#showRoom(event.usage.total_tokens);
				view.grow(progressOf(event, firstAt, timings), this.#following);
			}
		} finally {
			message.figures = figuresOf(firstAt, sentAt, timings);
		}
	}

	#showRoom(tokens) {
		const room = this.#server.contexts.get(this.#server.model);
		if (room)
			this.#hint.textContent = `${count(Math.min(tokens, room))} of ${count(room)} tokens of context used`;
	}

	#showSend() {
		const label = this.#running ? "Stop the answer" : "Send";
		this.#send.replaceChildren(icon(this.#running ? "stop" : "send"));
		this.#send.setAttribute("aria-label", label);
		this.#send.title = label;
		this.element.classList.toggle("running", this.#running !== null);
	}
}

function progressOf(event, firstAt, timings) {
	const read = event.prompt_progress;
	if (!firstAt && read)
		return `Reading: ${count(read.processed)} of ${count(read.total)} tokens`;
	if (timings?.predicted_per_second > 0)
		return `${digits(timings.predicted_per_second)} tokens/s`;
	return firstAt ? "Writing" : "Waiting for the model";
}
