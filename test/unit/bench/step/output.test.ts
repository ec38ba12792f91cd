import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RunError } from '../../../../lib/errors.js';
import { bytesOf } from '../../../bench/step/peak-memory.js';
import { parseMetrics } from '../../../bench/step/prospect.js';
import { parsePyTorchOutput } from '../../../bench/step/pytorch.js';

const printed = JSON.stringify({
  model: 'm',
  examples_per_s: 0.5,
  parts_s: { step: 2 },
  steps: [
    { loss: 0.5, kl: 0, grad_norm: 12.5, tokens: 900, step_s: 2.125 },
    { loss: 0.49, kl: 0.01, grad_norm: 11, tokens: 800, step_s: 1.5 },
  ],
});
const parsed = [
  { loss: 0.5, kl: 0, gradNorm: 12.5, milliseconds: 2125 },
  { loss: 0.49, kl: 0.01, gradNorm: 11, milliseconds: 1500 },
];

describe("what PyTorch's script prints", () => {
  test('is read step by step, with other lines before it', () => {
    assert.deepEqual(parsePyTorchOutput(`${printed}\n`), parsed);
    assert.deepEqual(parsePyTorchOutput(`a warning\n${printed}\n`), parsed);
  });

  test('is refused where it is something else, whatever it is', () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.nat(printed.length - 1).map((end) => printed.slice(0, end)),
    );
    fc.assert(
      fc.property(text, (other) => {
        assert.throws(() => parsePyTorchOutput(other), RunError);
      }),
      { seed },
    );
  });

  test('is refused without steps, and where a loss is no number', () => {
    assert.throws(() => parsePyTorchOutput('{"steps": []}'), RunError);
    assert.throws(() => parsePyTorchOutput(printed.replace('0.49', 'NaN')), RunError);
  });
});

test('metrics.jsonl gives the same figures of a step', () => {
  const row = { step: 1, loss: 0.5, kl: 0, kl_unclamped: -0.1, grad_norm: 12.5, step_time_s: 2.125 };
  assert.deepEqual(parseMetrics(`${JSON.stringify(row)}\n`), [parsed[0]]);
  assert.throws(() => parseMetrics(JSON.stringify({ ...row, loss: null })), /no figures of a step/);
});

test('memory is told by its field, whatever other fields begin alike', () => {
  const rollup = 'Rss:  900 kB\nPss_Dirty:  100 kB\nPss:   512 kB\nPss_Anon:  90 kB\n';
  assert.equal(bytesOf(rollup, 'Pss'), 512 * 1024);
  assert.equal(bytesOf('Name:\tnode\n', 'VmRSS'), 0);
});
