import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { packagePath } from '../../../../lib/package.js';
import { writeTinyModel } from '../../../../deploy/demo/tiny-model.js';
import { KeyValueCache } from '../../../../worker/model/language-model.js';
import { queryBlocks } from '../../../../worker/model/query-blocks.js';
import { liveTensors } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';
import { gradientOf, loadModel, unload, type LoadedModel } from './loaded-model.js';

test('blocks follow one another, about as long as they should be', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 300 }),
      (length, blockLength) => {
        const blocks = queryBlocks(length, blockLength);
        const edges = blocks.map(({ start }) => start);
        assert.deepEqual(
          [...edges.slice(1), length],
          blocks.map(({ end }) => end),
        );
        assert.equal(edges[0], 0);
        for (const { start, end } of blocks) {
          assert.ok(end - start >= 1);
          assert.ok(blocks.length === 1 || end - start <= 1.5 * blockLength);
        }
      },
    ),
  );
});

const LENGTH = 250;

describe('sequences of several blocks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-test-'));
  let loaded: LoadedModel;
  before(async () => {
    await writeTinyModel(directory, packagePath('deploy/demo/data'), 1);
    loaded = loadModel(directory);
  });
  after(() => {
    unload(loaded);
    rmSync(directory, { recursive: true });
  });

  function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
    assert.equal(actual.length, expected.length);
    const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(largest > 0, what);
    for (let i = 0; i < actual.length; i++) {
      const [value, wanted] = [actual[i]!, expected[i]!];
      assert.ok(Math.abs(value - wanted) <= 1e-5 * largest, `${what}, ${i}: ${value}, expected ${wanted}`);
    }
  }

  // Blocks that lie elsewhere, or a single one: 190 tokens are one block, 240 behind 10 are two.
  for (const cuts of [
    [100, 200, 249, LENGTH],
    [10, LENGTH],
    [190, LENGTH],
  ]) {
    test(`continued from a cache, up to tokens ${cuts.join(', ')}, equal the whole`, (t) => {
      const { model, weights, description } = loaded;
      const ids = [testRandom(t).integers(LENGTH, description.config.vocabSize)];
      const cache = new KeyValueCache(1);
      let start = 0;
      for (const end of cuts) {
        const [logits] = model.extend(weights, cache, [ids[0]!.subarray(start, end)]);
        const [whole] = model.logits(weights, ids, [{ sequence: 0, token: end - 1 }]);
        assertNear(logits!, whole!, `logits of token ${end - 1}`);
        start = end;
      }
      cache.dispose();
    });
  }

  test('a prompt that is computed once for two completions gives what both give alone', (t) => {
    const { model, weights, description } = loaded;
    const random = testRandom(t);
    const token = (count: number) => random.integers(count, description.config.vocabSize);
    const sequence = (prompt: Int32Array, count: number) => ({
      ids: Int32Array.from([...prompt, ...token(count)]),
      completionStart: prompt.length,
    });
    const prompts = [token(140), token(20)];
    const trunks = prompts.map((prompt) => sequence(prompt, LENGTH - prompt.length));
    const branches = prompts.map((prompt) => sequence(prompt, 100));
    const held = liveTensors();
    const found = model.branchedLogps(weights, trunks, branches);
    assert.equal(liveTensors(), held);
    for (const [what, sequences, logps] of [
      ['trunks', trunks, found.trunks],
      ['branches', branches, found.branches],
    ] as const)
      model
        .tokenLogps(weights, sequences)
        .forEach((alone, index) => assertNear(logps[index]!, alone, `${what}, sequence ${index}`));
  });

  test('a sequence has the gradient that it has beside shorter ones, which moves where the blocks are cut', (t) => {
    const { description } = loaded;
    const random = testRandom(t);
    const sequence = (length: number) => ({
      ids: random.integers(length, description.config.vocabSize),
      completionStart: length - 40,
    });
    // Alone 180 tokens are one block; beside 250 they are cut at 125.
    const [short, long] = [sequence(180), sequence(LENGTH)];
    const alone = [short, long].map((one) => gradientOf(loaded, [one]).gradient);
    const sum = alone[0]!.map((value, index) => value + alone[1]![index]!);
    assertNear(gradientOf(loaded, [short, long]).gradient, sum, 'gradient');
  });
});
