import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { socketsIn, unfinishedIn } from './census.js';

test('the census finds sockets and unfinished things wherever they lie, and nothing else', async (t) => {
  const dir = await temporaryDirectory(t);
  mkdirSync(join(dir, 'model'));
  for (const name of ['metrics.jsonl', 'model/model.safetensors', 'model/template.json']) {
    writeFileSync(join(dir, name), '');
  }
  assert.deepEqual([...socketsIn(dir), ...unfinishedIn(dir)], []);

  const unfinished = [
    'run.yaml.1234.tmp',
    'model/a.safetensors.77.tmp',
    'model/.model.99.tmp',
    '.model.5.old',
  ];
  for (const name of unfinished) writeFileSync(join(dir, name), '');
  assert.deepEqual(
    new Set(unfinishedIn(dir)),
    new Set(unfinished.map((name) => `unfinished thing left: ${join(dir, name)}`)),
  );

  const server = createServer();
  t.after(() => server.close());
  mkdirSync(join(dir, 'sockets-abc'));
  await new Promise<void>((resolve) => server.listen(join(dir, 'sockets-abc/r1.sock'), resolve));
  assert.deepEqual(
    new Set(socketsIn(dir)),
    new Set([`socket left: ${join(dir, 'sockets-abc')}`, `socket left: ${join(dir, 'sockets-abc/r1.sock')}`]),
  );
});
