import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  fusedCrossEntropy,
  plainCrossEntropy,
  type CrossEntropy,
} from '../../../../worker/tensorflow/cross-entropy.js';
import { floats, read, scope, type Tensor } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';

/** In float64. */
function expected(logits: Float32Array, label: number) {
  const highest = Math.max(...logits);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return {
    loss: Math.log(total) + highest - logits[label]!,
    gradient: exponentials.map((value, token) => value / total - (token === label ? 1 : 0)),
  };
}

const implementations: Record<string, (logits: Tensor, labels: Int32Array) => CrossEntropy> = {
  fused: fusedCrossEntropy,
  plain: plainCrossEntropy,
};

for (const [name, crossEntropy] of Object.entries(implementations)) {
  test(`${name} cross-entropy equals the formula in float64, for very unlikely labels too`, (t) => {
    const random = testRandom(t);
    const [rows, classes] = [17, 101];
    const logits = random.floats(rows * classes).map((value) => 10 * value);
    const labels = random.integers(rows, classes);
    logits[labels[0]!] = -200;
    scope(() => {
      const found = crossEntropy(floats([rows, classes], logits), labels);
      const loss = read(found.loss);
      const gradient = read(found.gradient);
      assert.equal(loss.length, rows);
      labels.forEach((label, row) => {
        const wanted = expected(logits.subarray(row * classes, (row + 1) * classes), label);
        assert.ok(Math.abs(loss[row]! - wanted.loss) < 1e-5 * Math.max(1, wanted.loss), `loss of row ${row}`);
        wanted.gradient.forEach((value, token) =>
          assert.ok(
            Math.abs(gradient[row * classes + token]! - value) < 1e-6,
            `gradient ${token} of row ${row}`,
          ),
        );
      });
    });
  });
}
