import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, type Client } from '@grpc/grpc-js';
import { spawnChild, type Child } from '../../../lib/process/child.js';
import { callUnary, connect } from '../../../proto/calls.js';
import { runService } from '../../../proto/services.js';
import { writeTinyRun } from '../../support/tiny-run.js';
import { StepTimes } from '../coordinator/step-times.js';
import { cpuMilliseconds } from './cpu-time.js';

const PROGRAM = fileURLToPath(new URL('./coordinator-of-a-crowd.js', import.meta.url));
const PROCESSES = 4;

/** What a worker is sent in a step. */
export const LEAVES_PER_WORKER = 8;
export const TOKENS_PER_LEAF = 32;

export interface TimedSteps {
  readonly milliseconds: readonly number[];
  /** Of the coordinator's process, for one step. */
  readonly cpuMilliseconds: number;
}

/** A run of many simulated workers under a coordinator of its own. */
export class CrowdRun {
  readonly #coordinator: Child;
  readonly #client: Client;
  readonly #runId: string;
  readonly #stepTimes: StepTimes;

  private constructor(coordinator: Child, client: Client, runId: string, stepTimes: StepTimes) {
    this.#coordinator = coordinator;
    this.#client = client;
    this.#runId = runId;
    this.#stepTimes = stepTimes;
  }

  static async start(workers: number): Promise<CrowdRun> {
    const dir = mkdtempSync(join(tmpdir(), 'prospect-bench-'));
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
    const coordinator = spawnChild({
      name: 'the coordinator',
      entry: PROGRAM,
      args: [join(dir, 'state'), String(PROCESSES)],
      logFile: join(dir, 'coordinator.log'),
    });
    const { address } = await coordinator.ready;
    const client = connect(address!, credentials.createInsecure());
    const { text } = writeTinyRun(dir, {
      method: 'sft',
      keys: {
        workers,
        global_batch_size: workers * LEAVES_PER_WORKER,
        micro_batch_size: 1,
        max_length: TOKENS_PER_LEAF,
        max_steps: 1_000_000,
        save_steps: 0,
      },
      rows: rowsFor(workers),
    });
    const outputDir = join(dir, 'out');
    const { run } = await callUnary(client, runService.submitRun, {
      runYaml: text,
      outputDir,
      name: 'crowd',
    });
    return new CrowdRun(coordinator, client, run?.id ?? '', new StepTimes(join(outputDir, 'metrics.jsonl')));
  }

  async next(steps: number): Promise<TimedSteps> {
    const before = cpuMilliseconds(this.#coordinator.pid!);
    const milliseconds = await this.#stepTimes.next(steps);
    return { milliseconds, cpuMilliseconds: (cpuMilliseconds(this.#coordinator.pid!) - before) / steps };
  }

  async end(): Promise<void> {
    this.#stepTimes.close();
    await callUnary(this.#client, runService.cancelRun, { runId: this.#runId });
    this.#client.close();
    await this.#coordinator.stop({ graceMs: 30_000 });
  }
}

/** Of one length, as token ids, and as many as a step takes. */
function rowsFor(workers: number): unknown[] {
  const half = TOKENS_PER_LEAF / 2;
  const ids = (first: number) => Array.from({ length: half }, (_, index) => 1 + ((first + index) % 90));
  return Array.from({ length: workers * LEAVES_PER_WORKER }, (_, row) => ({
    prompt_ids: ids(row),
    completion_ids: ids(7 * row),
    label: true,
  }));
}
