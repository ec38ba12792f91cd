import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rope } from '../../../../worker/model/rope.js';
import { read, scope } from '../../../../worker/tensorflow/tensor.js';

/**
 * [feature, cos, sin] at position 8191 of Llama 3.1 8B, from `LlamaRotaryEmbedding` of transformers 5.24.0: features that
 * are left as they are, on the ramp, and slowed down.
 */
const llama31 = [
  [0, -0.646390498, -0.763006806],
  [20, -0.848267138, -0.529568493],
  [28, 0.388112843, 0.921611845],
  [29, 0.450763315, -0.892643511],
  [32, -0.401702672, -0.915770173],
  [35, 0.708977282, 0.705231309],
  [36, 0.803502202, 0.595301747],
  [50, 0.99934721, 0.0361270159],
  [63, 0.999996841, 0.00251375465],
] as const;

test('the angles of Llama 3.1 at a far position', () => {
  const position = 8191;
  const { cos, sin } = scope(() => {
    const rotary = rope(128, {
      theta: 500_000,
      scaling: {
        type: 'llama3',
        factor: 8,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalLength: 8192,
      },
    });
    const found = rotary.tables(0, position + 1);
    return { cos: read(found.cos), sin: read(found.signedSin) };
  });
  for (const [feature, expectedCos, expectedSin] of llama31) {
    const first = position * 128 + feature;
    assert.ok(Math.abs(cos[first]! - expectedCos) < 2e-6, `cos of ${feature}: ${cos[first]!}`);
    assert.ok(Math.abs(sin[first + 64]! - expectedSin) < 2e-6, `sin of ${feature}: ${sin[first + 64]!}`);
    assert.equal(cos[first + 64], cos[first]);
    assert.equal(sin[first], -sin[first + 64]!);
  }
});
