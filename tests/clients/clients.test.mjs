// The SDKs people use, with nothing but the base URL changed.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OpenRouter } from '@openrouter/sdk';
import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { generateObject, generateText, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { KEY, MANAGEMENT_KEY, startGateway } from './gateway.mjs';
import { startMock } from './mock.mjs';

const MODEL = 'openai/gpt-4o-mini';
// 5 of 9 prompt tokens at 0.00000015, 4 cached at 0.000000075, 3 completion tokens at 0.0000006
const COST = 0.00000285;
const hello = [{ role: 'user', content: 'Hi' }];
const weatherTool = {
  type: 'function',
  function: { name: 'weather', description: 'now', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
};
const schema = {
  type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'number' } }, required: ['city', 'degrees'], additionalProperties: false,
};

let mock, gateway;
before(async () => {
  mock = await startMock();
  gateway = await startGateway(mock.port);
});
after(async () => {
  const code = await gateway.stop();
  mock.stop();
  assert.equal(code, 0, gateway.output());
});

describe('openai', () => {
  const client = (key = KEY, options = {}) => new OpenAI({ apiKey: key, baseURL: `${gateway.base}/v1`, maxRetries: 0, ...options });

  test('chat', async () => {
    const { data, response } = await client().chat.completions.create({ model: MODEL, messages: hello }).withResponse();
    assert.match(data.id, /^gen-\d+-[0-9A-Za-z]{20}$/);
    assert.equal(response.headers.get('x-generation-id'), data.id);
    assert.match(response.headers.get('server-timing'), /^gw;dur=\d+\.\d+$/);
    assert.equal(data.model, MODEL);
    assert.equal(data.provider, 'OpenAI');
    assert.equal(data.choices[0].message.content, 'Hello wörld');
    assert.equal(data.choices[0].native_finish_reason, 'stop');
    assert.equal(data.usage.cost, COST);
    const sent = mock.seen.at(-1);
    assert.equal(sent.body.model, 'up-model');
    assert.equal(sent.headers.authorization, 'Bearer sk-upstream');
  });

  test('stream', async () => {
    const stream = await client().chat.completions.create({ model: MODEL, messages: hello, stream: true, stream_options: { include_usage: true } });
    let text = '', usage, finish;
    for await (const chunk of stream) {
      assert.match(chunk.id, /^gen-/);
      assert.equal(chunk.model, MODEL);
      text += chunk.choices[0]?.delta?.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      if (chunk.usage) {
        assert.equal(usage, undefined, 'one usage only');
        usage = chunk.usage;
      }
    }
    assert.equal(text, 'Hello wörld');
    assert.equal(finish, 'stop');
    assert.equal(usage.cost, COST);
    assert.equal(mock.seen.at(-1).body.stream_options.include_usage, true);
  });

  test('stream helper gathers the answer', async () => {
    const runner = client().chat.completions.stream({ model: MODEL, messages: hello });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.content, 'Hello wörld');
  });

  test('tools pass through, whole and streamed', async () => {
    const whole = await client().chat.completions.create({ model: MODEL, messages: hello, tools: [weatherTool] });
    assert.deepEqual(mock.seen.at(-1).body.tools, [weatherTool]);
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    assert.equal(whole.choices[0].message.tool_calls[0].function.arguments, '{"city":"Oslo"}');
    const final = await client().chat.completions.stream({ model: MODEL, messages: hello, tools: [weatherTool] }).finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.arguments, '{"city":"Oslo"}');
  });

  test('structured output passes through', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } };
    const parsed = await client().chat.completions.parse({ model: MODEL, messages: hello, response_format });
    assert.deepEqual(mock.seen.at(-1).body.response_format, response_format);
    assert.deepEqual(JSON.parse(parsed.choices[0].message.content), { city: 'Oslo', degrees: 7 });
  });

  test('models', async () => {
    const ids = [];
    for await (const model of client().models.list()) ids.push(model.id);
    assert.ok(ids.includes(MODEL) && ids.includes('demo/echo'));
  });

  test('error classes', async () => {
    await assert.rejects(client('sk-wrong').chat.completions.create({ model: MODEL, messages: hello }), OpenAI.AuthenticationError);
    await assert.rejects(client().chat.completions.create({ model: 'openai/gpt-4o-mimi', messages: hello }), (e) => {
      assert.ok(e instanceof OpenAI.BadRequestError);
      assert.match(e.message, /gpt-4o-mini/);
      return true;
    });
    await assert.rejects(client(MANAGEMENT_KEY).chat.completions.create({ model: MODEL, messages: hello }), OpenAI.PermissionDeniedError);
    await assert.rejects(client().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'fault=429' }] }), OpenAI.RateLimitError);
    await assert.rejects(client().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'fault=500' }] }), OpenAI.InternalServerError);
  });

  test('a stream that the provider cuts is an error, never a success', async () => {
    for (const fault of ['cut', 'event']) {
      await assert.rejects(async () => {
        const stream = await client().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: `fault=${fault}` }], stream: true });
        for await (const chunk of stream) assert.ok(chunk);
      }, OpenAI.APIError);
    }
  });

  test('demo models', async () => {
    const echo = await client().chat.completions.create({ model: 'demo/echo', messages: hello });
    assert.match(echo.choices[0].message.content, /Simulated.*Hi/);
    const flaky = await client().chat.completions.create({ model: 'demo/flaky', messages: hello });
    assert.match(flaky.choices[0].message.content, /Simulated/);
    const called = await client().chat.completions.create({ model: 'demo/tools', messages: hello, tools: [weatherTool] });
    assert.equal(called.choices[0].message.tool_calls[0].function.name, 'weather');
  });
});

