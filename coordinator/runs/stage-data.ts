import { createHash } from 'node:crypto';
import { ConfigError } from '../../lib/errors.js';
import type { PairedRows } from '../plan/stage-rows.js';
import type { ActiveRun } from './active-run.js';
import type { PreparedStage } from './prepare.js';

/**
 * Records what the stages are trained on and judged by; where the run has begun already, it must be the same still.
 * Throws a ConfigError where it is not.
 */
export function requireSameData(run: ActiveRun, stages: readonly PreparedStage[]): void {
  const { journal, record } = run;
  const recorded = journal.stages(record.id);
  for (const stage of stages) {
    const hashes = dataHashes(stage);
    const before = recorded.find((each) => each.stage === stage.number);
    if (before === undefined) journal.beginStage(record.id, stage.number, hashes.join(' '));
    else {
      const changed = changedFile(before.dataHash.split(' '), hashes, stage);
      if (changed === null) continue;
      throw new ConfigError(
        `stage ${stage.number}: ${changed} or its tokenizer no longer gives the examples that the ` +
          'run began with, so it cannot go on: restore the file, or submit a new run',
      );
    }
  }
}

/** Of the training rows and, where there are any, of the held-out ones. */
function dataHashes(stage: PreparedStage): string[] {
  return [stage, stage.heldOut].flatMap((rows) => (rows === null ? [] : [dataHash(rows)]));
}

/** Null where both files give the same rows. A run that began before held-out rows were recorded has no hash of them. */
function changedFile(
  [train, heldOut]: readonly string[],
  [trainNow, heldOutNow]: readonly string[],
  { config }: PreparedStage,
): string | null {
  if (train !== trainNow) return config.data.train;
  return heldOut !== undefined && heldOut !== heldOutNow ? config.data.eval : null;
}

/** SHA-256 of the examples as the plan sees them. */
function dataHash({ examples, pairs }: PairedRows): string {
  const hash = createHash('sha256');
  examples.forEach(({ row, promptIds, completions, desirable, score }, index) => {
    const lengths = completions.map(({ length }) => length);
    hash.update(JSON.stringify([row, promptIds.length, lengths, desirable, score, pairs[index] ?? null]));
    for (const ids of [promptIds, ...completions]) {
      hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    }
  });
  return hash.digest('hex');
}
