// Requests to the server that the page came from.
import { readEvents } from "./events.js";
import { settings } from "./settings.js";

// Relative, so that the page works behind a proxy that serves it below another path.
const base = new URL(".", document.baseURI);

export class ApiError extends Error {
	constructor(message, status = 0, type = "") {
		super(message);
		this.status = status;
		this.type = type;
	}
}

const isObject = (value) => value !== null && typeof value === "object";

// What the server says, in a sentence for those who did not write the request.
export function explain(status, error, wait) {
	const message = isObject(error) && typeof error.message === "string" ? error.message : "";
	const later = wait ? ` Try again in ${wait} ${wait === "1" ? "second" : "seconds"}.` : " Try again.";

	if (status === 401)
		return "The server asks for an API key, and this one is not known to it.";
	if (status === 503)
		return `The server is busy${message ? ` (${message})` : ""}.${later}`;
	if (error?.type === "exceed_context_size_error")
		return `The conversation is too long for the model: ${error.n_prompt_tokens} tokens, and it ` +
			`can read ${error.n_ctx}. Begin a new one, or shorten it.`;
	if (status === 413)
		return "The conversation is larger than the server accepts. Begin a new one, or shorten it.";
	if (status >= 500)
		return `The server failed: ${message || `status ${status}`}.`;
	return `The server refused the request: ${message || `status ${status}`}.`;
}

async function request(path, options = {}) {
	const headers = { ...options.headers };
	if (settings.key)
		headers.Authorization = "Bearer " + settings.key;
	if (options.body)
		headers["Content-Type"] = "application/json";
	let reply;
	try {
		reply = await fetch(new URL(path, base), { ...options, headers, cache: "no-store" });
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new ApiError(`The server at ${base.host} does not answer. Is edgelm still running?`);
	}
	if (!reply.ok) {
		const body = await reply.json().catch(() => ({}));
		throw new ApiError(explain(reply.status, body?.error, reply.headers.get("Retry-After")),
				   reply.status, body?.error?.type);
	}
	return reply;
}

export const getJson = async (path) => (await request(path)).json();

// The parts of an answer as they come: parsed events of /v1/chat/completions.
export async function* streamChat(body, signal) {
	const reply = await request("v1/chat/completions", {
		method: "POST", signal,
		body: JSON.stringify({ ...body, stream: true, timings_per_token: true,
				       return_progress: true, stream_options: { include_usage: true } }),
	});
	let ended = false;
	try {
		for await (const data of readEvents(reply.body)) {
			if (data === "[DONE]") {
				ended = true;
				break;
			}
			const event = JSON.parse(data);
			if (event.error)
				throw new ApiError(explain(event.error.code, event.error), event.error.code,
						   event.error.type);
			yield event;
		}
	} catch (error) {
		if (error instanceof ApiError || error.name === "AbortError")
			throw error;
		throw new ApiError("The connection broke before the answer was complete.");
	}
	if (!ended)
		throw new ApiError("The server ended the answer before it was complete.");
}
