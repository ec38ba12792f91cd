import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { pino } from 'pino';
import type { Child, ProcessExit, ReadyMessage } from '../../../../lib/process/child.js';
import { NodeWorkers } from '../../../../worker/supervisor/node-workers.js';

/** A process that does what the test says. */
class FakeChild implements Child {
  readonly pid = undefined;
  readonly ready: Promise<ReadyMessage>;
  readonly exited: Promise<ProcessExit>;
  /** What it was told: how long it has to end. */
  readonly graces: number[] = [];
  join!: (metricsAddress: string) => void;
  exit!: (exit: ProcessExit) => void;

  constructor(readonly name: string) {
    this.ready = new Promise((resolve) => {
      this.join = (metricsAddress) => resolve({ kind: 'ready', metricsAddress });
    });
    this.exited = new Promise((resolve) => (this.exit = resolve));
  }

  stop({ graceMs }: { readonly graceMs: number }): Promise<ProcessExit> {
    this.graces.push(graceMs);
    return this.exited;
  }
}

const done = { code: 0, signal: null } as const;
const died = { code: null, signal: 'SIGKILL' } as const;

class Node {
  readonly started: FakeChild[] = [];
  readonly workers: NodeWorkers;
  code: number | undefined;
  private readonly tick: (ms: number) => void;

  constructor(t: TestContext, ...workerIds: string[]) {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    this.tick = (ms) => t.mock.timers.tick(ms);
    this.workers = new NodeWorkers({
      workerIds,
      log: pino({ level: 'silent' }),
      start: (workerId) => {
        const child = new FakeChild(workerId);
        this.started.push(child);
        return child;
      },
    });
    void this.workers.ended.then((code) => (this.code = code));
    this.workers.start();
  }

  /** The process of this worker that was started last. */
  latest(workerId: string): FakeChild {
    return this.started.findLast(({ name }) => name === workerId)!;
  }

  async exit(workerId: string, exit: ProcessExit): Promise<void> {
    this.latest(workerId).exit(exit);
    await setImmediate();
  }

  async join(workerId: string, metricsAddress = '127.0.0.1:9'): Promise<void> {
    this.latest(workerId).join(metricsAddress);
    await setImmediate();
  }

  async pass(ms: number): Promise<void> {
    this.tick(ms);
    await setImmediate();
  }

  get names(): string[] {
    return this.started.map(({ name }) => name);
  }
}

describe('the workers of a node', () => {
  test('are ready once all have joined, and show where their metrics are', async (t) => {
    const node = new Node(t, 'worker-4', 'worker-5');
    assert.deepEqual(node.names, ['worker-4', 'worker-5']);
    await node.join('worker-4', '127.0.0.1:1');
    assert.equal(node.workers.ready, false);
    await node.join('worker-5', '127.0.0.1:2');
    assert.equal(node.workers.ready, true);
    assert.deepEqual(node.workers.metricsSources, [
      { workerId: 'worker-4', address: '127.0.0.1:1' },
      { workerId: 'worker-5', address: '127.0.0.1:2' },
    ]);
    await node.exit('worker-5', died);
    assert.equal(node.workers.ready, false);
    assert.deepEqual(
      node.workers.metricsSources.map(({ workerId }) => workerId),
      ['worker-4'],
    );
  });

  test('one that dies is started again alone; steps forgive it its failures', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    await node.exit('worker-1', died);
    await node.pass(0);
    assert.deepEqual(node.names, ['worker-0', 'worker-1', 'worker-1']);
    await node.exit('worker-1', died);
    await node.pass(999);
    assert.equal(node.started.length, 3);
    await node.pass(1);
    assert.equal(node.started.length, 4);
    for (let failures = 0; failures < 20; failures++) {
      node.workers.stepDone(1);
      await node.exit('worker-1', died);
      await node.pass(0);
    }
    assert.equal(node.started.length, 24);
    assert.equal(node.code, undefined);
  });

  test('one that goes on dying ends the pod, after the others have left', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    for (let failures = 0; failures < 5; failures++) {
      assert.deepEqual(node.latest('worker-0').graces, []);
      await node.exit('worker-1', died);
      await node.pass(60_000);
    }
    assert.equal(node.started.length, 6, 'no sixth process');
    assert.deepEqual(node.latest('worker-0').graces, [30_000]);
    assert.equal(node.code, undefined);
    await node.exit('worker-0', done);
    assert.equal(node.code, 1);
  });

  test('bad input ends the pod with its code', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    await node.exit('worker-0', { code: 2, signal: null });
    await node.exit('worker-1', { code: 1, signal: null });
    assert.equal(node.code, 2);
  });

  test('all are let go: the pod is done', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    await node.exit('worker-1', done);
    assert.equal(node.code, undefined);
    await node.exit('worker-0', done);
    assert.equal(node.code, 0);
    await node.pass(600_000);
    assert.equal(node.started.length, 2);
  });

  test('one that is let go asks again later, and counts once it has joined', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    await node.join('worker-0');
    await node.exit('worker-1', done);
    assert.equal(node.workers.ready, true);
    await node.pass(30_000);
    assert.deepEqual(node.names, ['worker-0', 'worker-1', 'worker-1']);
    assert.equal(node.workers.ready, true, 'nobody waits for it');
    await node.join('worker-1');
    await node.exit('worker-0', done);
    assert.equal(node.code, undefined, 'the run has grown, and goes on with it');
    await node.exit('worker-1', done);
    assert.equal(node.code, 0);
  });

  test('one that asks in vain when the others are let go is ended too', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1');
    await node.exit('worker-1', done);
    await node.pass(30_000);
    await node.exit('worker-0', done);
    assert.deepEqual(node.latest('worker-1').graces, [30_000]);
    await node.exit('worker-1', died);
    assert.equal(node.code, 0);
  });

  test('are told to end: nobody is started again', async (t) => {
    const node = new Node(t, 'worker-0', 'worker-1', 'worker-2');
    await node.exit('worker-2', { code: 1, signal: null });
    node.workers.end(143);
    await node.exit('worker-0', done);
    await node.pass(60_000);
    assert.equal(node.started.length, 3);
    assert.equal(node.code, undefined);
    node.workers.kill();
    assert.deepEqual(node.latest('worker-1').graces, [30_000, 0]);
    await node.exit('worker-1', died);
    assert.equal(node.code, 143);
  });
});
