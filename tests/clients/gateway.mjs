// Starts the built program for the client tests, with a configuration that points at the mock provider.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const KEY = 'sk-test-0123456789abcdef0123456789abcdef';
export const MANAGEMENT_KEY = 'sk-manage-0123456789abcdef01234567';

export async function freePort() {
  const server = net.createServer();
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  const { port } = server.address();
  await new Promise((r) => server.close(r));
  return port;
}

// `more`: providers and models beside the usual ones.
export async function startGateway(mockPort, more = { providers: [], models: [] }) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'signalbox-clients-'));
  const port = await freePort();
  const config = {
    server: { listen: `127.0.0.1:${port}`, workers: 1 },
    data_dir: path.join(dir, 'data'),
    auth: { management_key: MANAGEMENT_KEY, keys: [{ name: 'test', key: KEY }] },
    providers: [{ id: 'openai', protocol: 'openai', base_url: `http://127.0.0.1:${mockPort}/v1`, api_key: 'sk-upstream' }, ...more.providers],
    models: [
      {
        id: 'openai/gpt-4o-mini',
        endpoints: [{ provider: 'openai', model: 'up-model', context_length: 128000, max_completion_tokens: 16384,
          pricing: { prompt: '0.00000015', completion: '0.0000006', input_cache_read: '0.000000075' } }],
      },
      { id: 'demo/echo' }, { id: 'demo/lorem' }, { id: 'demo/tools' }, { id: 'demo/flaky' },
      ...more.models,
    ],
  };
  fs.writeFileSync(path.join(dir, 'signalbox.yaml'), JSON.stringify(config));  // JSON is YAML
  const child = spawn(process.env.SIGNALBOX_BIN, ['serve', '-c', path.join(dir, 'signalbox.yaml')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (d) => (output += d));
  child.stderr.on('data', (d) => (output += d));
  const base = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    try {
      if ((await fetch(`${base}/readyz`)).ok) break;
    } catch {}
    if (i > 200 || child.exitCode !== null) throw new Error(`the gateway did not start:\n${output}`);
    await new Promise((r) => setTimeout(r, 50));
  }
  return {
    base,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      const code = await new Promise((r) => (child.exitCode !== null ? r(child.exitCode) : child.once('exit', r)));
      fs.rmSync(dir, { recursive: true, force: true });
      return code;
    },
  };
}
