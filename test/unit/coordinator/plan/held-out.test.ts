import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { planHeldOut } from '../../../../coordinator/plan/held-out.js';
import { pairMismatched } from '../../../../coordinator/plan/pairing.js';
import type { Unit } from '../../../../coordinator/plan/unit.js';
import { resolveObjective } from '../../../../lib/config/resolve-objective.js';
import { ConfigError } from '../../../../lib/errors.js';

const stageOf = (method: 'kto' | 'sft', globalBatchSize: number, microBatchSize: number) => ({
  objective: resolveObjective(method, {}),
  globalBatchSize,
  microBatchSize,
});

const unit = (row: number, prompt: number, tokens: number): Unit => ({
  row,
  promptIds: Int32Array.of(prompt),
  completions: [new Int32Array(tokens)],
  desirable: true,
  score: null,
});

describe('the held-out rows', () => {
  test('are one batch, cut in the order of the file, with the pairs of groups as large as a step', () => {
    const rows = fc.array(fc.record({ prompt: fc.nat(5), tokens: fc.integer({ min: 1, max: 9 }) }), {
      minLength: 2,
      maxLength: 40,
    });
    const sizes = fc.record({
      global: fc.integer({ min: 2, max: 12 }),
      micro: fc.integer({ min: 1, max: 12 }),
    });
    fc.assert(
      fc.property(rows, sizes, (given, { global, micro }) => {
        const units = given.map(({ prompt, tokens }, row) => unit(row, prompt, tokens));
        const pairs = pairMismatched(units, global);
        fc.pre(pairs.some((donor) => donor !== null));
        const { plan, ...planned } = planHeldOut('e.jsonl', units, stageOf('kto', global, micro));
        assert.deepEqual(planned.pairs, pairs);
        assert.deepEqual(plan.leaves.flat(), plan.batch);
        assert.deepEqual(
          plan.batch,
          units.map(({ row }) => row),
        );
        assert.ok(
          plan.leaves.every(({ length }, leaf) => length === micro || leaf === plan.leaves.length - 1),
        );
        assert.deepEqual(plan.counts, {
          examples: units.length,
          mismatchedPairs: pairs.filter((donor) => donor !== null).length,
          completionTokens: given.reduce((sum, { tokens }) => sum + tokens, 0),
          chosenTokens: 0,
        });
      }),
    );
  });

  test('need two prompts where there is a z0 to estimate, and only there', () => {
    const units = [unit(0, 7, 1), unit(1, 7, 2)];
    assert.throws(
      () => planHeldOut('e.jsonl', units, stageOf('kto', 4, 2)),
      (error) =>
        error instanceof ConfigError && /^e\.jsonl: .* no two rows with different/.test(error.message),
    );
    assert.deepEqual(planHeldOut('e.jsonl', units, stageOf('sft', 4, 2)).pairs, [null, null]);
  });
});
