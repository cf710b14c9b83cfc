// The SDKs people use, with providers of other dialects behind the gateway: a tool loop must go on where it was, with the
// reasoning that led to the call in front of it, byte for byte.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { OpenRouter } from '@openrouter/sdk';
import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { KEY, startGateway } from './gateway.mjs';

const THINKING = { type: 'thinking', thinking: 'The user wants "Oslo".\nI ask the tool.', signature: 'EqQBCkYIBxgCKkA+/w==' };
const CALL = { type: 'tool_use', id: 'toolu_01', name: 'weather', input: { city: 'Oslo' } };
const SIGNATURE = 'CiQBjz1rXz+/abc=';
const pricing = { prompt: '0.000003', completion: '0.000015' };

// --- providers ---

function anthropic(body) {
  const asked = body.messages.at(-1).content.some?.((b) => b.type === 'tool_result');
  const content = asked ? [{ type: 'text', text: 'Seven degrees in Oslo.' }] : [THINKING, { type: 'text', text: 'Let me look.' }, CALL];
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model, stop_sequence: null };
  const stop_reason = asked ? 'end_turn' : 'tool_use';
  if (!body.stream) return { ...message, content, stop_reason, usage: { input_tokens: 10, output_tokens: 20 } };
  const events = [{ type: 'message_start', message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 10, output_tokens: 1 } } }];
  content.forEach((block, index) => {
    const deltas = { thinking: [{ type: 'thinking_delta', thinking: block.thinking?.slice(0, 9) }, { type: 'thinking_delta', thinking: block.thinking?.slice(9) },
      { type: 'signature_delta', signature: block.signature }], text: [{ type: 'text_delta', text: block.text }],
      tool_use: [{ type: 'input_json_delta', partial_json: '' }, { type: 'input_json_delta', partial_json: '{"city":' }, { type: 'input_json_delta', partial_json: ' "Oslo"}' }] };
    const hollow = { thinking: { type: 'thinking', thinking: '', signature: '' }, text: { type: 'text', text: '' }, tool_use: { ...block, input: {} } };
    events.push({ type: 'content_block_start', index, content_block: hollow[block.type] });
    events.push(...deltas[block.type].map((delta) => ({ type: 'content_block_delta', index, delta })));
    events.push({ type: 'content_block_stop', index });
  });
  events.push({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 20 } }, { type: 'message_stop' });
  return events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('');
}

