/*
 * OpenAI's own client against `edgelm serve`: whatever it sends is understood, and whatever it
 * expects comes back. The model has random weights; where the text matters, a grammar or schema
 * decides it.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

const { EDGELM, MAKE_TINY_MODEL } = process.env;
const KEY = 'the-key-of-this-test';
const folder = mkdtempSync(join(tmpdir(), 'edgelm-openai-'));
const messages = [{ role: 'user', content: 'Hello' }];
const LIGHT = {
	name: 'light',
	description: 'Switches the light',
	parameters: {
		type: 'object',
		properties: { on: { type: 'boolean' } },
		required: ['on'],
		additionalProperties: false,
	},
};

let server, client, root;

async function start() {
	const model = join(folder, 'tiny.gguf');
	const keys = join(folder, 'keys.txt');
	execFileSync(MAKE_TINY_MODEL, [model, '20000']);
	writeFileSync(keys, `${KEY}\nslow requests-per-minute=1\n`);
	server = spawn(EDGELM, ['serve', model, '--port', '0', '--threads', '1', '--ctx', '20000',
		'--parallel', '4', '--template', 'chatml', '--no-engine-cache', '--slots', '--embeddings',
		'--api-key-file', keys], { stdio: ['ignore', 'ignore', 'pipe'] });
	for await (const line of createInterface({ input: server.stderr })) {
		const found = line.match(/listening at (http:\S+)/);
		if (found)
			return found[1];
	}
	throw new Error('the server has ended');
}

before(async () => {
	root = await start();
	client = new OpenAI({ apiKey: KEY, baseURL: `${root}/v1`, maxRetries: 0 });
});

after(async () => {
	server?.kill('SIGTERM');
	if (server && server.exitCode === null)
		await new Promise((resolve) => server.once('exit', resolve));
	rmSync(folder, { recursive: true });
});

const running = async () => {
	const reply = await fetch(`${root}/slots`, { headers: { Authorization: `Bearer ${KEY}` } });
	return (await reply.json()).filter((slot) => slot.is_processing).length;
};

async function until(condition) {
	for (let i = 0; i < 400; i++) {
		if (await condition())
			return true;
		await sleep(20);
	}
	return false;
}

test('models are listed', async () => {
	const models = [];
	for await (const model of client.models.list())
		models.push(model);
	assert.deepEqual(models.map((model) => [model.id, model.object]), [['tiny.gguf', 'model']]);
});

test('a chat is answered, with what it has cost', async () => {
	const reply = await client.chat.completions.create({
		model: 'tiny', messages, max_completion_tokens: 7, temperature: 0, ignore_eos: true,
	});
	assert.equal(reply.object, 'chat.completion');
	assert.equal(reply.choices[0].message.role, 'assistant');
	assert.equal(reply.choices[0].finish_reason, 'length');
	assert.equal(reply.usage.completion_tokens, 7);
	assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + 7);
});

test('a stream tells the same text, and its cost at the end', async () => {
	const body = { model: 'tiny', messages, max_tokens: 30, temperature: 0, ignore_eos: true };
	const whole = await client.chat.completions.create(body);
	const stream = await client.chat.completions.create({
		...body, stream: true, stream_options: { include_usage: true },
	});
	let text = '', last;
	for await (const chunk of stream) {
		assert.equal(chunk.object, 'chat.completion.chunk');
		text += chunk.choices[0]?.delta.content ?? '';
		last = chunk;
	}
	assert.equal(text, whole.choices[0].message.content);
	assert.equal(last.usage.completion_tokens, 30);
});

test("the client's own gathering of a stream works", async () => {
	const stream = client.chat.completions.stream({
		model: 'tiny', messages, max_tokens: 10, temperature: 0, ignore_eos: true,
	});
	let told = '';
	stream.on('content', (delta) => { told += delta; });
	const final = await stream.finalChatCompletion();
	assert.equal(final.choices[0].message.content, told);
	assert.equal(final.choices[0].finish_reason, 'length');
});

test('several choices, stop strings, penalties, bias and seed', async () => {
	const body = {
		model: 'tiny', messages, n: 3, max_tokens: 12, temperature: 1.2, top_p: 0.9, seed: 11,
		stop: ['\u0001', '\u0002'], presence_penalty: 0.3, frequency_penalty: 0.2,
		logit_bias: { 65: -100 }, user: 'somebody', store: false,
	};
	const [a, b] = [await client.chat.completions.create(body),
		await client.chat.completions.create(body)];
	assert.equal(a.choices.length, 3);
	assert.deepEqual(a.choices.map((c) => c.message.content),
		b.choices.map((c) => c.message.content));
});

test('log probabilities', async () => {
	const reply = await client.chat.completions.create({
		model: 'tiny', messages, max_tokens: 4, temperature: 0, ignore_eos: true, logprobs: true,
		top_logprobs: 3,
	});
	const { content } = reply.choices[0].logprobs;
	assert.equal(content.length, 4);
	for (const token of content) {
		assert.equal(token.top_logprobs.length, 3);
		assert.ok(token.logprob <= 0 && Array.isArray(token.bytes));
		assert.equal(token.top_logprobs[0].token, token.token);
	}
	const old = await client.completions.create({
		model: 'tiny', prompt: 'the', max_tokens: 4, temperature: 0, logprobs: 2, ignore_eos: true,
	});
	assert.equal(old.object, 'text_completion');
	assert.equal(old.choices[0].logprobs.token_logprobs.length, 4);
	assert.equal(old.choices[0].logprobs.text_offset[0], 0);
});

test('answers that must have the form of a schema', async () => {
	const form = {
		type: 'json_schema',
		json_schema: { name: 'light', strict: true, schema: LIGHT.parameters },
	};
	const body = { model: 'tiny', messages, max_tokens: 300, response_format: form };
	for (const reply of [await client.chat.completions.create(body),
		await client.chat.completions.parse(body)]) {
		assert.equal(reply.choices[0].finish_reason, 'stop');
		assert.equal(typeof JSON.parse(reply.choices[0].message.content).on, 'boolean');
	}
	const any = await client.chat.completions.create({
		model: 'tiny', messages, max_tokens: 1000, response_format: { type: 'json_object' }, seed: 1,
	});
	if (any.choices[0].finish_reason === 'stop')
		assert.equal(typeof JSON.parse(any.choices[0].message.content), 'object');
});

test('calls of tools, whole and streamed, and their results', async () => {
	const body = {
		model: 'tiny', messages, max_tokens: 400, tools: [{ type: 'function', function: LIGHT }],
		tool_choice: { type: 'function', function: { name: 'light' } },
	};
	const reply = await client.chat.completions.create(body);
	const { message, finish_reason } = reply.choices[0];
	assert.equal(finish_reason, 'tool_calls');
	assert.equal(message.tool_calls[0].function.name, 'light');
	assert.equal(typeof JSON.parse(message.tool_calls[0].function.arguments).on, 'boolean');

	const final = await client.chat.completions.stream(body).finalChatCompletion();
	assert.equal(final.choices[0].message.tool_calls[0].function.name, 'light');
	assert.equal(
		typeof JSON.parse(final.choices[0].message.tool_calls[0].function.arguments).on, 'boolean');

	const next = await client.chat.completions.create({
		...body, tool_choice: 'none', max_tokens: 5,
		messages: [...messages, message,
			{ role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'done' }],
	});
	assert.equal(next.choices[0].message.tool_calls, undefined);
});

test('embeddings, as the client asks for them and as numbers', async () => {
	/* Without a format it asks for Base64 and unpacks it. */
	const packed = await client.embeddings.create({ model: 'tiny', input: ['the', 'he'] });
	const plain = await client.embeddings.create({
		model: 'tiny', input: ['the', 'he'], encoding_format: 'float',
	});
	assert.deepEqual(packed.data.map((d) => d.index), [0, 1]);
	for (let i = 0; i < 2; i++) {
		const a = Array.from(packed.data[i].embedding), b = plain.data[i].embedding;
		assert.equal(a.length, b.length);
		assert.ok(a.every((x, j) => Math.abs(x - b[j]) < 1e-6));
		assert.ok(Math.abs(Math.hypot(...b) - 1) < 1e-5);
	}
	assert.ok(plain.usage.total_tokens > 0);
	const short = await client.embeddings.create({ model: 'tiny', input: 'a', dimensions: 8 });
	assert.equal(short.data[0].embedding.length, 8);
});

