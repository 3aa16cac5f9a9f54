// One message on the page.
import { copyButton, el, iconButton } from "./dom.js";
import { render } from "./markdown.js";

// A text is laid out anew for each piece of it that comes, at most so often: the longer, the rarer.
const pause = (text) => Math.min(500, 40 + text.length / 100);

// Models that reason put their thoughts before the answer.
const thought = /^\s*<think>([\s\S]*?)(<\/think>|$)/;

export const withoutThoughts = (text) => text.replace(thought, "").trim() || text;

export class MessageView {
	#message;
	#body = el("div", { class: "text" });
	#thoughts = null;
	#foot = el("div", { class: "foot" });
	#drawn = 0;
	#timer = 0;
	#progress = "";

	// `actions` may have edit() and again().
	constructor(message, actions) {
		this.#message = message;
		this.actions = actions;
		this.element = el("article", { class: "message " + message.role,
					       "aria-label": message.role === "user" ? "You" : "Model" },
				  this.#body, this.#foot);
		this.finish();
	}

	#draw() {
		const { role, content } = this.#message;
		this.#drawn = performance.now();
		if (role === "user") {
			this.#body.textContent = content;
			return;
		}
		const found = thought.exec(content);
		if (found && !this.#thoughts) {
			this.#thoughts = el("details", { class: "thoughts" }, el("summary", {}, "Thoughts"),
					    el("p", {}));
			this.element.prepend(this.#thoughts);
		}
		if (this.#thoughts)
			this.#thoughts.lastChild.textContent = found ? found[1].trim() : "";
		render(this.#body, found ? content.slice(found[0].length) : content);
	}

	// More text has come, perhaps thousands of times a second. `drawing` is called with what draws it.
	grow(progress, drawing) {
		this.#progress = progress;
		if (this.#timer)
			return;
		const wait = this.#drawn + pause(this.#message.content) - performance.now();
		this.#timer = setTimeout(() => {
			this.#timer = 0;
			drawing(() => {
				this.element.setAttribute("aria-busy", "true");
				this.#foot.replaceChildren(el("span", { class: "quiet" }, this.#progress));
				this.#draw();
			});
		}, Math.max(0, wait));
	}

	// It is complete.
	finish() {
		const { role, content, note, error, figures } = this.#message;
		clearTimeout(this.#timer);
		this.#timer = 0;
		this.#draw();
		this.element.removeAttribute("aria-busy");
		this.#foot.replaceChildren();
		if (error)
			this.#foot.append(el("p", { class: "error", role: "alert" }, error));
		const row = el("div", { class: "row" });
		if (content)
			row.append(copyButton(role === "user" ? "Copy the message" : "Copy the answer",
					      () => withoutThoughts(content)));
		if (role === "user" && this.actions.edit)
			row.append(iconButton("edit", "Edit the message and ask again", this.actions.edit));
		if (role === "assistant" && this.actions.again)
			row.append(iconButton("again", "Answer again", this.actions.again,
					      { class: "icon-button again" }));
		if (figures || note)
			row.append(el("span", { class: "figures" }, [figures, note].filter(Boolean).join(" · ")));
		this.#foot.append(row);
	}
}
