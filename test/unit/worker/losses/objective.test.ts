import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { resolveObjective } from '../../../../lib/config/resolve-objective.js';
import { methodNames, needsOf } from '../../../../lib/methods/needs.js';
import { requireResolved } from '../../../../lib/methods/weights.js';
import { methods, objectiveOf } from '../../../../worker/losses/methods.js';
import type {
  BatchCounts,
  BatchStatistics,
  Objective,
  ScoredCompletion,
  Unit,
} from '../../../../worker/losses/objective.js';
import { objectives, scoredCompletion, withTokens } from './arbitraries.js';

interface Batch {
  readonly units: readonly Unit[];
  readonly counts: BatchCounts;
  readonly statistics: BatchStatistics;
}

/** Counts and statistics are the batch's own: they do not move with the policy while the loss is computed. */
function batchOf(objective: Objective, completions: readonly ScoredCompletion[]): Batch {
  const units =
    objective.rows === 'paired'
      ? Array.from({ length: completions.length / 2 }, (_, i) => completions.slice(2 * i, 2 * i + 2))
      : completions.map((completion) => [completion]);
  const tokens = (of: readonly ScoredCompletion[]) => of.reduce((total, { length }) => total + length, 0);
  const counts = {
    examples: units.length,
    completionTokens: tokens(completions),
    chosenTokens: objective.rows === 'paired' ? tokens(units.map(([chosen]) => chosen!)) : 0,
  };
  const { batchStatistic } = objective;
  if (batchStatistic === null) return { units, counts, statistics: {} };
  const shared = completions.flatMap((completion) => batchStatistic.share(completion));
  assert.equal(shared.length, completions.length * batchStatistic.width);
  return { units, counts, statistics: batchStatistic.finish(shared) };
}

const lossOf = (objective: Objective, { units, ...batch }: Batch): number =>
  units.reduce((total, unit) => total + objective.term(unit, batch).loss, 0);

/** The batch with one token's log-prob, or its critic's value, moved by `by`. */
function moved(
  { units, ...batch }: Batch,
  [unit, member, token]: readonly [number, number, number],
  what: 'logps' | 'values',
  by: number,
): Batch {
  const move = (values: ArrayLike<number>) =>
    Array.from(values, (value, t) => (t === token ? value + by : value));
  const change = (completion: ScoredCompletion): ScoredCompletion => {
    const { tokens, critic } = completion;
    return what === 'logps'
      ? withTokens({ ...completion, tokens: { ...tokens!, logps: move(tokens!.logps) } })
      : { ...completion, critic: { ...critic!, values: move(critic!.values) } };
  };
  return {
    ...batch,
    units: units.map((completions, i) =>
      i !== unit ? completions : completions.map((one, j) => (j === member ? change(one) : one)),
    ),
  };
}

/** The gradient is the loss's slope by central differences or, at a kink, the slope of one side. */
function assertSlope(gradient: number, loss: (by: number) => number, where: string): void {
  const h = 1e-5;
  const [below, at, above] = [loss(-h), loss(0), loss(h)];
  const slope = (above - below) / (2 * h);
  const size = Math.max(1, Math.abs(slope));
  if (Math.abs(slope - gradient) < 1e-6 * size) return;
  const sides = [(at - below) / h, (above - at) / h];
  const kink = Math.abs(sides[1]! - sides[0]!) > 1e-4 * size;
  assert.ok(
    kink && sides.some((side) => Math.abs(side - gradient) < 1e-3 * size),
    `${where}: slope ${slope}, of the sides ${sides.join(' and ')}, gradient ${gradient}`,
  );
}

const even = (arbitrary: typeof scoredCompletion) =>
  fc.array(fc.tuple(arbitrary, arbitrary), { minLength: 1, maxLength: 3 }).map((pairs) => pairs.flat());

