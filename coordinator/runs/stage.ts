import { renderRunFile } from '../../lib/config/render.js';
import { RunError } from '../../lib/errors.js';
import { Disturbance, type Generation } from '../cluster/generation.js';
import {
  tensorBoardDirectory,
  TensorBoardLog,
  type EvaluationLine,
  type SampledLine,
  type StageHistory,
} from '../tensorboard/tensorboard-log.js';
import type { ActiveRun } from './active-run.js';
import { CollectiveFailures } from './collective-failures.js';
import { Formation } from './formation.js';
import type { MetricsRow } from './metrics-row.js';
import type { PreparedStage } from './prepare.js';
import type { ServingReference } from './reference-replica.js';
import { RunStop } from './run-stop.js';
import type { StageContext, Training } from './stage-context.js';
import { samplesLine } from './samples-line.js';
import { StageWatch } from './stage-watch.js';
import { StageProgress } from './stage-progress.js';
import { StepLoop } from './step-loop.js';

/**
 * Trains one stage and has its model saved: in one generation of workers after the other, each going on from the last
 * committed step, until one of them gets to the end.
 */
export async function trainStage(
  run: ActiveRun,
  stage: PreparedStage,
  training: Training,
  reference: ServingReference | null,
): Promise<void> {
  const { number, config } = stage;
  const history = historyOf(run, number);
  const place = { stage: number, method: config.objective.method };
  const board = await TensorBoardLog.open(tensorBoardDirectory(run.record.outputDir, place), history);
  const watch = new StageWatch(run, stage, history.rows);
  const context = { ...training, run, stage, progress: new StageProgress(run, number), watch, board };
  const formation = new Formation(context);
  try {
    openStage(context, reference);
    await trainByGenerations(context, formation);
    run.journal.completeStage(run.record.id, stage.number);
    watch.end();
    await training.writer.idle();
  } catch (error) {
    await writeLastCheckpoint(context);
    throw error;
  } finally {
    formation.close();
    training.fleet.crew.closeStage();
    await board.close();
  }
}

/** What the journal holds of a stage's numbers and samples. */
function historyOf({ journal, record }: ActiveRun, stage: number): StageHistory {
  const ofStage = <Line>(records: readonly { readonly stage: number; readonly metricsJson: string }[]) =>
    records.filter((one) => one.stage === stage).map(({ metricsJson }) => JSON.parse(metricsJson) as Line);
  const samples = [...journal.events(record.id)].flatMap(({ completionsSampled: sampled }) =>
    sampled?.stage === stage ? [JSON.parse(samplesLine(sampled)) as SampledLine] : [],
  );
  return {
    rows: ofStage<MetricsRow>(journal.committedSteps(record.id)),
    evaluations: ofStage<EvaluationLine>(journal.evaluations(record.id)),
    samples,
  };
}

async function trainByGenerations(context: StageContext, formation: Formation): Promise<void> {
  const steps = new StepLoop(context);
  const collectiveFailures = new CollectiveFailures();
  for (;;) {
    try {
      const generation = await formation.next();
      await steps.run(generation);
      await saveModel(context, generation);
      return;
    } catch (error) {
      if (!(error instanceof Disturbance)) throw error;
      collectiveFailures.handle(error, context.progress.stepsDone, context.fleet.crew);
    }
  }
}

/** Has the workers open the stage, those that join later too. */
function openStage(context: StageContext, reference: ServingReference | null): void {
  const { run, stage, config, fleet, writer, progress } = context;
  const { totalSteps } = stage.planner;
  fleet.crew.openStage({
    start: {
      stage: stage.number,
      referenceSocket: reference?.socket ?? '',
      runYaml: renderRunFile({ ...config, stages: [stage.config] }),
      totalSteps,
      heartbeatIntervalMs: run.cluster.heartbeatIntervalMs,
    },
    commitOf: (step) => progress.commitOf(step),
    onCheckpointPart: (from, part) => writer.received(from, part),
    onGone: (member) => writer.gone(member),
  });
  run.measured.stageStarted(progress.metricsOf(progress.committed)?.num_tokens ?? 0);
  run.journal.addEvent(run.record.id, {
    stageStarted: {
      stage: stage.number,
      stageCount: stage.count,
      method: stage.config.objective.method,
      totalSteps,
      committedSteps: progress.committed,
    },
  });
}

/** Every worker holds the whole model; the first one writes it. */
async function saveModel({ stage }: StageContext, generation: Generation): Promise<void> {
  generation.send(0, { saveModel: { stage: stage.number, directory: stage.outputDir } });
  const saved = await generation.receive(0, 'modelSaved');
  if (saved.stage === stage.number && saved.directory === stage.outputDir) return;
  throw new RunError(
    `${generation.workerId(0)} saved ${saved.directory ?? 'nothing'} instead of ${stage.outputDir}`,
  );
}

/** Where the run is stopped and wants to go on later, nothing that is committed shall have to be computed again. */
async function writeLastCheckpoint({ run, stage, fleet, writer, progress }: StageContext): Promise<void> {
  const { reason } = run.signal as { reason: unknown };
  if (!(reason instanceof RunStop && reason.save)) return;
  const wanted = { stage: stage.number, atMostStep: progress.committed };
  await writer.writeNow(fleet.crew, wanted, AbortSignal.timeout(run.cluster.lastCheckpointMs));
}
