// The examples of README.md and docs/api.md, run as they stand (but for the port).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { KEY, startGateway } from './gateway.mjs';
import { startMock } from './mock.mjs';

let mock, gateway;
before(async () => {
  mock = await startMock();
  gateway = await startGateway(mock.port);
});
after(async () => {
  await gateway.stop();
  mock.stop();
});

for (const file of ['README.md', 'docs/api.md']) {
  const text = fs.readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((m) => m[1]).filter((b) => b.includes('curl'));
  assert.ok(blocks.length >= 3, `${file} has examples`);
  blocks.forEach((block, i) =>
    test(`${file}, example ${i + 1}`, () => {
      const script = block.replaceAll('http://127.0.0.1:8787', gateway.base);
      const out = execFileSync('bash', ['-euo', 'pipefail', '-c', script], { env: { ...process.env, SIGNALBOX_KEY: KEY }, encoding: 'utf8' });
      assert.ok(out.length > 0);
      if (!block.includes('401')) assert.doesNotMatch(out, /"error":\{/);
    }),
  );
}