describe('@openrouter/sdk', () => {
  const client = (key = KEY) => new OpenRouter({ apiKey: key, serverURL: `${gateway.base}/api/v1`, retryConfig: { strategy: 'none' } });

  test('chat and its generation', async () => {
    const result = await client().chat.send({ chatRequest: { model: MODEL, messages: hello } });
    assert.equal(result.choices[0].message.content, 'Hello wörld');
    assert.equal(result.usage.cost, COST);
    const { data } = await client().generations.getGeneration({ id: result.id });
    assert.equal(data.id, result.id);
    assert.equal(data.totalCost, COST);
    assert.equal(data.model, MODEL);
  });

  test('stream', async () => {
    const stream = await client().chat.send({ chatRequest: { model: MODEL, messages: hello, stream: true } });
    let text = '', cost;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      cost = chunk.usage?.cost ?? cost;
    }
    assert.equal(text, 'Hello wörld');
    assert.equal(cost, COST);
  });

  test('a broken stream shows its error', async () => {
    const stream = await client().chat.send({ chatRequest: { model: MODEL, messages: [{ role: 'user', content: 'fault=cut' }], stream: true } });
    let error;
    for await (const chunk of stream) error = chunk.error ?? error;
    assert.ok(error?.message);
  });

  test('tools, streamed', async () => {
    const stream = await client().chat.send({ chatRequest: { model: MODEL, messages: hello, stream: true, tools: [weatherTool] } });
    let args = '';
    for await (const chunk of stream) args += chunk.choices[0]?.delta?.toolCalls?.[0]?.function?.arguments ?? '';
    assert.equal(args, '{"city":"Oslo"}');
  });

  test('models, one model, its endpoints, count, providers', async () => {
    const page = await client().models.list();
    const list = page.data ?? page.result?.data;
    assert.ok(list.some((m) => m.id === MODEL));
    const one = await client().models.get({ author: 'openai', slug: 'gpt-4o-mini' });
    assert.equal(one.data.id, MODEL);
    const endpoints = await client().endpoints.list({ author: 'openai', slug: 'gpt-4o-mini' });
    assert.equal(endpoints.data.endpoints[0].providerName, 'OpenAI');
    assert.equal((await client().models.count()).data.count, list.length);
    const providers = await client().providers.list();
    assert.ok(providers.data.some((p) => p.slug === 'openai'));
  });

  test('the key and its spending', async () => {
    await client().chat.send({ chatRequest: { model: MODEL, messages: hello } });
    const { data } = await client().apiKeys.getCurrentKeyMetadata();
    assert.ok(data.usage >= COST);
    assert.equal(data.isManagementKey, false);
  });

  test('keys by the management key', async () => {
    const admin = client(MANAGEMENT_KEY);
    const made = await admin.apiKeys.create({ requestBody: { name: 'from the sdk', limit: 5 } });
    assert.match(made.key, /^sk-sb-v1-/);
    const fresh = client(made.key);
    assert.equal((await fresh.chat.send({ chatRequest: { model: 'demo/echo', messages: hello } })).choices.length, 1);
    const listed = await admin.apiKeys.list();
    const rows = listed.data ?? listed.result?.data;
    assert.ok(rows.some((k) => k.hash === made.data.hash && k.name === 'from the sdk' && k.limit === 5));
    await admin.apiKeys.update({ hash: made.data.hash, requestBody: { disabled: true } });
    await assert.rejects(fresh.chat.send({ chatRequest: { model: 'demo/echo', messages: hello } }), (e) => e.statusCode === 401);
    assert.equal((await admin.apiKeys.get({ hash: made.data.hash })).data.disabled, true);
    assert.equal((await admin.apiKeys.delete({ hash: made.data.hash })).deleted, true);
  });

  test('error classes', async () => {
    const send = (key, model, content = 'Hi') => client(key).chat.send({ chatRequest: { model, messages: [{ role: 'user', content }] } });
    await assert.rejects(send('sk-wrong', MODEL), (e) => e.constructor.name === 'UnauthorizedResponseError');
    await assert.rejects(send(KEY, 'no/such'), (e) => e.constructor.name === 'BadRequestResponseError');
    await assert.rejects(send(KEY, MODEL, 'fault=429'), (e) => e.constructor.name === 'TooManyRequestsResponseError');
  });
});

