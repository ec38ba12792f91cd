import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import type { Sequence } from '../../../../worker/model/language-model.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { loadModel } from './loaded-model.js';

test('a compute thread sees the weights that the main thread writes, without being sent any', async (t) => {
  const directory = fixturePath('models/llama');
  const { model, weights, buffer, layout } = loadModel(directory);
  const thread = new Worker(new URL('./scoring-thread.js', import.meta.url), {
    workerData: { directory, memory: buffer.memory },
  });
  t.after(() => thread.terminate());
  const batch: Sequence[] = [{ ids: Int32Array.of(0, 53, 89, 282, 88, 77, 1), completionStart: 3 }];
  const scoreThere = async (): Promise<unknown> => {
    thread.postMessage(batch);
    const [logps] = (await once(thread, 'message')) as [unknown];
    return logps;
  };

  const before = model.logps(weights, batch);
  assert.deepEqual(await scoreThere(), before);
  for (const values of buffer.slices({ start: 0, end: layout.size })) {
    values.forEach((value, index) => (values[index] = 0.5 * value));
  }
  const after = model.logps(weights, batch);
  assert.notDeepEqual(after, before);
  assert.deepEqual(await scoreThere(), after);
  weights.dispose();
});
