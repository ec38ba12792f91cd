import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { withLock } from '../../../../deploy/tensorflow/lock.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from './temporary-directory.js';

const lockModule = new URL('../../../../deploy/tensorflow/lock.js', import.meta.url).href;
const holder = `
import { withLock } from ${JSON.stringify(lockModule)};
await withLock(process.argv[1], () => {}, () => new Promise(() => {
  process.stdout.write('held');
  setInterval(() => {}, 1e6);
}));`;

test('waits for another process, and takes the lock over when that process is killed', async (t) => {
  const root = temporaryDirectory(t);
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const events: string[] = [];
  const onWait = () => {
    events.push('wait');
    child.kill('SIGKILL');
  };
  await withLock(root, onWait, () => Promise.resolve(events.push('work')));
  assert.deepEqual(events, ['wait', 'work']);
});

test('work of one process is never interleaved, and a failure frees the lock', async (t) => {
  const root = join(temporaryDirectory(t), 'made', 'when', 'missing');
  const events: string[] = [];
  const work = (name: string) => async () => {
    events.push(`${name} starts`);
    await new Promise(setImmediate);
    events.push(`${name} ends`);
    throw new Error(name);
  };
  const ignore = () => undefined;
  const results = await Promise.allSettled([
    withLock(root, ignore, work('a')),
    withLock(root, ignore, work('b')),
  ]);
  assert.deepEqual(
    results.map((result) => result.status === 'rejected' && String(result.reason)),
    ['Error: a', 'Error: b'],
  );
  const first = events[0]?.[0];
  const second = first === 'a' ? 'b' : 'a';
  assert.deepEqual(events, [`${first} starts`, `${first} ends`, `${second} starts`, `${second} ends`]);
});

test('a cache that cannot be written is a ConfigError', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  await assert.rejects(
    withLock(
      join(file, 'cache'),
      () => undefined,
      () => Promise.resolve(),
    ),
    (error) => error instanceof ConfigError && /cannot write or lock .*PROSPECT_CACHE/.test(error.message),
  );
});