describe('the gradient by every token is the slope of the batch loss', () => {
  for (const [name, arbitrary] of Object.entries(objectives)) {
    test(name, () => {
      fc.assert(
        fc.property(arbitrary, even(scoredCompletion), (objective, completions) => {
          const batch = batchOf(objective, completions);
          batch.units.forEach((unit, i) => {
            const { gradients, valueGradients, rewards } = objective.term(unit, batch);
            assert.equal(gradients.length, unit.length);
            assert.equal(rewards.length, unit.length);
            unit.forEach(({ length }, j) => {
              const gradient = gradients[j]!;
              if (typeof gradient !== 'number') assert.equal(gradient.length, length);
              for (let t = 0; t < length; t++) {
                const at = [i, j, t] as const;
                const byToken = typeof gradient === 'number' ? gradient : gradient[t]!;
                assertSlope(
                  byToken,
                  (by) => lossOf(objective, moved(batch, at, 'logps', by)),
                  `token ${at.join('.')}`,
                );
                const byValue = valueGradients?.[j]![t] ?? 0;
                assertSlope(
                  byValue,
                  (by) => lossOf(objective, moved(batch, at, 'values', by)),
                  `value ${at.join('.')}`,
                );
              }
            });
          });
        }),
        { numRuns: 60 },
      );
    });
  }
});

describe('what a method declares', () => {
  const one = fc.sample(scoredCompletion, { numRuns: 1, seed: 1 })[0]!;
  const lacking: Readonly<Record<string, (completion: ScoredCompletion) => ScoredCompletion>> = {
    'a reference': (completion) => ({ ...completion, referenceLogp: null, tokens: null }),
    tokens: (completion) => ({ ...completion, tokens: null }),
    'a critic': (completion) => ({ ...completion, critic: null }),
  };
  const declared = ({ needsReference, tokenLevel, needsCritic }: Objective) => ({
    'a reference': needsReference,
    tokens: tokenLevel,
    'a critic': needsCritic,
  });

  for (const [name, arbitrary] of Object.entries(objectives)) {
    test(`${name} throws without what it needs, and only then`, () => {
      fc.assert(
        fc.property(arbitrary, (objective) => {
          const full = batchOf(objective, [one, one]);
          for (const [what, needed] of Object.entries(declared(objective))) {
            const unit = full.units[0]!.map(lacking[what]!);
            const compute = () => objective.term(unit, full);
            if (needed) assert.throws(compute, /the method needs/);
            else assert.deepEqual(compute(), objective.term(full.units[0]!, full));
          }
          if (objective.batchStatistic === null) {
            assert.deepEqual(
              objective.term(full.units[0]!, full),
              objective.term(full.units[0]!, { ...full, statistics: {} }),
            );
          } else {
            assert.throws(
              () => objective.term(full.units[0]!, { ...full, statistics: {} }),
              /the method needs/,
            );
          }
        }),
        { numRuns: 20 },
      );
    });

    test(`${name} refuses units of the other kind`, () => {
      const objective = fc.sample(arbitrary, { numRuns: 1, seed: 1 })[0]!;
      const batch = batchOf(objective, [one, one]);
      const wrong = objective.rows === 'paired' ? [one] : [one, one];
      assert.throws(() => objective.term(wrong, batch), /the method needs/);
    });
  }
});

test('a stage trains by the method that it names', () => {
  const kto = objectiveOf(requireResolved(resolveObjective('kto', { undesirable_weight: 2 })));
  assert.equal(kto.needsReference, true);
  assert.deepEqual(kto.batchStatistic?.finish([3, -1]), { z0: 1, klUnclamped: 1 });
  assert.equal(methods.csft, methods.sft);
});

test('what a method declares is what the run file promises of it', () => {
  for (const method of methodNames) {
    const config = requireResolved(resolveObjective(method, {}));
    const { rows, needsReference, tokenLevel, needsCritic, batchStatistic } = objectiveOf(config);
    const needs = needsOf(config);
    assert.deepEqual(
      { rows, needsReference, tokenLevel, needsCritic, mismatched: batchStatistic?.from === 'mismatched' },
      {
        rows: needs.rows,
        needsReference: needs.reference,
        tokenLevel: needs.tokenLevel,
        needsCritic: needs.critic,
        mismatched: needs.mismatchedPairs,
      },
      method,
    );
  }
});
