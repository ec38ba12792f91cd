import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type {
  LaunchedProcess,
  Launcher,
  RunSpec,
  WorkerSpec,
  Workforce,
  WorkforceEvents,
} from '../../../coordinator/launch/launcher.js';
import { ProcessWorkforce } from '../../../coordinator/launch/process-workforce.js';
import type { ProcessExit } from '../../../lib/process/child.js';
import type { CrowdCommand, CrowdReport } from './crowd.js';

const CROWD = fileURLToPath(new URL('./crowd.js', import.meta.url));

/** Spreads workers over a few processes. */
export class CrowdLauncher implements Launcher {
  readonly replicas = null;
  readonly #crowds: readonly ChildProcess[];
  readonly #leaving = new Map<string, (exit: ProcessExit) => void>();
  #next = 0;

  constructor(coordinatorAddress: string, processes: number) {
    this.#crowds = Array.from({ length: processes }, () =>
      fork(CROWD, [coordinatorAddress], { execArgv: [] }),
    );
    for (const crowd of this.#crowds) crowd.on('message', (report: CrowdReport) => this.#left(report));
  }

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    return new ProcessWorkforce(run, events, (worker) => this.#launch(worker));
  }

  endLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    const gone = this.#crowds.map((crowd) => once(crowd, 'exit'));
    for (const crowd of this.#crowds) crowd.disconnect();
    await Promise.all(gone);
  }

  #launch({ runId, workerId }: WorkerSpec): LaunchedProcess {
    const crowd = this.#crowds[this.#next++ % this.#crowds.length]!;
    const tell = (kind: CrowdCommand['kind']) => crowd.send({ kind, runId, workerId } satisfies CrowdCommand);
    const exited = new Promise<ProcessExit>((resolve) => this.#leaving.set(workerId, resolve));
    tell('join');
    const stop = () => {
      tell('leave');
      return exited;
    };
    return { name: workerId, exited, stop };
  }

  #left({ workerId, code, complaint }: CrowdReport): void {
    if (complaint !== null) console.error(`${workerId}: ${complaint}`);
    this.#leaving.get(workerId)?.({ code, signal: null });
    this.#leaving.delete(workerId);
  }
}