test('responses, whole', async () => {
	const reply = await client.responses.create({
		model: 'tiny', instructions: 'Be brief', input: 'Hello', max_output_tokens: 16,
		temperature: 0, ignore_eos: true,
	});
	assert.equal(reply.status, 'incomplete');
	assert.equal(reply.incomplete_details.reason, 'max_output_tokens');
	assert.ok(reply.output_text.length > 0);
	assert.equal(reply.usage.output_tokens, 16);
	const form = await client.responses.create({
		model: 'tiny', input: messages, max_output_tokens: 300,
		text: { format: { type: 'json_schema', name: 'light', schema: LIGHT.parameters } },
	});
	assert.equal(form.status, 'completed');
	assert.equal(typeof JSON.parse(form.output_text).on, 'boolean');
});

test('responses, streamed', async () => {
	const body = {
		model: 'tiny', input: 'Hello', max_output_tokens: 16, temperature: 0, ignore_eos: true,
	};
	const whole = await client.responses.create(body);
	const names = [];
	let text = '', number = 0;
	for await (const event of await client.responses.create({ ...body, stream: true })) {
		assert.equal(event.sequence_number, number++);
		names.push(event.type);
		if (event.type === 'response.output_text.delta')
			text += event.delta;
	}
	assert.equal(text, whole.output_text);
	assert.equal(names[0], 'response.created');
	assert.equal(names.at(-1), 'response.incomplete');

	const gathered = client.responses.stream(body);
	let told = '';
	gathered.on('response.output_text.delta', (event) => { told += event.delta; });
	const final = await gathered.finalResponse();
	assert.equal(told, whole.output_text);
	assert.equal(final.output_text, whole.output_text);
});

