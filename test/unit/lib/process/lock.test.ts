import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { withLock } from '../../../../lib/process/lock.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const advice = 'use another disk';
const onWait = () => undefined;
const lockModule = new URL('../../../../lib/process/lock.js', import.meta.url).href;
const holder = `
import { withLock } from ${JSON.stringify(lockModule)};
await withLock(process.argv[1], { onWait: () => {}, advice: '' }, () => new Promise(() => {
  process.stdout.write('held');
  setInterval(() => {}, 1e6);
}));`;

test('waits for another process, and takes the lock over when that process is killed', async (t) => {
  const root = await temporaryDirectory(t);
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
  await withLock(root, { onWait, advice }, () => Promise.resolve(events.push('work')));
  assert.deepEqual(events, ['wait', 'work']);
});

test('work of one process is never interleaved, and a failure frees the lock', async (t) => {
  const root = join(await temporaryDirectory(t), 'made', 'when', 'missing');
  const events: string[] = [];
  const work = (name: string) => async () => {
    events.push(`${name} starts`);
    await new Promise(setImmediate);
    events.push(`${name} ends`);
    throw new Error(name);
  };
  const results = await Promise.allSettled([
    withLock(root, { onWait, advice }, work('a')),
    withLock(root, { onWait, advice }, work('b')),
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
  const file = join(await temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  await assert.rejects(
    withLock(join(file, 'cache'), { onWait, advice }, () => Promise.resolve()),
    (error) =>
      error instanceof ConfigError && /cannot write or lock .*; use another disk$/.test(error.message),
  );
});

test('waiting ends with the signal', async (t) => {
  const root = await temporaryDirectory(t);
  const stopping = new AbortController();
  const waiter = () => {
    stopping.abort(new Error('enough'));
  };
  await withLock(root, { onWait, advice }, () =>
    assert.rejects(
      withLock(root, { onWait: waiter, advice, signal: stopping.signal }, () => Promise.resolve()),
      /enough/,
    ),
  );
});
