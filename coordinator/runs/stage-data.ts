import { createHash } from 'node:crypto';
import { ConfigError } from '../../lib/errors.js';
import type { ActiveRun } from './active-run.js';
import type { PreparedStage } from './prepare.js';

/**
 * Records what the stages are trained on; where the run has begun already, it must be the same still.
 * Throws a ConfigError where it is not.
 */
export function requireSameData(run: ActiveRun, stages: readonly PreparedStage[]): void {
  const { journal, record } = run;
  const recorded = journal.stages(record.id);
  for (const stage of stages) {
    const hash = dataHash(stage);
    const before = recorded.find((each) => each.stage === stage.number);
    if (before === undefined) journal.beginStage(record.id, stage.number, hash);
    else if (before.dataHash !== hash) {
      throw new ConfigError(
        `stage ${stage.number}: ${stage.config.data.train} or its tokenizer no longer gives the examples that the ` +
          'run began with, so it cannot go on: restore the file, or submit a new run',
      );
    }
  }
}

/** SHA-256 of the examples as the plan sees them. */
function dataHash({ examples, pairs }: PreparedStage): string {
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
