import type { RunRecord } from '../journal/records.js';
import type { ActiveRun, RunServices } from './active-run.js';
import { MetricsFile, removePartialModels } from './output-directory.js';
import { prepareStages } from './prepare.js';
import { withReference } from './reference-replica.js';
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
