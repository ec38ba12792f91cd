import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { Journal } from '../../../../coordinator/journal/journal.js';
import type { RunRecord } from '../../../../coordinator/journal/records.js';
import { RunQueue, type Execute, type RunControl } from '../../../../coordinator/runs/run-queue.js';
import { ConfigError, RunError, UserError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

interface Executed {
  readonly control: RunControl;
  /** Worker processes that there are of it. */
  workers: number;
  readonly end: (error?: Error) => void;
}

/** A queue whose runs do nothing until the test ends them. */
class TestQueue {
  readonly journal: Journal;
  readonly queue: RunQueue;
  /** Ids, in the order in which they were started. */
  readonly started: string[] = [];
  readonly running = new Map<string, Executed>();
  readonly #fatal: unknown[] = [];

  constructor(dir: string, maxWorkers: number | null) {
    this.journal = Journal.open(dir);
    const log = pino({ level: 'silent' });
    const onFatal = (error: unknown) => this.#fatal.push(error);
    this.queue = new RunQueue(this.journal, this.#execute, { maxWorkers, log, onFatal });
  }

  #execute: Execute = (run, control) =>
    new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        this.running.delete(run.id);
        if (error === undefined) resolve();
        else reject(error);
      };
      const executed = { control, workers: run.workers, end };
      control.onResize = (workers) => (executed.workers = Math.max(executed.workers, workers));
      control.countWorkers = () => executed.workers;
      const stopped = () => end(control.stopped.reason as Error);
      if (control.stopped.aborted) stopped();
      else control.stopped.addEventListener('abort', stopped);
      this.started.push(run.id);
      this.running.set(run.id, executed);
    });

  async submit(id: string, workers = 1): Promise<void> {
    const files = { runYaml: '', outputDir: `/out/${id}`, skipBadRows: false };
    this.queue.add({ id, name: id, ...files, workers });
    await nextTurn();
  }

  async end(id: string, error?: Error): Promise<void> {
    this.running.get(id)!.end(error);
    await nextTurn();
  }

  async cancel(id: string): Promise<void> {
    this.queue.cancel(this.run(id), 'unwanted', { save: false });
    await nextTurn();
  }

  async resume(id: string): Promise<void> {
    this.queue.resume(this.run(id));
    await nextTurn();
  }

  async resize(id: string, workers: number): Promise<void> {
    this.queue.resize(this.run(id), workers);
    await nextTurn();
  }

  /** Workers that it was told to let go are gone. */
  async shrink(id: string): Promise<void> {
    const executed = this.running.get(id)!;
    executed.workers = this.run(id).workers;
    executed.control.workerGone();
    await nextTurn();
  }

  run(id: string): RunRecord {
    return this.journal.findRun(id)!;
  }

  /** Of each queued run, in its order. */
  get waiting(): string[] {
    return this.journal.queuedRuns().map(({ id, waitsFor }) => `${id}: ${waitsFor}`);
  }

  /** As a coordinator does that ends. */
  async stop(): Promise<void> {
    await this.queue.stop('the coordinator ends');
    this.journal.close();
    assert.deepEqual(this.#fatal, []);
  }
}

async function openQueue(t: TestContext, maxWorkers: number | null): Promise<TestQueue> {
  const queue = new TestQueue(await temporaryDirectory(t), maxWorkers);
  t.after(() => queue.stop());
  return queue;
}

test('without a quota one run goes at a time, with as many workers as it wants; the others say for whom they wait', async (t) => {
  const c = await openQueue(t, null);
  await c.submit('a', 64);
  await c.submit('b', 128);
  await c.submit('c');
  assert.deepEqual([c.started, c.waiting, c.queue.workersInUse], [['a'], ['b: a to end', 'c: b to end'], 64]);
  await c.end('a');
  assert.deepEqual([c.started, c.waiting], [['a', 'b'], ['c: b to end']]);
  await c.end('b', new RunError('no worker is left'));
  await c.end('c');
  assert.deepEqual(
    c.journal.runs().map(({ id, state, reason }) => `${id} ${state} ${reason}`.trim()),
    ['a completed', 'b failed no worker is left', 'c completed'],
  );
  assert.equal(c.queue.workersInUse, 0);
});

test('where the cluster’s queue decides, all runs start at once, and none is too large', async (t) => {
  const c = await openQueue(t, Number.POSITIVE_INFINITY);
  await c.submit('a', 64);
  await c.submit('b', 128);
  assert.deepEqual([c.started, c.waiting, c.queue.workersInUse], [['a', 'b'], [], 192]);
  c.queue.resize(c.journal.findRun('a')!, 1_000);
  await c.end('a');
  await c.end('b');
});

test('runs go side by side as far as the quota goes, and none overtakes another', async (t) => {
  const c = await openQueue(t, 4);
  await c.submit('a', 2);
  await c.submit('b', 1);
  await c.submit('c', 2);
  await c.submit('d', 1);
  await c.submit('e', 1);
  assert.deepEqual(c.started, ['a', 'b']);
  assert.deepEqual(c.waiting, ['c: 2 workers: 3 of 4 are in use', 'd: c to start', 'e: d to start']);
  await c.end('a');
  assert.deepEqual(c.started, ['a', 'b', 'c', 'd']);
  assert.deepEqual(c.waiting, ['e: 1 worker: 4 of 4 are in use']);
  await c.end('d');
  assert.deepEqual([c.started.at(-1), c.waiting, c.queue.workersInUse], ['e', [], 4]);
});

