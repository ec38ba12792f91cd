import type { RunConfig } from '../../lib/config/types.js';
import { CheckpointStore } from '../checkpoints/checkpoint-store.js';
import type { RunRecord } from '../journal/records.js';
import type { SourceStore } from '../sources/source-store.js';
import type { ActiveRun, RunServices } from './active-run.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import { MembershipNews } from './membership-news.js';
import { removePartialModels } from './output-directory.js';
import { prepareStages, type PreparedStage } from './prepare.js';
import { withReference } from './reference-replica.js';
import { readRunFile } from './run-file.js';
import { RunFiles } from './run-files.js';
import type { RunControl } from './run-queue.js';
import { fetchRunSources } from './run-sources.js';
import { trainStage } from './stage.js';
import { requireSameData } from './stage-data.js';
import { WorkerFleet } from './worker-fleet.js';

/**
 * Executes a run from where the journal says that it is to its model, and leaves no process behind, however it ends.
 * Rejects with a ConfigError or RunError that says why the run failed, or with `control.stopped`'s reason.
 */
export async function executeRun(
  record: RunRecord,
  services: RunServices,
  sources: SourceStore,
  control: RunControl,
): Promise<void> {
  const failure = new AbortController();
  const measured = services.telemetry.ofRun(record.id);
  const run: ActiveRun = {
    ...services,
    log: services.log.child({ runId: record.id }),
    record,
    measured,
    signal: AbortSignal.any([control.stopped, failure.signal]),
    fail: (error) => failure.abort(error),
  };
  try {
    await executeStages(run, sources, control);
  } catch (error) {
    // Whatever failed while the run was being stopped, failed because of that.
    throw run.signal.aborted ? run.signal.reason : error;
  } finally {
    measured.ended();
  }
}

async function executeStages(run: ActiveRun, sources: SourceStore, control: RunControl): Promise<void> {
  const { record } = run;
  const config = await fetchRunSources(run, readRunFile(record.runYaml, record.outputDir), sources);
  const stages = await prepareStages(run, config);
  requireSameData(run, stages);
  run.journal.setTotalSteps(
    record.id,
    stages.reduce((sum, { planner }) => sum + planner.totalSteps, 0),
  );
  await removeLeftovers(run, stages);
  if (unfinished(run, stages).length > 0) await trainStages(run, config, stages, control);
}

async function trainStages(
  run: ActiveRun,
  config: RunConfig,
  stages: readonly PreparedStage[],
  control: RunControl,
): Promise<void> {
  const { record } = run;
  const files = await RunFiles.rebuild(run);
  const fleet = new WorkerFleet(run, config, control.workerGone);
  const checkpoints = new CheckpointStore(record.outputDir, config.saveTotalLimit);
  const writer = new CheckpointWriter(run, checkpoints, config.saveSteps);
  const training = { config, fleet, checkpoints, writer, files, news: new MembershipNews(run) };
  try {
    await checkpoints.removeLeftovers();
    control.onResize = (workers) => fleet.resize(workers);
    control.countWorkers = () => fleet.size;
    fleet.start();
    for (const stage of unfinished(run, stages)) {
      await withReference(run, config, stage, (reference) => trainStage(run, stage, training, reference));
      await files.sync();
    }
    await fleet.dismiss('the run is complete');
  } finally {
    await fleet.stop('the run has ended');
    await writer.close();
    await files.close();
    await removeLeftovers(run, stages);
  }
}

/** The stages whose model is not there yet. */
function unfinished(run: ActiveRun, stages: readonly PreparedStage[]): readonly PreparedStage[] {
  const recorded = run.journal.stages(run.record.id);
  return stages.filter(
    ({ number }) => !recorded.some(({ stage, completed }) => completed && stage === number),
  );
}

/** Call it when no worker is left. */
async function removeLeftovers(run: ActiveRun, stages: readonly PreparedStage[]): Promise<void> {
  await removePartialModels(stages.map(({ outputDir }) => outputDir)).catch((error: unknown) =>
    run.log.warn({ err: error }, 'what was written of a model could not be removed'),
  );
}
