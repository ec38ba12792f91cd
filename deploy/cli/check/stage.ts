import type { Quantiles } from '../../../coordinator/data/inspect/quantiles.js';
import { missesTemplate } from '../../../coordinator/data/template-use.js';
import type { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { leafRunStarts } from '../../../coordinator/plan/leaf-runs.js';
import { classSizes, planStage, type StageRows } from '../../../coordinator/plan/stage-rows.js';
import type { RunConfig, StageConfig } from '../../../lib/config/types.js';
import { ConfigError } from '../../../lib/errors.js';
import { needsOf } from '../../../lib/methods/needs.js';
import { resolveWeights, weightedRatio } from '../../../lib/methods/weights.js';
import { scoringBytes, trainingBytes } from '../../../worker/estimate/activations.js';
import {
  referenceMemory,
  totalBytes,
  workerMemory,
  type ProcessMemory,
} from '../../../worker/estimate/memory.js';
import type { StepSplit } from '../../../worker/estimate/split.js';
import { stepTraffic, type Traffic } from '../../../worker/estimate/traffic.js';
import type { Sequence } from '../../../worker/model/language-model.js';
import { runsOf } from '../../../worker/reduction/tree.js';
import { largestMicroBatches, largestMismatchedBatch } from './micro-batch.js';
import type { DescribedPolicy } from './policy.js';
import type { Lengths, StageReport } from './report.js';
import type { RowCounts } from './rows.js';

/** A stage of which everything could be read. */
export interface SoundStage {
  /** From 1. */
  readonly number: number;
  readonly config: StageConfig;
  readonly run: RunConfig;
  readonly tokenizer: TextTokenizer;
  readonly rows: StageRows;
  readonly counts: RowCounts;
  readonly policy: DescribedPolicy;
  /** Null for a method without a reference. */
  readonly reference: DescribedPolicy | null;
  /** What it starts from, for people. */
  readonly startsFrom: string;
}

/**
 * Plans a stage and estimates what its workers will need.
 * @throws ConfigError where its rows do not fit its method or its model
 */
export function reportStage(stage: SoundStage): StageReport {
  const { number, config, rows, policy, counts, tokenizer } = stage;
  const { report, examples } = rows;
  const objective = resolveWeights(config.objective, ...classSizes(rows, config.objective));
  const plan = planStage(examples, { ...config, objective });
  const batches = largestMicroBatches(plan, config);
  const longestSequence = Math.max(...batches.flat().map(({ ids }) => ids.length));
  requireToFit(longestSequence, policy, config);
  const mismatched = largestMismatchedBatch(plan, config);
  const splits = splitsOf(stage);
  const { promptIds, completions } = examples[0]!;
  const isPlainText = counts.firstAnswer?.kind === 'text';
  const decode = (ids: Int32Array) => tokenizer.decode(ids, { skipSpecialTokens: false });
  const { totalSteps, stepsPerEpoch } = plan.planner;
  return {
    stage: number,
    method: config.objective.method,
    model: stage.startsFrom,
    architecture: policy.description.config.architecture,
    parameters: (policy.frozen ?? policy.trained).parameterCount,
    trainedParameters: policy.layout.parameterCount,
    rows: {
      file: config.data.train,
      read: report.rows,
      used: report.used,
      desirable: report.desirable,
      undesirable: report.undesirable,
    },
    weights: 'desirableWeight' in objective ? weightsOf(objective, ...classSizes(rows, objective)) : null,
    promptTokens: lengthsOf(counts.promptTokens, report.promptsCut),
    completionTokens: lengthsOf(counts.completionTokens, report.completionsCut),
    steps: totalSteps,
    stepsPerEpoch,
    epochs: totalSteps / stepsPerEpoch,
    microBatchesPerStep: splits[0].leafCount,
    longestSequence,
    workerMemory: workerMemoryOf(stage, splits, batches, mismatched),
    referenceMemory: referenceMemoryOf(stage, batches, mismatched),
    trafficPerStep: busiest(ranks(splits[0]).map((rank) => stepTraffic(policy.layout, splits[0], rank))),
    sample: {
      where: counts.firstAnswer?.where ?? config.data.train,
      prompt: decode(promptIds),
      completion: decode(completions[0]),
      missesTemplate: isPlainText && missesTemplate(promptIds, tokenizer),
    },
  };
}

/** @throws ConfigError where the model has too few positions for its longest sequence */
export function requireToFit(
  longest: number,
  { description }: DescribedPolicy,
  { maxLength }: StageConfig,
): void {
  const { maxLength: positions } = description.config;
  if (positions === null || longest <= positions) return;
  throw new ConfigError(
    `a sequence of ${longest} tokens is longer than the ${positions} positions of the model; ` +
      `lower max_length, which is ${maxLength}`,
  );
}

function weightsOf(
  weights: { readonly desirableWeight: number; readonly undesirableWeight: number },
  desirable: number,
  undesirable: number,
): StageReport['weights'] {
  const ratio = weightedRatio(weights, desirable, undesirable);
  return {
    desirable: weights.desirableWeight,
    undesirable: weights.undesirableWeight,
    ratio: desirable === 0 || undesirable === 0 || !Number.isFinite(ratio) ? null : ratio,
  };
}

function lengthsOf(quantiles: Quantiles, cut: number): Lengths {
  const [min, median, p90, p99, max] = [0, 0.5, 0.9, 0.99, 1].map((q) => quantiles.at(q));
  return { min: min!, median: median!, p90: p90!, p99: p99!, max: max!, cut };
}

/** How a full step, and an epoch's last one, are dealt out. */
function splitsOf({ rows, config, run }: SoundStage): [StepSplit, ...StepSplit[]] {
  const { globalBatchSize, microBatchSize } = config;
  const examples = rows.examples.length;
  const sizes = [Math.min(globalBatchSize, examples), examples % globalBatchSize].filter((size) => size > 0);
  const [full, ...rest] = sizes.map((size) => {
    const leafCount = Math.ceil(size / microBatchSize);
    return { leafCount, runs: runsOf(leafRunStarts(leafCount, run.workers)) };
  });
  return [full!, ...rest];
}

const ranks = ({ runs }: StepSplit) => runs.map((_, rank) => rank);

function workerMemoryOf(
  { config, policy, run }: SoundStage,
  splits: readonly [StepSplit, ...StepSplit[]],
  batches: readonly (readonly Sequence[])[],
  mismatched: readonly Sequence[],
): ProcessMemory {
  const { architecture, trained, layout, frozen } = policy;
  const model = { architecture, layout: trained };
  const activationBytes = Math.max(
    ...batches.map((batch) => trainingBytes(model, batch, config)),
    mismatched.length === 0 ? 0 : scoringBytes(model, mismatched, config),
  );
  const load = { layout, frozen, splits, activationBytes, writesCheckpoints: run.saveSteps > 0 };
  return ranks(splits[0])
    .map((rank) => workerMemory({ ...load, rank }))
    .reduce((most, memory) => (totalBytes(memory) > totalBytes(most) ? memory : most));
}

function referenceMemoryOf(
  { config, reference }: SoundStage,
  batches: readonly (readonly Sequence[])[],
  mismatched: readonly Sequence[],
): ProcessMemory | null {
  if (reference === null || !needsOf(config.objective).reference) return null;
  const { architecture, trained, frozen } = reference;
  const scored = [...batches, mismatched].filter((batch) => batch.length > 0);
  const activationBytes = Math.max(
    ...scored.map((batch) => scoringBytes({ architecture, layout: trained }, batch, config)),
  );
  return referenceMemory(frozen === null ? [trained] : [trained, frozen], activationBytes);
}

function busiest(traffic: readonly Traffic[]): Traffic {
  return traffic.reduce((most, other) => (other.sentBytes > most.sentBytes ? other : most));
}
