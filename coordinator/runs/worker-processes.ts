import type { RunConfig } from '../../lib/config/types.js';
import { untilAborted } from '../cluster/abort.js';
import { WorkerGroup } from '../cluster/worker-group.js';
import type { LaunchedProcess, WorkerSpec } from '../launch/launcher.js';
import type { ActiveRun } from './active-run.js';
import { logFileOf } from './output-directory.js';

/** A run's worker processes. They stay for all stages: starting TensorFlow takes seconds. */
export class WorkerProcesses {
  /** Where the launched processes join. */
  readonly group: WorkerGroup;
  readonly #run: ActiveRun;
  readonly #specs: readonly WorkerSpec[];
  readonly #processes: LaunchedProcess[] = [];

  constructor(run: ActiveRun, { workers, threadsPerWorker }: RunConfig) {
    const { id, outputDir } = run.record;
    this.#run = run;
    this.#specs = Array.from({ length: workers }, (_, index) => {
      const workerId = `worker-${index}`;
      return { runId: id, workerId, threads: threadsPerWorker, logFile: logFileOf(outputDir, workerId) };
    });
    this.group = new WorkerGroup(this.#specs, run.cluster, run.fail);
  }

  launch(): void {
    const { groups, launcher, record } = this.#run;
    groups.set(record.id, this.group);
    for (const spec of this.#specs) {
      const process_ = launcher.launchWorker(spec);
      this.#processes.push(process_);
      void process_.exited.then((exit) => this.group.exited(spec.workerId, exit));
    }
  }

  /** Lets the workers end by themselves, for a while. Their work is done, so how they end no longer matters. */
  async dismiss(): Promise<void> {
    this.group.close();
    this.group.broadcast({ stop: { reason: 'the run is complete' } });
    const allExited = Promise.all(this.#processes.map(({ exited }) => exited));
    const patience = AbortSignal.timeout(this.#run.cluster.stopGraceMs);
    await untilAborted(allExited, patience).catch(() => undefined);
  }

  /** Ends whatever still runs. */
  async stop(): Promise<void> {
    const { groups, cluster, record } = this.#run;
    this.group.close();
    groups.delete(record.id);
    await Promise.all(this.#processes.map((process_) => process_.stop({ graceMs: cluster.stopGraceMs })));
  }
}
