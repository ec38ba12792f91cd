import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { disturb } from '../chaos/experiment.js';
import { formatStrikes } from '../chaos/report.js';
import { formatSchedule, makeSchedule, type FaultKind } from '../chaos/schedule.js';

const seeds = [9, 11, 12];
const run = { method: 'kto', lora: false, steps: 12, workers: 2 } as const;
const faults = 4;
/** All but the freezing of a worker, which takes as long as a silent one is waited for. */
const kinds: readonly FaultKind[] = [
  ...(['kill-worker', 'terminate-worker', 'pause-worker', 'grow', 'shrink'] as const),
  ...(['kill-reference', 'kill-coordinator', 'terminate-coordinator'] as const),
];

/** Small ones of what `npm run chaos` does at length. */
describe('chaos changes neither weights nor metrics, and leaves nothing behind', { timeout: 600_000 }, () => {
  for (const seed of seeds) {
    const schedule = makeSchedule({ seed, faults, steps: run.steps, kinds });
    test(`seed ${seed}: ${schedule.map(({ kind }) => kind).join(', ')}`, async () => {
      const { wrong, strikes, commits, dir } = await disturb(run, schedule);
      const told = `seed ${seed}, logs in ${dir}\n${formatSchedule(schedule)}${formatStrikes(strikes, commits)}`;
      assert.deepEqual(wrong, [], told);
    });
  }
});
