import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { resolveObjective } from '../../../../lib/config/resolve-objective.js';
import type { MethodConfig } from '../../../../lib/methods/config.js';
import {
  recommendedWeights,
  requireResolved,
  resolveWeights,
  weightedRatio,
} from '../../../../lib/methods/weights.js';
import { ConfigError } from '../../../../lib/errors.js';

const weightsOf = (config: MethodConfig) =>
  'desirableWeight' in config ? [config.desirableWeight, config.undesirableWeight] : [];

describe('auto', () => {
  it('brings the ratio into the recommended interval, with the weight nearest to 1', () => {
    const scarce = resolveObjective('kto', { desirable_weight: 'auto', undesirable_weight: 2 });
    assert.deepEqual(weightsOf(resolveWeights(scarce, 20, 80)), [8, 2]);
    const plenty = resolveObjective('apo_zero_unpaired', { undesirable_weight: 'auto' });
    assert.deepEqual(weightsOf(resolveWeights(plenty, 20, 80)), [1, 0.25]);
    assert.deepEqual(weightsOf(resolveWeights(plenty, 60, 30)), [1, 1.5]);
    assert.deepEqual(weightsOf(resolveWeights(plenty, 60, 50)), [1, 1]);
    const count = fc.integer({ min: 1, max: 1e9 });
    const given = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(count, count, given, fc.boolean(), (desirable, undesirable, weight, up) => {
        const config = up
          ? resolveObjective('kto', { desirable_weight: 'auto', undesirable_weight: weight })
          : resolveObjective('kto', { desirable_weight: weight, undesirable_weight: 'auto' });
        const [desirableWeight, undesirableWeight] = weightsOf(
          resolveWeights(config, desirable, undesirable),
        ) as [number, number];
        assert.equal(up ? undesirableWeight : desirableWeight, weight);
        const ratio = weightedRatio({ desirableWeight, undesirableWeight }, desirable, undesirable);
        assert.ok(ratio > 1 - 1e-12 && ratio < 4 / 3 + 1e-12, `ratio ${ratio}`);
      }),
    );
  });

  it('is what is recommended, where one weight stays 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 1e6 }),
        (desirable, undesirable) => {
          const recommended = recommendedWeights(desirable, undesirable)!;
          const key = recommended.desirableWeight === 1 ? 'undesirable_weight' : 'desirable_weight';
          const config = resolveObjective('kto', { [key]: 'auto' });
          const { desirableWeight, undesirableWeight } = recommended;
          assert.deepEqual(weightsOf(resolveWeights(config, desirable, undesirable)), [
            desirableWeight,
            undesirableWeight,
          ]);
          assert.ok(Math.min(desirableWeight, undesirableWeight) === 1, 'the rarer class is weighed up');
        },
      ),
    );
    assert.equal(recommendedWeights(0, 3), null);
  });

  it('changes nothing else', () => {
    const config = resolveObjective('kto', { desirable_weight: 'auto', beta: 0.3, humanline: {} });
    assert.deepEqual(resolveWeights(config, 1, 3), { ...config, desirableWeight: 3 });
    for (const plain of [resolveObjective('kto', { desirable_weight: 0.7 }), resolveObjective('dpo', {})]) {
      assert.deepEqual(resolveWeights(plain, 0, 9), plain);
      assert.deepEqual(requireResolved(plain), plain);
    }
  });

  it('needs rows of both classes', () => {
    const config = resolveObjective('kto', { undesirable_weight: 'auto' });
    assert.throws(() => resolveWeights(config, 0, 9), {
      name: ConfigError.name,
      message: 'undesirable_weight: is auto, and no row is desirable to balance the others; give it a number',
    });
    assert.throws(() => resolveWeights(config, 9, 0), /no row is undesirable/);
  });

  it('is not to be trained with', () => {
    assert.throws(() => requireResolved(resolveObjective('kto', { desirable_weight: 'auto' })), /still auto/);
  });
});