function gemini(body, stream) {
  const asked = body.contents.at(-1).parts.some((p) => p.functionResponse);
  const parts = asked ? [{ text: 'Seven degrees in Oslo.' }]
    : [{ text: 'Thinking.', thought: true }, { functionCall: { name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: SIGNATURE }];
  const made = (list, finishReason) => ({ candidates: [{ content: { role: 'model', parts: list }, index: 0, finishReason }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 20, totalTokenCount: 30 }, responseId: 'r1' });
  if (!stream) return made(parts, 'STOP');
  return [...parts.map((p) => made([p])), made([{ text: '' }], 'STOP')].map((r) => `data: ${JSON.stringify(r)}\r\n\r\n`).join('');
}

function startProviders() {
  const seen = [];
  const server = http.createServer((req, res) => {
    let text = '';
    req.on('data', (d) => (text += d));
    req.on('end', () => {
      const body = JSON.parse(text);
      seen.push({ url: req.url, body });
      const stream = body.stream || req.url.includes('alt=sse');
      const answer = req.url.endsWith('/messages') ? anthropic(body) : gemini(body, stream);
      res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
      res.end(stream ? answer : JSON.stringify(answer));
    });
  });
  return new Promise((r) => server.listen(0, '127.0.0.1', () => r({ port: server.address().port, seen, stop: () => server.close() })));
}

let providers, gateway;
before(async () => {
  providers = await startProviders();
  const base = `http://127.0.0.1:${providers.port}`;
  gateway = await startGateway(providers.port, {
    providers: [{ id: 'anthropic', protocol: 'anthropic', base_url: `${base}/v1`, api_key: 'k' },
      { id: 'google', protocol: 'gemini', base_url: `${base}/v1beta`, api_key: 'k' }],
    models: [
      { id: 'anthropic/claude-haiku-4.5', endpoints: [{ provider: 'anthropic', model: 'claude-haiku-4-5', context_length: 200000, max_completion_tokens: 64000, pricing }] },
      { id: 'google/gemini-3-flash', endpoints: [{ provider: 'google', model: 'gemini-3-flash-preview', context_length: 200000, max_completion_tokens: 64000, pricing }] }],
  });
});
after(async () => {
  const code = await gateway.stop();
  providers.stop();
  assert.equal(code, 0, gateway.output());
});

// What the provider was sent with the tool's result.
function checkAnthropic() {
  const { body } = providers.seen.at(-1);
  assert.deepEqual(body.messages[1].content.filter((b) => b.type !== 'text'), [THINKING, CALL]);
  assert.equal(body.messages[1].content[0].type, 'thinking');
  assert.equal(body.messages[2].content[0].tool_use_id, CALL.id);
  assert.equal(body.thinking.type, 'enabled');
}
function checkGemini() {
  const { body } = providers.seen.at(-1);
  const calls = body.contents.flatMap((c) => c.parts).filter((p) => p.functionCall);
  assert.deepEqual(calls, [{ functionCall: { name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: SIGNATURE }]);
}

describe('ai with @openrouter/ai-sdk-provider', () => {
  const model = (id) => createOpenRouter({ apiKey: KEY, baseURL: `${gateway.base}/api/v1` })(id, { reasoning: { effort: 'medium' } });
  const tools = { weather: tool({ description: 'now', inputSchema: z.object({ city: z.string() }), execute: async () => ({ degrees: 7 }) }) };

  for (const [id, check] of [['anthropic/claude-haiku-4.5', checkAnthropic], ['google/gemini-3-flash', checkGemini]]) {
    test(`${id}: a tool loop, whole`, async () => {
      const result = await generateText({ model: model(id), prompt: 'Weather?', tools, stopWhen: stepCountIs(3) });
      assert.equal(result.text, 'Seven degrees in Oslo.');
      assert.equal(result.steps.length, 2);
      assert.equal(result.steps[0].finishReason, 'tool-calls');
      assert.ok(result.steps[0].reasoningText.length > 5);
      check();
    });

    test(`${id}: a tool loop, streamed`, async () => {
      const result = streamText({ model: model(id), prompt: 'Weather?', tools, stopWhen: stepCountIs(3) });
      let text = '';
      for await (const piece of result.textStream) text += piece;
      assert.match(text, /Seven degrees in Oslo\.$/);
      assert.equal((await result.totalUsage).inputTokens, 20);
      check();
    });
  }
});

describe('openai', () => {
  const client = () => new OpenAI({ apiKey: KEY, baseURL: `${gateway.base}/v1`, maxRetries: 0 });
  const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
  const ask = (id, messages) => ({ model: id, messages, tools, reasoning_effort: 'medium', max_completion_tokens: 20000 });

  // The helpers of this SDK know nothing of reasoning_details: the gateway remembers.
  for (const [id, check] of [['anthropic/claude-haiku-4.5', checkAnthropic], ['google/gemini-3-flash', checkGemini]]) {
    test(`${id}: a tool loop with a message made anew`, async () => {
      const messages = [{ role: 'user', content: 'Weather?' }];
      const first = await client().chat.completions.stream(ask(id, messages)).finalChatCompletion();
      const { content, tool_calls } = first.choices[0].message;
      assert.equal(first.choices[0].finish_reason, 'tool_calls');
      assert.deepEqual(JSON.parse(tool_calls[0].function.arguments), { city: 'Oslo' });
      const bare = tool_calls.map(({ id, type, function: { name, arguments: text } }) => ({ id, type, function: { name, arguments: text } }));
      messages.push({ role: 'assistant', content, tool_calls: bare }, { role: 'tool', tool_call_id: bare[0].id, content: '{"degrees":7}' });
      const second = await client().chat.completions.create(ask(id, messages));
      assert.equal(second.choices[0].message.content, 'Seven degrees in Oslo.');
      assert.equal(second.usage.cost, 0.00033);
      check();
    });
  }
});

describe('@openrouter/sdk', () => {
  const client = () => new OpenRouter({ apiKey: KEY, serverURL: `${gateway.base}/api/v1`, retryConfig: { strategy: 'none' } });
  const tools = [{ type: 'function', function: { name: 'weather', description: 'now', parameters: { type: 'object', properties: {} } } }];

  for (const model of ['anthropic/claude-haiku-4.5', 'google/gemini-3-flash']) {
    test(`${model}: whole and streamed`, async () => {
      const request = { model, messages: [{ role: 'user', content: 'Weather?' }], tools };
      const whole = await client().chat.send({ chatRequest: request });
      assert.equal(whole.choices[0].message.toolCalls[0].function.name, 'weather');
      assert.ok(whole.choices[0].message.reasoningDetails.length);
      const stream = await client().chat.send({ chatRequest: { ...request, stream: true } });
      let args = '', finish;
      for await (const chunk of stream) {
        args += chunk.choices[0]?.delta?.toolCalls?.[0]?.function?.arguments ?? '';
        finish = chunk.choices[0]?.finishReason ?? finish;
      }
      assert.deepEqual(JSON.parse(args), { city: 'Oslo' });
      assert.equal(finish, 'tool_calls');
    });
  }
});
