// A provider of the OpenAI dialect for the client tests: it keeps what it was sent, and answers by what the prompt says.
import http from 'node:http';

const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, prompt_tokens_details: { cached_tokens: 4 } };

function whole(message, finish_reason = 'stop') {
  return {
    id: 'chatcmpl-up1', object: 'chat.completion', created: 1700000000, model: 'up-model-2024', system_fingerprint: null,
    choices: [{ index: 0, message: { role: 'assistant', refusal: null, ...message }, logprobs: null, finish_reason }], usage,
  };
}

function chunk(delta, finish_reason = null, extra = {}) {
  return {
    id: 'chatcmpl-up1', object: 'chat.completion.chunk', created: 1700000000, model: 'up-model-2024', system_fingerprint: null,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }], usage: null, ...extra,
  };
}

const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };

function events(body) {
  if (body.tools) {
    return [
      chunk({ role: 'assistant', content: null, tool_calls: [{ index: 0, ...call, function: { name: 'weather', arguments: '' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '"Oslo"}' } }] }),
      chunk({}, 'tool_calls'),
    ];
  }
  return [chunk({ role: 'assistant', content: '', refusal: null }), chunk({ content: 'Hello' }), chunk({ content: ' wörld' }), chunk({}, 'stop')];
}

export async function startMock() {
  const seen = [];
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.on('end', async () => {
      const body = JSON.parse(Buffer.concat(parts).toString());
      seen.push({ url: req.url, headers: req.headers, body });
      const text = JSON.stringify(body.messages);
      const status = /fault=(\d+)/.exec(text)?.[1];
      if (status) {
        res.writeHead(Number(status), { 'content-type': 'application/json', 'retry-after': '0' });
        return res.end(JSON.stringify({ error: { message: `simulated ${status}`, type: 'simulated', code: null, param: null } }));
      }
      if (!body.stream) {
        res.writeHead(200, { 'content-type': 'application/json' });
        if (body.tools) return res.end(JSON.stringify(whole({ content: null, tool_calls: [call] }, 'tool_calls')));
        if (body.response_format) return res.end(JSON.stringify(whole({ content: '{"city":"Oslo","degrees":7}' })));
        return res.end(JSON.stringify(whole({ content: 'Hello wörld' })));
      }
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const cut = text.includes('fault=cut'), error = text.includes('fault=event');
      const list = body.response_format ? [chunk({ role: 'assistant', content: '{"city":"Oslo",' }), chunk({ content: '"degrees":7}' }), chunk({}, 'stop')] : events(body);
      for (const e of list) {
        res.write(`data: ${JSON.stringify(e)}\n\n`);
        await new Promise((r) => setTimeout(r, 5));
        if (cut && e.choices[0].delta.content) return res.end();
        if (error && e.choices[0].delta.content) {
          res.write('data: {"error":{"message":"simulated trouble","type":"server_error","code":500}}\n\n');
          return res.end();
        }
      }
      if (body.stream_options?.include_usage) res.write(`data: ${JSON.stringify({ ...chunk({}), choices: [], usage })}\n\n`);
      res.end('data: [DONE]\n\n');
    });
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  return { port: server.address().port, seen, stop: () => { server.closeAllConnections(); server.close(); } };
}
