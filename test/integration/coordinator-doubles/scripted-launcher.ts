import type { ProcessExit } from '../../../lib/process/child.js';
import type {
  LaunchedProcess,
  LaunchedReference,
  Launcher,
  ReferenceSpec,
  ReplicaLauncher,
  RunSpec,
  WorkerSpec,
  Workforce,
  WorkforceEvents,
} from '../../../coordinator/launch/launcher.js';
import { ProcessWorkforce } from '../../../coordinator/launch/process-workforce.js';
import { ScriptedWorker, type Script } from './scripted-worker.js';

/** Launches scripted workers in this process, and references that only exist. */
export class ScriptedLauncher implements Launcher, ReplicaLauncher {
  readonly replicas = this;
  readonly workers: ScriptedWorker[] = [];
  readonly references: ScriptedReference[] = [];
  readonly #coordinatorAddress: string;
  readonly #scripts: Readonly<Record<string, Script>>;

  /** `scripts` by worker id. */
  constructor(coordinatorAddress: string, scripts: Readonly<Record<string, Script>>) {
    this.#coordinatorAddress = coordinatorAddress;
    this.#scripts = scripts;
  }

  /** The process of this worker id that was launched last. */
  latest(workerId: string): ScriptedWorker {
    const worker = this.workers.findLast((each) => each.workerId === workerId);
    if (worker === undefined) throw new Error(`${workerId} was never launched`);
    return worker;
  }

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    return new ProcessWorkforce(run, events, (worker) => this.launchWorker(worker));
  }

  endLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  launchWorker({ runId, workerId }: WorkerSpec): LaunchedProcess {
    const worker = new ScriptedWorker(this.#coordinatorAddress, runId, workerId, this.#scripts[workerId]);
    this.workers.push(worker);
    const stop = () => {
      worker.leave({ code: null, signal: 'SIGTERM' });
      return worker.exited;
    };
    return { name: workerId, exited: worker.exited, stop };
  }

  launchReference(spec: ReferenceSpec): LaunchedReference {
    const reference = new ScriptedReference(spec);
    this.references.push(reference);
    return reference;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class ScriptedReference implements LaunchedReference {
  readonly name: string;
  readonly socket = '/nowhere/reference.sock';
  readonly ready = Promise.resolve();
  readonly exited: Promise<ProcessExit>;
  readonly spec: ReferenceSpec;
  hangs = false;
  end!: (exit: ProcessExit) => void;

  constructor(spec: ReferenceSpec) {
    this.spec = spec;
    this.name = spec.name;
    this.exited = new Promise((resolve) => (this.end = resolve));
  }

  isServing(): Promise<boolean> {
    return Promise.resolve(!this.hangs);
  }

  stop(): Promise<ProcessExit> {
    this.end({ code: 0, signal: null });
    return this.exited;
  }
}
