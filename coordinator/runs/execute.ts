import type { RunConfig } from '../../lib/config/types.js';
import { RunError } from '../../lib/errors.js';
import { describeExit } from '../../lib/process/child.js';
import { untilAborted } from '../cluster/abort.js';
import type { RunRecord } from '../journal/records.js';
import type { LaunchedReference } from '../launch/launcher.js';
import type { ActiveRun, RunServices } from './active-run.js';
import { needsOf } from '../../lib/methods/needs.js';
import { logFileOf, MetricsFile, removePartialModels } from './output-directory.js';
import { prepareStages, type PreparedStage } from './prepare.js';
import { readRunFile } from './run-file.js';
import { trainStage } from './stage.js';
import { WorkerProcesses } from './worker-processes.js';

/** Until a worker leaves or joins a run, which comes with elastic membership, there is one generation. */
const FIRST_GENERATION = 1;

/**
 * Executes a run from its data to its model, and leaves no process behind, however it ends.
 * Rejects with a ConfigError or RunError that says why the run failed, or with `cancelled`'s reason.
 */
export async function executeRun(
  record: RunRecord,
  services: RunServices,
  cancelled: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  const run: ActiveRun = {
    ...services,
    record,
    signal: AbortSignal.any([cancelled, failure.signal]),
    fail: (error) => failure.abort(error),
  };
  const config = readRunFile(record.runYaml, record.outputDir);
  const stages = await prepareStages(run, config);
  run.journal.setTotalSteps(
    record.id,
    stages.reduce((sum, { planner }) => sum + planner.totalSteps, 0),
  );

  const metricsFile = await MetricsFile.create(record.outputDir);
  const workers = new WorkerProcesses(run, config);
  try {
    workers.launch();
    const members = await workers.group.form(FIRST_GENERATION, run.signal);
    run.journal.addMembership(record.id, FIRST_GENERATION, members);
    run.telemetry.groupFormed(members.length);
    run.journal.transition(record.id, 'running');
    for (const stage of stages) {
      await withReference(run, config, stage, (reference) =>
        trainStage(
          run,
          stage,
          {
            group: workers.group,
            generation: FIRST_GENERATION,
            config,
            reference,
          },
          metricsFile,
        ),
      );
    }
    await workers.dismiss();
  } finally {
    await workers.stop();
    await metricsFile.close();
    await removePartialModels(stages.map(({ outputDir }) => outputDir)).catch((error: unknown) =>
      run.log.warn({ err: error }, 'what was written of a model could not be removed'),
    );
    run.telemetry.runEnded();
  }
}

/** Runs `body` beside the frozen reference that the stage's method needs, once it serves. If it dies, the run fails. */
async function withReference(
  run: ActiveRun,
  config: RunConfig,
  stage: PreparedStage,
  body: (reference: LaunchedReference | null) => Promise<void>,
): Promise<void> {
  if (!needsOf(stage.config.objective).reference) return body(null);
  const name = `reference-${stage.number}`;
  const logFile = logFileOf(run.record.outputDir, name);
  const reference = run.launcher.launchReference({
    name,
    ...referenceOf(stage.config),
    threads: config.threadsPerWorker,
    logFile,
  });
  let needed = true;
  try {
    await untilAborted(reference.ready, run.signal);
    void reference.exited.then((exit) => {
      if (needed) run.fail(new RunError(`the reference replica ${describeExit(exit)}; see ${logFile}`));
    });
    await body(reference);
  } finally {
    needed = false;
    await reference.stop({ graceMs: run.cluster.stopGraceMs });
  }
}

/** The frozen model that a stage's policy is compared with: a directory, and an adapter upon it. */
function referenceOf({ model, adapter, reference }: PreparedStage['config']): {
  readonly modelDir: string;
  readonly adapterDir: string | null;
} {
  if (reference === 'base') return { modelDir: model, adapterDir: null };
  if (reference !== null) return { modelDir: reference.directory, adapterDir: null };
  // A fresh adapter changes nothing yet, so that what the stage starts from is the model.
  return { modelDir: model, adapterDir: adapter };
}
