import type { StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';
import type { DataReport } from '../data/load.js';
import type { TextTokenizer } from '../data/tokenizer.js';
import { countBatch, type BatchPlan } from './plan.js';
import { loadStageRows, pairRows, type PairedRows, type Reading } from './stage-rows.js';
import type { Unit } from './unit.js';

/** Rows that a stage is judged by and not trained on: all of them are one batch. */
export interface HeldOutRows extends PairedRows {
  readonly file: string;
  readonly plan: BatchPlan;
}

/** Reads and plans a stage's held-out rows; null where it names none. @throws ConfigError as `loadStageRows`, `planHeldOut` */
export async function loadHeldOut(
  stage: StageConfig,
  tokenizer: TextTokenizer,
  reading: Reading,
): Promise<(HeldOutRows & { readonly report: DataReport }) | null> {
  const { eval: file } = stage.data;
  if (file === null) return null;
  const { examples, report } = await loadStageRows(file, stage, tokenizer, reading);
  return { ...planHeldOut(file, examples, stage), report };
}

/**
 * One batch of all rows, in leaves of `microBatchSize` in the order of the file.
 * @throws ConfigError where the method has a z0 and no two rows make a mismatched pair
 */
export function planHeldOut(
  file: string,
  examples: readonly Unit[],
  stage: Pick<StageConfig, 'objective' | 'globalBatchSize' | 'microBatchSize'>,
): HeldOutRows {
  const rows = pairRows(examples, stage);
  if (needsOf(stage.objective).mismatchedPairs && rows.pairs.every((donor) => donor === null)) {
    throw new ConfigError(
      `${file}: data.eval has no two rows with different prompts, so there is no z0 to judge them by`,
    );
  }
  const { microBatchSize } = stage;
  const batch = examples.map((_, index) => index);
  const leafCount = Math.ceil(batch.length / microBatchSize);
  const leaves = Array.from({ length: leafCount }, (_, leaf) =>
    batch.slice(leaf * microBatchSize, (leaf + 1) * microBatchSize),
  );
  return { ...rows, file, plan: { batch, leaves, counts: countBatch(batch, rows.examples, rows.pairs) } };
}
