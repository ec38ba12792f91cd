import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, type Client } from '@grpc/grpc-js';
import { spawnChild, type Child } from '../../../lib/process/child.js';
import { callUnary, connect } from '../../../proto/calls.js';
import { runService } from '../../../proto/services.js';
import { writeTinyRun } from '../../support/tiny-run.js';
import type { AudienceCommand, Scene } from './audience.js';
import { StepTimes } from './step-times.js';

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Longer than any bench: the run is cancelled. */
const MAX_STEPS = 1_000_000;

interface Cast {
  /** Compiled program of the workers. */
  readonly workerEntry: string;
  readonly watchers: number;
  readonly queued: number;
}

/** A run under a coordinator of its own, and an audience that comes and goes. */
export class RunUnderWay {
  readonly stepTimes: StepTimes;
  readonly #coordinator: Child;
  readonly #client: Client;
  readonly #runId: string;
  readonly #audience: ChildProcess;
  readonly #queued: readonly string[];

  private constructor(
    dir: string,
    coordinator: Child,
    client: Client,
    { runId, audience, queued }: { runId: string; audience: ChildProcess; queued: readonly string[] },
  ) {
    this.stepTimes = new StepTimes(join(dir, 'run/out/metrics.jsonl'));
    this.#coordinator = coordinator;
    this.#client = client;
    this.#runId = runId;
    this.#audience = audience;
    this.#queued = queued;
  }

  static async start({ workerEntry, watchers, queued }: Cast): Promise<RunUnderWay> {
    const dir = mkdtempSync(join(tmpdir(), 'prospect-bench-'));
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
    const coordinator = startCoordinator(dir, workerEntry);
    const { address, metricsAddress } = await coordinator.ready;
    const client = connect(address!, credentials.createInsecure());
    const submit = async (name: string) => {
      const { text } = writeTinyRun(join(dir, name), {
        method: 'kto',
        keys: { max_steps: MAX_STEPS, save_steps: 0 },
      });
      const request = { runYaml: text, outputDir: join(dir, name, 'out'), name };
      const { run } = await callUnary(client, runService.submitRun, request);
      return run?.id ?? '';
    };
    const runId = await submit('run');
    const waiting: string[] = [];
    for (let number = 0; number < queued; number++) waiting.push(await submit(`queued-${number}`));
    const scene: Scene = { address: address!, pageAddress: metricsAddress!, runId, watchers };
    const audience = fork(program('./audience.js'), [JSON.stringify(scene)]);
    const run = new RunUnderWay(dir, coordinator, client, { runId, audience, queued: waiting });
    await run.#cancelQueued();
    return run;
  }

  /** Everyone comes; resolves once all have caught up. */
  async come(): Promise<void> {
    for (const runId of this.#queued) await callUnary(this.#client, runService.resumeRun, { runId });
    await this.#tell('come');
  }

  async go(): Promise<void> {
    await this.#tell('go');
    await this.#cancelQueued();
  }

  async end(): Promise<void> {
    const gone = once(this.#audience, 'exit');
    this.#audience.disconnect();
    await gone;
    this.stepTimes.close();
    await callUnary(this.#client, runService.cancelRun, { runId: this.#runId });
    this.#client.close();
    await this.#coordinator.stop({ graceMs: 30_000 });
  }

  async #cancelQueued(): Promise<void> {
    for (const runId of this.#queued) await callUnary(this.#client, runService.cancelRun, { runId });
  }

  async #tell(kind: AudienceCommand['kind']): Promise<void> {
    const answer = once(this.#audience, 'message');
    this.#audience.send({ kind } satisfies AudienceCommand);
    await answer;
  }
}

function startCoordinator(dir: string, workerEntry: string): Child {
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const entries = ['--worker-entry', workerEntry, '--reference-entry'];
  return spawnChild({
    name: 'the coordinator',
    entry: program('../../../coordinator/main.js'),
    args: [
      '--state-dir',
      join(dir, 'state'),
      ...listen,
      ...entries,
      program('../../../worker/reference/main.js'),
    ],
    env: { PROSPECT_REFERENCE_CACHE: join(dir, 'cache') },
    logFile: join(dir, 'coordinator.log'),
  });
}
