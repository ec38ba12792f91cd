import { renderRunFile } from '../../lib/config/render.js';
import type { RunConfig } from '../../lib/config/types.js';
import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { WorkerGroup } from '../cluster/worker-group.js';
import type { ReferenceAnswer } from '../journal/records.js';
import { tokensOf, type Unit } from '../plan/unit.js';
import type { ActiveRun } from './active-run.js';
import { needsOf } from '../../lib/methods/needs.js';
import { metricsRow, type MetricsRow } from './metrics-row.js';
import type { MetricsFile } from './output-directory.js';
import type { PreparedStage } from './prepare.js';
import type { ServingReference } from './reference-replica.js';
import { mismatchedIds, StepFeed, type StepUnderWay } from './step-feed.js';
import { combineReports, type ExpectedReports, type StepResult } from './step-reports.js';

/** The workers that a stage is trained with. */
export interface StageCrew {
  readonly group: WorkerGroup;
  readonly generation: number;
  readonly config: RunConfig;
  /** Null for a method without a reference. */
  readonly reference: ServingReference | null;
}

/** Steps sent beyond the one that is being computed, so that the reference's answers to them can be fetched early. */
const STEPS_AHEAD = 1;

/** Trains one stage and has its model saved. */
export async function trainStage(
  run: ActiveRun,
  stage: PreparedStage,
  crew: StageCrew,
  metricsFile: MetricsFile,
): Promise<void> {
  const { group, generation } = crew;
  const { totalSteps } = stage.planner;
  await startStage(run, stage, crew);

  const answers = new Map<number, ReferenceAnswer>();
  const feed = new StepFeed(stage, group, generation, answers);
  let tokens = 0;
  let lastCommitMs = performance.now();
  for (let step = 1; step <= totalSteps; step++) {
    feed.sendThrough(step + STEPS_AHEAD);
    const underWay = feed.takeOldest();
    const reports = await group.collect('stepReport', run.signal);
    const result = combineReports(reports, expectedOf(stage, crew, underWay));
    const newAnswers = newAnswersOf(underWay, result);

    tokens += underWay.plan.batch.reduce((sum, index) => sum + tokensOf(stage.examples[index]!), 0);
    const nowMs = performance.now();
    const row = rowOf(stage, underWay, result, { tokens, stepTimeS: (nowMs - lastCommitMs) / 1000 });
    lastCommitMs = nowMs;

    const metricsJson = JSON.stringify(row);
    run.journal.commitStep(run.record.id, {
      stage: stage.number,
      step,
      generation,
      metricsJson,
      answers: newAnswers,
    });
    group.broadcast({ stepCommit: { stage: stage.number, step } });
    for (const [example, answer] of newAnswers) answers.set(example, answer);
    await metricsFile.append(metricsJson);
    run.telemetry.stepCommitted(row, timesOf(group, reports));
  }
  await saveModel(run, stage, group);
}

async function startStage(run: ActiveRun, stage: PreparedStage, crew: StageCrew): Promise<void> {
  const { number, count, config, planner } = stage;
  const stageStart = {
    stage: number,
    referenceSocket: crew.reference?.socket ?? '',
    runYaml: renderRunFile({ ...crew.config, stages: [config] }),
    totalSteps: planner.totalSteps,
    heartbeatIntervalMs: run.cluster.heartbeatIntervalMs,
  };
  crew.group.broadcast({ stageStart });
  const ready = await crew.group.collect('stageReady', run.signal);
  const wrong = ready.findIndex(({ stage }) => stage !== number);
  if (wrong >= 0) {
    throw new RunError(
      `${crew.group.workerId(wrong)} is ready for stage ${ready[wrong]?.stage ?? 0}, not ${number}`,
    );
  }
  run.telemetry.stageStarted();
  run.journal.addEvent(run.record.id, {
    stageStarted: {
      stage: number,
      stageCount: count,
      method: config.objective.method,
      totalSteps: planner.totalSteps,
    },
  });
}

function expectedOf(
  stage: PreparedStage,
  { group, generation }: StageCrew,
  { plan, runStarts }: StepUnderWay,
): ExpectedReports {
  const needs = needsOf(stage.config.objective);
  const ranks = Array.from({ length: group.size }, (_, rank) => rank);
  return {
    stage: stage.number,
    step: plan.step,
    generation,
    workerIds: ranks.map((rank) => group.workerId(rank)),
    positions: ranks.map((rank) => plan.leaves.slice(runStarts[rank], runStarts[rank + 1]).flat()),
    examples: plan.batch.map((index) => {
      const donor = stage.pairs[index] ?? null;
      return {
        completions: stage.examples[index]!.completions.map(({ length }) => length),
        mismatched: donor === null ? null : mismatchedIds(stage, index, donor).length,
      };
    }),
    rewards: needs.rewards,
    z0: needs.mismatchedPairs,
    // An example's answer is the one of its leaf of epoch 0 (DESIGN section 2).
    answers: needs.reference && plan.epoch === 0,
    byToken: needs.tokenLevel,
  };
}

/** The answers that the step brought, by example. */
function newAnswersOf({ plan }: StepUnderWay, result: StepResult): Map<number, ReferenceAnswer> {
  const answers = new Map<number, ReferenceAnswer>();
  plan.batch.forEach((example, position) => {
    const { answer } = result.examples[position]!;
    if (answer !== null) answers.set(example, answer);
  });
  return answers;
}

function rowOf(
  stage: PreparedStage,
  { plan }: StepUnderWay,
  result: StepResult,
  { tokens, stepTimeS }: { readonly tokens: number; readonly stepTimeS: number },
): MetricsRow {
  const { objective } = stage.config;
  const totals = {
    step: plan.step,
    stage: stage.number,
    method: objective.method,
    epoch: plan.step / stage.planner.stepsPerEpoch,
    kl: result.z0,
    grad_norm: result.gradNorm,
    learning_rate: result.learningRate,
    num_tokens: tokens,
    step_time_s: stepTimeS,
  };
  const examples = result.examples.map(({ loss, logps, rewards }, position) => {
    const unit = stage.examples[plan.batch[position]!]!;
    const completions = logps.map((logp, i) => ({
      chosen: isChosen(stage, unit, i),
      logp,
      reward: rewards?.[i] ?? null,
    }));
    return { loss, completions };
  });
  return metricsRow(totals, examples);
}

/** Which of the two classes a completion counts to in the metrics. */
function isChosen({ config }: PreparedStage, { desirable, score }: Unit, completion: number): boolean {
  const { objective } = config;
  const needs = needsOf(objective);
  if (needs.rows === 'paired') return completion === 0;
  if (objective.method === 'kto' && objective.scoreScale !== null) {
    return score !== null && score > objective.scoreScale.neutral;
  }
  return !needs.labels || desirable === true;
}

function timesOf(group: WorkerGroup, reports: readonly v1.StepReport.$Properties[]) {
  const times = new Map<string, v1.StepTimes.$Properties>();
  reports.forEach((report, rank) => {
    if (report.times) times.set(group.workerId(rank), report.times);
  });
  return times;
}

/** Every worker holds the whole model; the first one writes it. */
async function saveModel(run: ActiveRun, stage: PreparedStage, group: WorkerGroup): Promise<void> {
  group.send(0, { saveModel: { stage: stage.number, directory: stage.outputDir } });
  const saved = await group.receive(0, 'modelSaved', run.signal);
  if (saved.stage !== stage.number || saved.directory !== stage.outputDir) {
    throw new RunError(
      `${group.workerId(0)} saved ${saved.directory ?? 'nothing'} instead of ${stage.outputDir}`,
    );
  }
}
