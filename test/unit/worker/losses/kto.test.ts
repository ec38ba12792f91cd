import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  gradedKtoTerm,
  ktoReferencePoint,
  ktoTerm,
  nonzeroReferencePoint,
} from '../../../../worker/losses/kto.js';
import { methods } from '../../../../worker/losses/methods.js';
import type { Objective, ScoredCompletion } from '../../../../worker/losses/objective.js';
import { gradeOf } from '../../../../lib/methods/score-scale.js';
import { between, ktoSettings, scoredCompletion, scoreScale } from './arbitraries.js';

const logRatio = between(-60, 60);
const z0 = between(0, 10);
/** Where a score lies between the ends of its scale. */
const position = between(0, 1);

const scoreAt = ({ min, max }: { min: number; max: number }, at: number) =>
  Math.min(max, Math.max(min, min + at * (max - min)));

function z0Of({ batchStatistic }: Objective, completion: ScoredCompletion) {
  if (batchStatistic?.from !== 'mismatched') return assert.fail('KTO has another statistic');
  return batchStatistic.finish(batchStatistic.share(completion));
}

describe('score-based KTO', () => {
  test('is KTO, bit for bit, where scores have two values', () => {
    fc.assert(
      fc.property(
        ktoSettings,
        scoreScale,
        scoredCompletion,
        fc.boolean(),
        z0,
        (settings, scale, known, good, at) => {
          // A one-sided scale has no other end: its neutral point is one.
          fc.pre(good ? scale.max > scale.neutral : scale.min < scale.neutral);
          const options = { ...settings, z0Denominator: 'all', humanline: null } as const;
          const batch = {
            counts: { examples: 7, completionTokens: 40, chosenTokens: 0 },
            statistics: { z0: at },
          };
          const labelled = methods.kto({ ...options, scoreScale: null });
          const scored = methods.kto({ ...options, scoreScale: scale });
          assert.deepStrictEqual(
            scored.term([{ ...known, desirable: null, score: good ? scale.max : scale.min }], batch),
            labelled.term([{ ...known, desirable: good, score: null }], batch),
          );
          assert.deepStrictEqual(z0Of(scored, known), z0Of(labelled, known));
        },
      ),
    );
  });

  test('the pull −∂loss/∂log π(y|x) rises with the score, from below 0 through 0 at neutral', () => {
    fc.assert(
      fc.property(
        ktoSettings,
        scoreScale,
        logRatio,
        z0,
        position,
        position,
        (settings, scale, ratio, at, a, b) => {
          const pull = (score: number) => -gradedKtoTerm(ratio, gradeOf(score, scale), at, settings).dLogp;
          const [low, high] = [scoreAt(scale, Math.min(a, b)), scoreAt(scale, Math.max(a, b))];
          assert.ok(pull(low) <= pull(high), `pull ${pull(low)} at ${low}, ${pull(high)} at ${high}`);
          assert.equal(Math.abs(pull(scale.neutral)), 0);
          if (high > scale.neutral) assert.ok(pull(high) >= 0);
          if (low < scale.neutral) assert.ok(pull(low) <= 0);
        },
      ),
    );
  });

  test('it rises strictly where the value function is not yet flat', () => {
    fc.assert(
      fc.property(
        ktoSettings,
        scoreScale,
        between(-5, 5),
        position,
        position,
        (settings, scale, ratio, a, b) => {
          fc.pre(Math.abs(a - b) > 1e-3);
          const pull = (score: number) => -gradedKtoTerm(ratio, gradeOf(score, scale), 0, settings).dLogp;
          assert.ok(pull(scoreAt(scale, Math.min(a, b))) < pull(scoreAt(scale, Math.max(a, b))));
        },
      ),
    );
  });

  test('the loss of a neutral score is 0', () => {
    const settings = { beta: 0.1, desirableWeight: 1, undesirableWeight: 2 };
    const { loss, dLogp } = gradedKtoTerm(3, gradeOf(3, { min: 1, max: 5, neutral: 3 }), 1, settings);
    assert.equal(loss, 0);
    assert.equal(Math.abs(dLogp), 0);
  });

  test('grades are linear on both sides of neutral, and exact at the ends', () => {
    const stars = { min: 1, max: 5, neutral: 3 };
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((score) => gradeOf(score, stars)),
      [-1, -0.5, 0, 0.5, 1],
    );
    const lopsided = { min: 0, max: 10, neutral: 8 };
    assert.deepEqual(
      [0, 4, 8, 9, 10].map((score) => gradeOf(score, lopsided)),
      [-1, -0.5, 0, 0.5, 1],
    );
    assert.deepEqual(
      [0, 1].map((score) => gradeOf(score, { min: 0, max: 1, neutral: 0 })),
      [0, 1],
    );
    fc.assert(
      fc.property(scoreScale, (scale) => {
        assert.equal(gradeOf(scale.max, scale), scale.max > scale.neutral ? 1 : 0);
        assert.equal(gradeOf(scale.min, scale), scale.min < scale.neutral ? -1 : 0);
      }),
    );
  });

  test('a score outside of the scale is refused', () => {
    for (const score of [0, 6, Number.NaN]) {
      assert.throws(() => gradeOf(score, { min: 1, max: 5, neutral: 3 }), /outside/);
    }
  });
});

test('KTO is monotone in the reward: more of a good completion never costs more', () => {
  fc.assert(
    fc.property(ktoSettings, logRatio, between(0, 5), z0, (settings, ratio, more, at) => {
      const loss = (r: number, desirable: boolean) => ktoTerm(r, desirable, at, settings).loss;
      assert.ok(loss(ratio + more, true) <= loss(ratio, true));
      assert.ok(loss(ratio + more, false) >= loss(ratio, false));
    }),
  );
});

test('the reference point is a mean that never lies below 0; what the clamp hides is kept', () => {
  assert.deepEqual(ktoReferencePoint([4, -1, 0]), { z0: 1, klUnclamped: 1 });
  assert.deepEqual(ktoReferencePoint([-4, 1]), { z0: 0, klUnclamped: -1.5 });
  assert.deepEqual(ktoReferencePoint([]), { z0: 0, klUnclamped: 0 });
});

test('as HALOs has it, log-ratios of exactly 0 do not count', () => {
  assert.deepEqual(nonzeroReferencePoint([4, -1, 0]), { z0: 1.5, klUnclamped: 1.5 });
  assert.deepEqual(nonzeroReferencePoint([-4, 1, 0]), { z0: 0, klUnclamped: -1.5 });
  assert.deepEqual(nonzeroReferencePoint([0, 0]), { z0: 0, klUnclamped: 0 });
});
