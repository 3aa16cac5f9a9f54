// Server-sent events, as the HTML standard has them; of their fields only `data` is used here.

// Yields the data of each event of a stream of bytes.
export async function* readEvents(stream) {
	const reader = stream.getReader();
	const decoder = new TextDecoder();
	let text = "", data = [];

	try {
		for (;;) {
			const { value, done } = await reader.read();
			text += done ? decoder.decode() : decoder.decode(value, { stream: true });
			// A CR at the very end may be half of a CR LF.
			const lines = text.split(/\r\n|\n|\r(?!$)/);
			text = lines.pop();
			for (const line of lines) {
				if (line.startsWith("data:"))
					data.push(line.slice(line[5] === " " ? 6 : 5));
				else if (line === "" && data.length) {
					yield data.join("\n");
					data = [];
				}
			}
			// An event without its empty line is incomplete, and dropped.
			if (done)
				return;
		}
	} finally {
		// Whoever stops reading early wants no more of it.
		reader.cancel().catch(() => {});
	}
}
