import { totalmem } from 'node:os';
import type { RunConfig } from '../../../lib/config/types.js';
import { RECOMMENDED_RATIO, recommendedWeights } from '../../../lib/methods/weights.js';
import { totalBytes } from '../../../worker/estimate/memory.js';
import { TEMPLATE_ADVICE } from '../data/template-advice.js';
import { formatBytes } from '../output/numbers.js';
import type { StageReport } from './report.js';

/** What may go wrong, or better, and what to do about it. */
export function warningsOf(
  { workers }: RunConfig,
  stages: readonly StageReport[],
  { trainsHere }: { readonly trainsHere: boolean },
): string[] {
  return stages.flatMap((stage) => {
    const found = [
      ...weightWarnings(stage),
      ...crewWarnings(stage, workers),
      ...(trainsHere ? memoryWarnings(stage, workers) : []),
      ...(stage.sample.missesTemplate ? [TEMPLATE_ADVICE] : []),
    ];
    return found.map((text) => `stage ${stage.stage} (${stage.method}): ${text}`);
  });
}

function weightWarnings({ weights, rows }: StageReport): string[] {
  if (weights === null) return [];
  const { desirable, undesirable, ratio } = weights;
  if (ratio === null) {
    const missing = rows.desirable === 0 ? 'desirable' : 'undesirable';
    return [`no ${missing} rows, or a weight of 0: the model only learns from one side`];
  }
  const { low, high } = RECOMMENDED_RATIO;
  // A weight from `auto` may lie on a bound, give or take a rounding error.
  if (ratio > low - 1e-9 && ratio < high + 1e-9) return [];
  const better = recommendedWeights(rows.desirable, rows.undesirable);
  const advice =
    better === null ? '' : `; set ${better.desirableWeight === 1 ? 'undesirable' : 'desirable'}_weight: auto`;
  return [
    `desirable_weight ${desirable} × ${rows.desirable} rows over undesirable_weight ${undesirable} × ` +
      `${rows.undesirable} rows is ${ratio.toFixed(2)}; the KTO paper recommends ${low} to ${high.toFixed(2)}${advice}`,
  ];
}

function crewWarnings({ microBatchesPerStep }: StageReport, workers: number): string[] {
  if (microBatchesPerStep >= workers) return [];
  return [
    `${workers} workers share ${microBatchesPerStep} micro-batches a step: lower micro_batch_size, or workers`,
  ];
}

function memoryWarnings({ workerMemory, referenceMemory }: StageReport, workers: number): string[] {
  const needed =
    workers * totalBytes(workerMemory) + (referenceMemory === null ? 0 : totalBytes(referenceMemory));
  if (needed <= totalmem()) return [];
  return [
    `all processes together need about ${formatBytes(needed)}, and this machine has ${formatBytes(totalmem())}: ` +
      'lower micro_batch_size, max_length or workers',
  ];
}