test('those who watch a queued run learn what it waits for, each time that this changes', async (t) => {
  const c = await openQueue(t, null);
  for (const id of ['a', 'b', 'c']) await c.submit(id);
  await c.cancel('b');
  await c.end('a');
  const told = c.journal.eventsAfter('c', 0, 100).map(({ run }) => run?.waitsFor);
  assert.deepEqual(told, ['b to end', 'a to end', '']);
  assert.equal(c.run('b').state, 'cancelled');
  assert.deepEqual(
    c.journal.runs().map(({ waitsFor }) => waitsFor),
    ['', '', ''],
  );
});

test('more workers than there are is refused, with the key and what to do', async (t) => {
  const c = await openQueue(t, 4);
  const refusal = (pattern: RegExp) => (error: unknown) =>
    error instanceof ConfigError && pattern.test(error.message);
  assert.throws(() => c.queue.requirePossible(5), refusal(/^workers: 5 is more than the 4 .*at most 4$/));
  c.queue.requirePossible(4);
  await c.submit('a', 2);
  await c.submit('b', 1);
  await c.submit('c', 4);
  await assert.rejects(c.resize('c', 5), refusal(/^workers: 5 is more than the 4 /));
  await assert.rejects(c.resize('a', 5), refusal(/^workers: 5 is more than the 4 /));
  await assert.rejects(
    c.resize('a', 4),
    refusal(/^workers: 4 is too many now: 1 of 4 is in use.*at most 3,/),
  );
  assert.deepEqual([c.run('a').workers, c.run('c').workers], [2, 4]);
  await c.resize('a', 3);
  assert.deepEqual([c.running.get('a')!.workers, c.queue.workersInUse], [3, 4]);
  await c.end('a');
  await c.end('b');
  await c.end('c');
  await assert.rejects(c.resize('a', 1), UserError);
});

test('what a run has let go is free once its processes are gone, and not before', async (t) => {
  const c = await openQueue(t, 4);
  await c.submit('a', 4);
  await c.submit('b', 2);
  await c.resize('a', 2);
  assert.deepEqual(c.waiting, ['b: 2 workers: 4 of 4 are in use']);
  await c.shrink('a');
  assert.deepEqual([c.started, c.waiting], [['a', 'b'], []]);
});

test('a queued run that is resized starts as soon as it fits', async (t) => {
  const c = await openQueue(t, 4);
  await c.submit('a', 3);
  await c.submit('b', 3);
  await c.submit('c', 1);
  assert.deepEqual(c.waiting, ['b: 3 workers: 3 of 4 are in use', 'c: b to start']);
  await c.resize('b', 1);
  assert.deepEqual([c.started, c.waiting], [['a', 'b'], ['c: 1 worker: 4 of 4 are in use']]);
});

test('a run that is resumed goes behind those that wait already', async (t) => {
  const c = await openQueue(t, null);
  for (const id of ['a', 'b', 'c', 'd']) await c.submit(id);
  await c.cancel('a');
  await c.cancel('c');
  assert.deepEqual([c.started, c.waiting], [['a', 'b'], ['d: b to end']]);
  await c.resume('c');
  await c.resume('a');
  assert.deepEqual(c.waiting, ['d: b to end', 'c: d to end', 'a: c to end']);
  await assert.rejects(c.resume('d'), /run d is queued: only a cancelled or failed run can be resumed/);
  for (const id of ['b', 'd', 'c', 'a']) await c.end(id);
  assert.deepEqual(c.started, ['a', 'b', 'd', 'c', 'a']);
  // The list keeps the order in which they were submitted.
  assert.deepEqual(
    c.journal.runs().map(({ id }) => id),
    ['a', 'b', 'c', 'd'],
  );
});

test('a coordinator that is started again starts the same runs in the same order, before newer ones', async (t) => {
  const dir = await temporaryDirectory(t);
  const first = new TestQueue(dir, 4);
  for (const id of ['a', 'b', 'c', 'd']) await first.submit(id, 2);
  await first.cancel('a');
  await first.resume('a');
  assert.deepEqual([first.started, first.waiting.length], [['a', 'b', 'c'], 2]);
  await first.stop();
  assert.deepEqual(first.running.size, 0);

  const second = new TestQueue(dir, 4);
  t.after(() => second.stop());
  assert.deepEqual(
    second.journal.runs().map(({ id, state }) => `${id} ${state}`),
    ['a queued', 'b starting', 'c starting', 'd queued'],
  );
  second.journal.requeueInterruptedRuns();
  second.queue.wake();
  await nextTurn();
  assert.deepEqual(second.started, ['b', 'c']);
  assert.deepEqual(second.waiting, ['d: 2 workers: 4 of 4 are in use', 'a: d to start']);
});

