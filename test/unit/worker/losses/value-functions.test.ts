import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  dpoValue,
  kahnemanTverskyValue,
  ktoValue,
  medianHuman,
  ppoClipValue,
  sampleValues,
  type HumanValue,
} from '../../../../worker/losses/value-functions.js';
import { between } from './arbitraries.js';

const kto = { beta: 0.5, desirableWeight: 1.5, undesirableWeight: 2 };
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const clip = (x: number) => Math.min(Math.max(x, 0.8), 1.2);

const close = (actual: number, expected: number, what: string) =>
  assert.ok(
    Math.abs(actual - expected) < 1e-12 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, ${expected}`,
  );

/** The value functions as the papers write them, less their value at the reference point. */
const written: Readonly<Record<string, readonly [HumanValue, HumanValue]>> = {
  'KTO, desirable': [ktoValue(kto, true), (z) => 1.5 * (sigmoid(0.5 * z) - 0.5)],
  'KTO, undesirable': [ktoValue(kto, false), (z) => 2 * (sigmoid(-0.5 * z) - 0.5)],
  DPO: [dpoValue(0.5), (z) => Math.log(sigmoid(0.5 * z)) + Math.LN2],
  'PPO-Clip, advantage 1': [
    ppoClipValue({ clipRange: 0.2 }, true),
    (z) => Math.min(Math.exp(z), clip(Math.exp(z))) - 1,
  ],
  'PPO-Clip, advantage −1': [
    ppoClipValue({ clipRange: 0.2 }, false),
    (z) => Math.min(-Math.exp(z), -clip(Math.exp(z))) + 1,
  ],
};

describe('the implied human value', () => {
  for (const [name, [value, expected]] of Object.entries(written)) {
    test(`${name}: as written, and 0 at the reference point`, () => {
      assert.equal(value(0), 0);
      fc.assert(fc.property(between(-8, 8), (z) => close(value(z), expected(z), `at ${z}`)));
    });
  }

  test('of Kahneman and Tversky: loss aversion, and risk aversion in gains alone', () => {
    const value = kahnemanTverskyValue(medianHuman);
    assert.equal(value(0), 0);
    close(value(2), 2 ** 0.88, 'gain');
    close(value(-2), -2.25 * 2 ** 0.88, 'loss');
    assert.ok(value(2) < 2 * value(1));
    assert.ok(value(-2) > 2 * value(-1));
  });

  test('is sampled evenly, both ends included', () => {
    const points = sampleValues((z) => z ** 2, { from: -1, to: 2, count: 4 });
    assert.deepEqual(points, [
      { reward: -1, value: 1 },
      { reward: 0, value: 0 },
      { reward: 1, value: 1 },
      { reward: 2, value: 4 },
    ]);
  });
});