test('responses that call functions, and go on with what those return', async () => {
	const tools = [{ type: 'function', strict: true, ...LIGHT }];
	const body = {
		model: 'tiny', input: messages, tools, tool_choice: 'required', max_output_tokens: 400,
	};
	const reply = await client.responses.create(body);
	const [call] = reply.output;
	assert.equal(call.type, 'function_call');
	assert.equal(typeof JSON.parse(call.arguments).on, 'boolean');
	const final = await client.responses.stream(body).finalResponse();
	assert.equal(final.output[0].name, 'light');
	const next = await client.responses.create({
		model: 'tiny', tools, tool_choice: 'none', max_output_tokens: 16,
		input: [...messages, ...reply.output,
			{ type: 'function_call_output', call_id: call.call_id, output: 'done' }],
	});
	assert.equal(next.output[0].type, 'message');
	await assert.rejects(client.responses.create({
		model: 'tiny', input: 'x', previous_response_id: reply.id,
	}), (error) => error instanceof OpenAI.BadRequestError && /stores no/.test(error.message));
});

test('errors are those of the client', async () => {
	const ask = (more, who = client) => who.chat.completions.create({
		model: 'tiny', messages, max_tokens: 2, ...more,
	});
	await assert.rejects(ask({ temperature: -1 }), (error) => {
		assert.ok(error instanceof OpenAI.BadRequestError);
		assert.equal(error.status, 400);
		assert.equal(error.type, 'invalid_request_error');
		assert.match(error.message, /temperature/);
		return true;
	});
	await assert.rejects(ask({ messages: [{ role: 'user', content: 'the '.repeat(20000) }] }),
		(error) => error.status === 400 && error.type === 'exceed_context_size_error');
	await assert.rejects(ask({}, client.withOptions({ apiKey: 'wrong' })),
		OpenAI.AuthenticationError);
	await assert.rejects(client.get('/nothing'), OpenAI.NotFoundError);
	const slow = client.withOptions({ apiKey: 'slow' });
	await ask({}, slow);
	await assert.rejects(ask({}, slow), (error) => {
		assert.ok(error instanceof OpenAI.RateLimitError);
		assert.ok(Number(error.headers.get('retry-after')) > 0);
		return true;
	});
});

test('what is aborted is not computed on', async () => {
	const stream = await client.chat.completions.create({
		model: 'tiny', messages, max_tokens: 15000, ignore_eos: true, stream: true,
	});
	let chunks = 0;
	for await (const chunk of stream) {
		assert.ok(chunk.id);
		if (++chunks === 5)
			break;
	}
	assert.ok(await until(async () => await running() === 0));

	const control = new AbortController();
	const whole = client.chat.completions.create({
		model: 'tiny', messages, max_tokens: 19000, ignore_eos: true, n: 4,
	}, { signal: control.signal });
	assert.ok(await until(async () => await running() > 0));
	control.abort();
	await assert.rejects(whole, OpenAI.APIUserAbortError);
	assert.ok(await until(async () => await running() === 0));
});
