import type { StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import type { MethodConfig, ScoreScale } from '../../lib/methods/config.js';
import { needsOf } from '../../lib/methods/needs.js';
import { gradeOf } from '../../lib/methods/score-scale.js';
import { loadExamples, loadPairs, type DataReport, type LoadPairsOptions } from '../data/load.js';
import { rowUseOf } from '../data/row-use.js';
import type { TextTokenizer } from '../data/tokenizer.js';
import { pairMismatched } from './pairing.js';
import { Planner } from './plan.js';
import { unitOf, unitOfPair, type Unit } from './unit.js';

/** Rows that a stage uses. */
export interface StageRows {
  readonly examples: readonly Unit[];
  readonly report: DataReport;
}

/** Examples, and by example the one whose completion it takes for the KL estimate, or null. */
export interface PairedRows {
  readonly examples: readonly Unit[];
  readonly pairs: readonly (number | null)[];
}

/** How a stage's rows are read, whatever its method. */
export type Reading = Pick<LoadPairsOptions, 'skipBadRows' | 'watcher' | 'signal'>;

/** Reads, tokenizes and cuts to length what a stage trains on, or is judged by. @throws ConfigError as `loadExamples` */
export async function loadStageRows(
  file: string,
  { objective, maxLength, maxPromptLength }: StageConfig,
  tokenizer: TextTokenizer,
  reading: Reading,
): Promise<StageRows> {
  const limits = { maxLength, maxPromptLength, ...reading };
  if (needsOf(objective).rows === 'paired') {
    const { examples, report } = await loadPairs(file, tokenizer, limits);
    return { examples: examples.map(unitOfPair), report };
  }
  const options = { ...limits, rows: rowUseOf(objective) };
  const { examples, report } = await loadExamples(file, tokenizer, options);
  const units = examples.map(unitOf);
  if (objective.method === 'kto' && objective.scoreScale !== null) {
    requireOnScale(units, objective.scoreScale, file);
  }
  return { examples: units, report };
}

function requireOnScale(units: readonly Unit[], { min, max }: ScoreScale, file: string): void {
  const stray = units.find(({ score }) => score === null || score < min || score > max);
  if (stray === undefined) return;
  throw new ConfigError(
    `${file}: row ${stray.row + 1}: score ${stray.score ?? 'none'} lies outside of score_scale, ${min} to ${max}; ` +
      'change the one or the other',
  );
}

/** What `auto` class weights balance: rows by label, or the sums of grades on both sides of neutral. */
export function classSizes({ examples, report }: StageRows, objective: MethodConfig): [number, number] {
  if (objective.method !== 'kto' || objective.scoreScale === null)
    return [report.desirable, report.undesirable];
  const scale = objective.scoreScale;
  const grades = examples.map(({ score }) => gradeOf(score ?? scale.neutral, scale));
  const sum = (side: 1 | -1) => grades.reduce((total, grade) => total + Math.max(0, side * grade), 0);
  return [sum(1), sum(-1)];
}

/** Pairs the examples for the KL estimate, where the method has one, and plans the steps. @throws ConfigError as `Planner` */
export function planStage(
  examples: readonly Unit[],
  stage: StageConfig,
): PairedRows & { readonly planner: Planner } {
  const rows = pairRows(examples, stage);
  return { ...rows, planner: new Planner(examples, rows.pairs, stage) };
}

/** Pairs are made within as many rows as a step has, where the method has an estimate that needs them. */
export function pairRows(
  examples: readonly Unit[],
  { objective, globalBatchSize }: Pick<StageConfig, 'objective' | 'globalBatchSize'>,
): PairedRows {
  const pairs = needsOf(objective).mismatchedPairs
    ? pairMismatched(examples, globalBatchSize)
    : examples.map(() => null);
  return { examples, pairs };
}
