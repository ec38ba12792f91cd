import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { configureThreads, readFingerprint } from '../../../../worker/tensorflow/environment.js';

test('the fingerprint names the library, the device and the threads', () => {
  configureThreads(2);
  const { tensorflowVersion, device, threads } = readFingerprint(2);
  assert.match(tensorflowVersion, /^\d+\.\d+\.\d+/);
  assert.match(device, /^(CPU with oneDNN( [a-z0-9_]+)+|GPU .+)$/);
  assert.equal(threads, 2);
});

test('threads cannot be configured from a worker_thread, where it would have no effect', async () => {
  const module = new URL('../../../../worker/tensorflow/environment.js', import.meta.url).href;
  const code = `import(${JSON.stringify(module)}).then(({ configureThreads }) => configureThreads(2))`;
  const worker = new Worker(code, { eval: true });
  const error = await new Promise((resolve) => worker.once('error', resolve));
  assert.match(String(error), /configured on the main thread/);
});