describe('ai with @openrouter/ai-sdk-provider', () => {
  const model = (id = MODEL, key = KEY) => createOpenRouter({ apiKey: key, baseURL: `${gateway.base}/api/v1` })(id);

  test('generateText', async () => {
    const result = await generateText({ model: model(), prompt: 'Hi' });
    assert.equal(result.text, 'Hello wörld');
    assert.equal(result.finishReason, 'stop');
    assert.equal(result.providerMetadata.openrouter.usage.cost, COST);
  });

  test('streamText', async () => {
    const result = streamText({ model: model(), prompt: 'Hi' });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, 'Hello wörld');
    assert.equal((await result.usage).inputTokens, 9);
  });

  test('tools', async () => {
    const result = await generateText({
      model: model(), prompt: 'Hi', tools: { weather: tool({ description: 'now', inputSchema: z.object({ city: z.string() }) }) },
    });
    assert.deepEqual(result.toolCalls[0].input, { city: 'Oslo' });
  });

  test('structured output', async () => {
    const result = await generateObject({ model: model(), prompt: 'Hi', schema: z.object({ city: z.string(), degrees: z.number() }) });
    assert.deepEqual(result.object, { city: 'Oslo', degrees: 7 });
  });

  test('a wrong key is an APICallError with status 401', async () => {
    await assert.rejects(generateText({ model: model(MODEL, 'sk-wrong'), prompt: 'Hi', maxRetries: 0 }), (e) => e.statusCode === 401);
  });

  test('a broken stream is an error part', async () => {
    const result = streamText({ model: model(), prompt: 'fault=cut', onError: () => {} });
    const parts = [];
    for await (const part of result.fullStream) parts.push(part.type);
    assert.ok(parts.includes('error'));
  });
});
