import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ExampleResult } from '../../../../../coordinator/runs/class-means.js';
import { evaluationRow } from '../../../../../coordinator/runs/evaluation-row.js';
import { evaluationsOf } from '../../../../../deploy/cli/evaluation/evaluations.js';
import { evaluationTable, isOwnReference } from '../../../../../deploy/cli/evaluation/table.js';
import { resolveObjective } from '../../../../../lib/config/resolve-objective.js';
import { RunError } from '../../../../../lib/errors.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

type Judged = 'kto' | 'ppo_clip' | 'dpo' | 'sft' | 'csft';

/** A row as the coordinator makes it. */
const row = (method: Judged, step: number, examples: readonly ExampleResult[], z0: number | null = null) =>
  evaluationRow(
    {
      step,
      stage: 2,
      objective: resolveObjective(method, {}),
      epoch: 0,
      z0,
      klUnclamped: z0,
      eval_runtime_s: 1,
    },
    examples,
  );

const completion = (chosen: boolean, reward: number | null, logp = -3) => ({
  chosen,
  tokens: 2,
  logp,
  reward,
});
const single = (...one: Parameters<typeof completion>): ExampleResult => ({
  loss: 0.25,
  completions: [completion(...one)],
});
const pair = (chosen: number, rejected: number): ExampleResult => ({
  loss: 0.25,
  completions: [completion(true, chosen), completion(false, rejected)],
});

const rowsOf = (before: ReturnType<typeof row>, after: ReturnType<typeof row>) =>
  evaluationTable({ before, after }).rows;

test('thumbs are shown by class, beside the reference point', () => {
  const before = row('kto', 0, [single(true, 0), single(false, 0)], 0);
  const after = row('kto', 9, [single(true, 1, -2), single(false, -0.5, -5)], 2);
  assert.deepEqual(rowsOf(before, after), [
    ['loss', '0.500', '0.500'],
    ['z0 (KL estimate, nats)', '0.000', '2.000'],
    ['thumbs up: above z0', '0.0 %', '100.0 %'],
    ['thumbs down: below z0', '0.0 %', '100.0 %'],
    ['thumbs up: mean reward', '0.000', '1.000'],
    ['thumbs down: mean reward', '0.000', '-0.500'],
    ['thumbs up: log-prob per token', '-1.500', '-1.000'],
    ['thumbs down: log-prob per token', '-1.500', '-2.500'],
  ]);
  assert.deepEqual([isOwnReference(before), isOwnReference(after)], [true, false]);
});

test('a class that is not there is left out, and a figure that is not finite is a dash', () => {
  const before = row('ppo_clip', 0, [single(false, 0)]);
  const after = row('ppo_clip', 9, [single(false, Number.NaN)]);
  assert.deepEqual(rowsOf(before, after), [
    ['loss', '0.250', '0.250'],
    ['thumbs down: below 0', '0.0 %', '–'],
    ['thumbs down: mean reward', '0.000', '–'],
    ['thumbs down: log-prob per token', '-1.500', '-1.500'],
  ]);
});

test('of pairs it is shown how often the chosen one is ahead', () => {
  const before = row('dpo', 0, [pair(0, 0), pair(0, 0)]);
  assert.deepEqual(rowsOf(before, row('dpo', 9, [pair(1, 0), pair(0, 1)])), [
    ['loss', '0.500', '0.500'],
    ['chosen above rejected', '0.0 %', '50.0 %'],
    ['chosen: mean reward', '0.000', '0.500'],
    ['rejected: mean reward', '0.000', '0.500'],
    ['chosen: log-prob per token', '-1.500', '-1.500'],
    ['rejected: log-prob per token', '-1.500', '-1.500'],
  ]);
  assert.ok(isOwnReference(before));
});

test('imitation has log-probs alone, of one class or of both', () => {
  const one = row('sft', 0, [single(true, null)]);
  assert.deepEqual(rowsOf(one, one), [
    ['loss', '0.250', '0.250'],
    ['log-prob per token', '-1.500', '-1.500'],
  ]);
  const both = row('csft', 0, [single(true, null), single(false, null)]);
  assert.deepEqual(
    rowsOf(both, both).map(([name]) => name),
    ['loss', 'thumbs up: log-prob per token', 'thumbs down: log-prob per token'],
  );
  assert.equal(isOwnReference(one), false);
});

test('the first and the last judgement of a stage are read from the run’s directory', async (t) => {
  const dir = await temporaryDirectory(t);
  assert.equal(await evaluationsOf(dir, 2), null);
  const steps = [0, 5, 10].map((step) => row('kto', step, [single(true, step)], 0.5));
  const lines = [{ ...steps[0]!, stage: 1, step: 77 }, ...steps].map((line) => `${JSON.stringify(line)}\n`);
  await writeFile(join(dir, 'evaluations.jsonl'), lines.join(''));
  assert.deepEqual(await evaluationsOf(dir, 2), { before: steps[0], after: steps[2] });
  assert.equal(await evaluationsOf(dir, 3), null);
  await writeFile(join(dir, 'evaluations.jsonl'), `${lines[0]!}{"step":1}\n`);
  await assert.rejects(
    evaluationsOf(dir, 1),
    (error) => error instanceof RunError && error.message.includes('evaluations.jsonl:2: cannot be read'),
  );
});
