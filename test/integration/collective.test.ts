import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { rootOf } from '../../worker/reduction/tree.js';
import {
  hashOf,
  LARGE_LAYOUT,
  LEAF_COUNT,
  leavesOf,
  type Assignment,
  type Report,
} from '../support/collective-work.js';
import { treeSum } from '../support/leaves.js';
import { waitUntil } from '../support/wait-until.js';

class Worker {
  readonly reports: Report[] = [];
  private readonly process: ChildProcess;

  constructor(t: TestContext, timeoutMs: number) {
    const script = fileURLToPath(new URL('./collective-worker.js', import.meta.url));
    this.process = fork(script, [String(timeoutMs)]);
    this.process.on('message', (report: Report) => this.reports.push(report));
    t.after(() => this.process.kill('SIGKILL'));
  }

  async endpoint(): Promise<string> {
    const [bound] = await this.reported('bound', 1);
    return bound!.endpoint;
  }

  assign(assignment: Assignment): void {
    this.reports.length = 0;
    this.process.send(assignment);
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** The first `count` reports of this kind. */
  async reported<K extends Report['kind']>(kind: K, count: number): Promise<Extract<Report, { kind: K }>[]> {
    const found = () =>
      this.reports.filter((report): report is Extract<Report, { kind: K }> => report.kind === kind);
    await waitUntil(() => found().length >= count, `${count} reports '${kind}'`, 60_000);
    return found().slice(0, count);
  }

  /** Tells the worker to close its collective; resolves to how the process ended by itself. */
  async close(): Promise<{ code: unknown; signal: unknown }> {
    const exit = once(this.process, 'exit');
    this.process.send('close');
    const [code, signal] = (await exit) as unknown[];
    return { code, signal };
  }
}

async function startWorkers(t: TestContext, worldSize: number, timeoutMs: number) {
  const workers = Array.from({ length: worldSize }, () => new Worker(t, timeoutMs));
  const endpoints = await Promise.all(workers.map((worker) => worker.endpoint()));
  return { workers, endpoints };
}

const expectedSum = (step: number) => hashOf(treeSum(leavesOf(step), rootOf(LEAF_COUNT)));

describe('collectives between processes', () => {
  it('sum to the same bits everywhere, and leave nothing that keeps a process alive', async (t) => {
    const { workers, endpoints } = await startWorkers(t, 2, 20_000);
    workers.forEach((worker, rank) =>
      worker.assign({ generation: 1, rank, endpoints, runStarts: [0, 3, LEAF_COUNT], steps: 3 }),
    );
    for (const worker of workers) {
      const steps = await worker.reported('step', 3);
      assert.deepEqual(
        steps.map(({ sum }) => sum),
        [0, 1, 2].map(expectedSum),
      );
    }
    for (const worker of workers) assert.deepEqual(await worker.close(), { code: 0, signal: null });
  });

  it('send most of a gradient before its last tensor is computed, and sum to the same bits', async (t) => {
    const { workers, endpoints } = await startWorkers(t, 3, 60_000);
    // The second rank holds two nodes, one of them of two leaves.
    workers.forEach((worker, rank) =>
      worker.assign({
        generation: 1,
        rank,
        endpoints,
        runStarts: [0, 1, 4, LEAF_COUNT],
        steps: 1,
        overlapped: true,
      }),
    );
    const expected = hashOf(treeSum(leavesOf(0, LARGE_LAYOUT), rootOf(LEAF_COUNT)));
    for (const worker of workers) {
      const [sent] = await worker.reported('sentBeforeEnd', 1);
      t.diagnostic(`${(100 * sent!.share).toFixed(0)} % sent before the last tensor`);
      assert.ok(sent!.share > 0.75);
      const [step] = await worker.reported('step', 1);
      assert.equal(step!.sum, expected);
    }
    for (const worker of workers) assert.deepEqual(await worker.close(), { code: 0, signal: null });
  });

  for (const [signal, what] of [
    ['SIGKILL', /closed its connection/],
    ['SIGSTOP', /nothing from .* for 3 s/],
  ] as const) {
    it(`name a worker that gets ${signal}, and go on without it`, async (t) => {
      const { workers, endpoints } = await startWorkers(t, 3, 3000);
      const runStarts = [0, 2, 4, LEAF_COUNT];
      workers.forEach((worker, rank) =>
        worker.assign({ generation: 1, rank, endpoints, runStarts, steps: 1_000_000 }),
      );
      const [first, lost, last] = workers as [Worker, Worker, Worker];
      await Promise.all(workers.map((worker) => worker.reported('step', 2)));
      lost.kill(signal);
      for (const survivor of [first, last]) {
        const [failed] = await survivor.reported('failed', 1);
        assert.equal(failed!.error, 'RunError');
        assert.ok(failed!.message.includes(`rank 1 (${endpoints[1]})`), failed!.message);
        assert.match(failed!.message, what);
      }

      const survivors = {
        endpoints: [endpoints[0]!, endpoints[2]!],
        runStarts: [0, 4, LEAF_COUNT],
        steps: 1,
      };
      first.assign({ generation: 2, rank: 0, ...survivors });
      last.assign({ generation: 2, rank: 1, ...survivors });
      for (const survivor of [first, last]) {
        const [redone] = await survivor.reported('step', 1);
        assert.equal(redone!.sum, expectedSum(0));
      }
      for (const survivor of [first, last])
        assert.deepEqual(await survivor.close(), { code: 0, signal: null });
    });
  }
});
