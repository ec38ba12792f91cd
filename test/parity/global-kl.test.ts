import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ktoReferencePoint, ktoTerm } from '../../worker/losses/kto.js';
import { mergeInBatchOrder, packValues } from '../../worker/trainer/batch-statistic.js';
import { readFixture } from './fixtures.js';

interface MicroBatch {
  readonly examples: number[];
  readonly policy_logps: number[];
  readonly ref_logps: number[];
  readonly policy_KL_logps: number[];
  readonly ref_KL_logps: number[];
  readonly rewards: number[];
}

interface Run {
  readonly labels: boolean[];
  readonly hyper: {
    readonly beta: number;
    readonly desirable_weight: number;
    readonly undesirable_weight: number;
  };
  readonly steps: {
    readonly step: number;
    readonly loss: number;
    readonly kl: number;
    readonly micro: MicroBatch[];
  }[];
}

/** One example of a step, with the pair that the golden run gave it. */
interface Given {
  readonly position: number;
  readonly logRatio: number;
  readonly mismatchedLogRatio: number;
  readonly reward: number;
}

function examplesOf(micro: readonly MicroBatch[]): Given[] {
  return micro.flatMap((batch) =>
    batch.examples.map((position, i) => ({
      position,
      logRatio: batch.policy_logps[i]! - batch.ref_logps[i]!,
      mismatchedLogRatio: batch.policy_KL_logps[i]! - batch.ref_KL_logps[i]!,
      reward: batch.rewards[i]!,
    })),
  );
}

/** Deals examples out to `shards` workers, unevenly and out of order. */
function shard(examples: readonly Given[], shards: number): Given[][] {
  return Array.from({ length: shards }, (_, rank) =>
    examples.filter((_, i) => (i * i + i) % shards === rank).reverse(),
  );
}

test('pairs of two lists of 8 give one z0 and one loss, from any number of shards', () => {
  const run = readFixture('golden/train_llama_perturbed_2ranks_global_kl.json') as Run;
  const { beta, desirable_weight: desirableWeight, undesirable_weight: undesirableWeight } = run.hyper;
  assert.equal(run.steps.length, 5);
  for (const { step, loss, kl, micro } of run.steps) {
    const examples = examplesOf(micro);
    const bits = new Set<string>();
    for (let shards = 1; shards <= 16; shards++) {
      const parts = shard(examples, shards);
      const payloads = parts.map((part) =>
        packValues(
          part.map(({ position, mismatchedLogRatio }) => ({ position, values: [mismatchedLogRatio] })),
        ),
      );
      const { z0, klUnclamped } = ktoReferencePoint(mergeInBatchOrder(payloads, examples.length, 1));
      const terms = parts.map((part) =>
        packValues(
          part.map(({ position, logRatio, reward }) => {
            const settings = { beta, desirableWeight, undesirableWeight };
            const term = ktoTerm(logRatio, run.labels[position]!, z0, settings);
            assert.ok(Math.abs(term.reward! - reward) < 1e-3);
            return { position, values: [term.loss / examples.length] };
          }),
        ),
      );
      const total = mergeInBatchOrder(terms, examples.length, 1).reduce((sum, value) => sum + value, 0);
      assert.ok(Math.abs(z0 - kl) < 1e-3, `step ${step}, ${shards} shards: z0 ${z0}, golden ${kl}`);
      assert.equal(klUnclamped, z0, 'no step of this run is below 0');
      assert.ok(
        Math.abs(total - loss) < 1e-5,
        `step ${step}, ${shards} shards: loss ${total}, golden ${loss}`,
      );
      bits.add(`${z0} ${total}`);
    }
    assert.equal(bits.size, 1, `step ${step}: the result depends on the number of shards`);
  }
});
