import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ktoTerm } from '../../../../worker/losses/kto.js';
import { oddsRatioTerm } from '../../../../worker/losses/orpo.js';
import { logSigmoid, sigmoidSlope } from '../../../../worker/losses/sigmoid.js';

test('log σ neither overflows nor loses its digits', () => {
  assert.equal(logSigmoid(-1e6), -1e6);
  assert.equal(logSigmoid(1e6), 0);
  assert.equal(logSigmoid(40), -Math.exp(-40));
  assert.equal(sigmoidSlope(1e6), 0);
  assert.equal(sigmoidSlope(-1e6), 0);
});

test('KTO is flat, and finite, far from its reference point', () => {
  const settings = { beta: 1, desirableWeight: 1, undesirableWeight: 2 };
  const lost = ktoTerm(-1e6, true, 0, settings);
  assert.deepEqual([lost.loss, Math.abs(lost.dLogp)], [1, 0]);
  const won = ktoTerm(-1e6, false, 0, settings);
  assert.deepEqual([won.loss, won.dLogp], [0, 0]);
});

test('ORPO has a slope where the chosen completion is certain: float32 rounds its log-prob to 0', () => {
  const { loss, slopes } = oddsRatioTerm({ chosen: 0, rejected: -1 }, { beta: 0.1 });
  assert.equal(Math.abs(loss), 0);
  assert.equal(Math.abs(slopes.rejected), 0);
  const nearly = oddsRatioTerm({ chosen: -1e-9, rejected: -1 }, { beta: 0.1 });
  assert.ok(Math.abs(slopes.chosen - nearly.slopes.chosen) < 1e-8);
});
