import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { differences, metricsFileDiffers, readOutcome } from './outcome.js';

const lines = [
  { step: 1, stage: 1, loss: 0.5, kl: 0, grad_norm: 2, 'rewards/chosen': null, step_time_s: 0.1 },
  { step: 2, stage: 1, loss: 0.4, kl: 0.1, grad_norm: 3, 'rewards/chosen': 0.2, step_time_s: 0.1 },
];

async function outputOf(t: TestContext, metrics: readonly object[], weights = 'weights'): Promise<string> {
  const dir = await temporaryDirectory(t);
  mkdirSync(join(dir, 'model'));
  writeFileSync(join(dir, 'model/model.safetensors'), weights);
  writeFileSync(join(dir, 'metrics.jsonl'), metrics.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return dir;
}

describe('the comparison of two runs', () => {
  const compare = async (t: TestContext, metrics: readonly object[], weights?: string) =>
    differences(readOutcome(await outputOf(t, metrics, weights)), readOutcome(await outputOf(t, lines)));

  test('finds no difference in how long steps took', async (t) => {
    assert.deepEqual(await compare(t, [{ ...lines[0], step_time_s: 7 }, lines[1]!]), []);
  });

  test('finds other weights', async (t) => {
    const found = await compare(t, lines, 'other weights');
    assert.equal(found.length, 1);
    assert.match(found[0]!, /^model\/model\.safetensors is [0-9a-f]{64} and should be [0-9a-f]{64}$/);
  });

  test('finds another number, in the last place, and one that is missing', async (t) => {
    assert.deepEqual(
      await compare(t, [
        { ...lines[0], loss: 0.5000000000000001 },
        { ...lines[1], kl: null },
      ]),
      ['metrics.jsonl:1: loss is 0.5000000000000001, not 0.5', 'metrics.jsonl:2: kl is null, not 0.1'],
    );
  });

  test('finds lines that are missing or too many', async (t) => {
    assert.deepEqual(await compare(t, lines.slice(0, 1)), ['metrics.jsonl has 1 lines and should have 2']);
    assert.deepEqual(await compare(t, [...lines, lines[1]!]), [
      'metrics.jsonl has 3 lines and should have 2',
    ]);
  });

  test('finds where the file does not say what the journal says', async (t) => {
    const dir = await outputOf(t, lines);
    const journal = lines.map((line, i) => ({
      ...{ stage: 1, step: i + 1, generation: 1, work: [] },
      metricsJson: JSON.stringify(line),
    }));
    assert.deepEqual(metricsFileDiffers(dir, { memberships: [], steps: journal }), []);
    assert.equal(metricsFileDiffers(dir, { memberships: [], steps: journal.slice(1) }).length, 2);
  });
});
