import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';

import { KeyValueCache } from '../../../../worker/model/language-model.js';
import { liveTensors } from '../../../../worker/tensorflow/tensor.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { testRandom } from '../random.js';
import { loadModel, unload, type LoadedModel } from './loaded-model.js';

/** More tokens than the windows of the models that have some. */
const LENGTH = 21;
const SEQUENCES = 3;

/** Logits at some token of each sequence, computed from the first token on. */
function fromTheStart({ model, weights }: LoadedModel, ids: readonly Int32Array[], token: number) {
  return model.logits(
    weights,
    ids,
    ids.map((_, sequence) => ({ sequence, token })),
  );
}

function assertSame(actual: readonly Float32Array[], expected: readonly Float32Array[], what: string): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((logits, sequence) => {
    const largest = expected[sequence]!.reduce((most, logit) => Math.max(most, Math.abs(logit)), 1);
    logits.forEach((logit, entry) => {
      const wanted = expected[sequence]![entry]!;
      assert.ok(
        Math.abs(logit - wanted) <= 1e-5 * largest,
        `${what}, sequence ${sequence}, logit ${entry}: ${logit}, from the start ${wanted}`,
      );
    });
  });
}

for (const name of [
  'models/gpt2',
  'models/gpt_neox',
  'models/llama',
  'models/llama_bf16_sharded',
  'models/mistral',
  'families/gemma2',
  'families/gpt2_bare/lora',
  'families/gpt_neox_sequential',
  'families/llama3',
  'families/llama_linear',
  'families/qwen2',
  'families/qwen3',
  'families/qwen3/lora',
]) {
  describe(`${name}, continued from a cache, equals the whole sequence`, () => {
    let loaded: LoadedModel;
    before(() => {
      const directory = fixturePath(name);
      loaded = name.endsWith('/lora') ? loadModel(dirname(directory), { directory }) : loadModel(directory);
    });
    after(() => unload(loaded));

    const randomSequences = (t: TestContext) => {
      const random = testRandom(t);
      const { vocabSize } = loaded.description.config;
      return Array.from({ length: SEQUENCES }, () => random.integers(LENGTH, vocabSize));
    };

    for (const cuts of [
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, LENGTH],
      [5, 6, 7, 15, LENGTH],
    ]) {
      test(`up to tokens ${cuts.join(', ')}`, (t) => {
        const ids = randomSequences(t);
        const { model, weights } = loaded;
        const held = liveTensors();
        const cache = new KeyValueCache(SEQUENCES);
        let start = 0;
        for (const end of cuts) {
          const further = ids.map((sequence) => sequence.subarray(start, end));
          const logits = model.extend(weights, cache, further);
          assertSame(logits, fromTheStart(loaded, ids, end - 1), `${start} to ${end}`);
          start = end;
        }
        assert.equal(cache.length, LENGTH);
        cache.dispose();
        assert.equal(liveTensors(), held);
      });
    }

    test('with some of the sequences, in another order', (t) => {
      const ids = randomSequences(t);
      const { model, weights } = loaded;
      const cache = new KeyValueCache(SEQUENCES);
      const part = (sequences: readonly Int32Array[], start: number, end: number) =>
        sequences.map((sequence) => sequence.subarray(start, end));
      model.extend(weights, cache, part(ids, 0, 10));
      cache.select([2, 0]);
      const left = [ids[2]!, ids[0]!];
      assertSame(
        model.extend(weights, cache, part(left, 10, 12)),
        fromTheStart(loaded, left, 11),
        '10 to 12',
      );
      cache.dispose();
    });

    test('refuses another number of sequences or of tokens than the cache goes on with', () => {
      const { model, weights } = loaded;
      const cache = new KeyValueCache(2);
      for (const wrong of [[Int32Array.of(1)], [Int32Array.of(1), Int32Array.of(1, 2)]]) {
        assert.throws(() => model.extend(weights, cache, wrong), /the cache goes on with/);
      }
      cache.dispose();
    });
  });
}