test('a run that was submitted with more workers than there are now says so, and stands in nobody’s way', async (t) => {
  const dir = await temporaryDirectory(t);
  const large = new TestQueue(dir, 8);
  await large.submit('a', 8);
  await large.submit('b', 8);
  await large.submit('c', 2);
  await large.submit('d', 2);
  await large.stop();

  const small = new TestQueue(dir, 3);
  t.after(() => small.stop());
  small.journal.requeueInterruptedRuns();
  small.queue.wake();
  await nextTurn();
  const tooLarge = '8 workers, of which there are 3 (--max-workers): resize it to at most 3';
  assert.deepEqual(small.started, ['c']);
  assert.deepEqual(small.waiting, [`a: ${tooLarge}`, `b: ${tooLarge}`, 'd: 2 workers: 2 of 3 are in use']);
  await small.resize('b', 3);
  assert.deepEqual(small.waiting, [`a: ${tooLarge}`, 'b: 3 workers: 2 of 3 are in use', 'd: b to start']);
});

test('where the end of a run cannot be recorded, whoever runs the coordinator is told', async (t) => {
  const journal = Journal.open(await temporaryDirectory(t));
  t.after(() => journal.close());
  const fatal: unknown[] = [];
  // What has ended cannot be completed: the journal refuses it.
  const execute: Execute = ({ id }) => {
    journal.transition(id, 'cancelled');
    return Promise.resolve();
  };
  const options = {
    maxWorkers: null,
    log: pino({ level: 'silent' }),
    onFatal: (e: unknown) => fatal.push(e),
  };
  const queue = new RunQueue(journal, execute, options);
  queue.add({ id: 'a', name: 'a', runYaml: '', outputDir: '/out', skipBadRows: false, workers: 1 });
  await queue.stop('the test is over');
  assert.match(String(fatal), /cannot go from cancelled to completed/);
});

const action = fc.record({
  what: fc.constantFrom('submit', 'submit', 'end', 'fail', 'cancel', 'resume', 'resize', 'shrink', 'restart'),
  which: fc.nat(9),
  workers: fc.integer({ min: 1, max: 5 }),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

async function act(c: TestQueue, { what, which, workers }: Action, number: number): Promise<void> {
  const runs = c.journal.runs();
  const { id } = runs[which % runs.length] ?? { id: '' };
  const [runningId] = [...c.running.keys()].slice(which % Math.max(1, c.running.size));
  if (what === 'submit' && workers <= 4) await c.submit(`run-${number}`, workers);
  else if (what === 'end' && runningId !== undefined) await c.end(runningId);
  else if (what === 'fail' && runningId !== undefined) await c.end(runningId, new RunError('it failed'));
  else if (what === 'shrink' && runningId !== undefined) await c.shrink(runningId);
  else if (id === '') return;
  else if (what === 'cancel') await c.cancel(id);
  else if (what === 'resume') await c.resume(id).catch(requireRefusal);
  else if (what === 'resize') await c.resize(id, workers).catch(requireRefusal);
}

function requireRefusal(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
}

/** What must hold after anything that has happened. */
function audit(c: TestQueue, max: number): void {
  const used = [...c.running].map(([id, { workers }]) => Math.max(workers, c.run(id).workers));
  const inUse = used.reduce((sum, workers) => sum + workers, 0);
  assert.ok(inUse <= max);
  assert.equal(c.queue.workersInUse, inUse);
  const [first, ...others] = c.journal.queuedRuns();
  if (first !== undefined) {
    assert.ok(inUse + first.workers > max, 'the first one does not wait without need');
    assert.match(
      first.waitsFor,
      new RegExp(`^${first.workers} workers?: ${inUse} of ${max} (is|are) in use$`),
    );
  }
  let ahead = first;
  for (const run of others) {
    assert.equal(run.waitsFor, `${ahead!.id} to start`);
    ahead = run;
  }
  for (const { id, state, waitsFor } of c.journal.runs()) {
    assert.equal(state === 'starting', c.running.has(id), `${id} is ${state}`);
    if (state !== 'queued') assert.equal(waitsFor, '');
  }
}

test('whatever is asked in whatever order: the quota holds, nobody waits without need, and each says for what', async (t) => {
  const max = 4;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const dir = await temporaryDirectory(t);
      let c = new TestQueue(dir, max);
      try {
        for (const [number, one] of actions.entries()) {
          const before = c.journal.queuedRuns().map(({ id }) => id);
          const startedBefore = c.started.length;
          if (one.what === 'restart') {
            await c.stop();
            c = new TestQueue(dir, max);
            c.journal.requeueInterruptedRuns();
            c.queue.wake();
            await nextTurn();
          } else {
            await act(c, one, number);
            const queued = before.filter((id) => c.started.slice(startedBefore).includes(id));
            const gone = new Set(before.filter((id) => c.run(id).state !== 'queued' && !queued.includes(id)));
            const front = before.filter((id) => !gone.has(id)).slice(0, queued.length);
            assert.deepEqual(queued, front, 'nobody is overtaken');
          }
          audit(c, max);
        }
      } finally {
        await c.stop();
      }
    }),
    { numRuns: 60 },
  );
});
