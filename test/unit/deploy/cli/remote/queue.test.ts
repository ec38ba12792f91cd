import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listedRuns, printQueue } from '../../../../../deploy/cli/remote/queue.js';
import { v1 } from '../../../../../proto/services.js';
import { captureOutput } from '../../../../support/captured-output.js';

const { RunState } = v1;
const nowMs = Date.UTC(2026, 10, 28);
const minutes = 60_000;

const run = (id: string, state: v1.RunState, more: v1.Run.$Properties = {}) =>
  v1.Run.create({ id, state, name: 'kto', workers: 2, createdAtMs: nowMs - 5 * minutes, ...more });

function print(runs: readonly v1.Run[], columns?: number) {
  const out = captureOutput(columns === undefined ? {} : { interactive: true, columns });
  const err = captureOutput();
  printQueue(listedRuns(runs, { all: false }), runs.length, nowMs, { out, err });
  return { out: out.lines(), err: err.lines() };
}

const runs = [
  run('run-1', RunState.RUN_STATE_RUNNING, { committedSteps: 12, totalSteps: 64 }),
  run('run-2', RunState.RUN_STATE_QUEUED, { waitsFor: 'run-1 to end' }),
  run('run-3', RunState.RUN_STATE_FAILED, { reason: 'bad rows:\na.jsonl:1: no label' }),
];

test('runs are a table: what they wait for, and why they failed', () => {
  const [header, , ...rows] = print(runs).out;
  assert.deepEqual(
    [header, ...rows],
    [
      'id     name  state    steps  workers    age',
      'run-1  kto   running  12/64        2  5 min',
      'run-2  kto   queued                2  5 min  waits for run-1 to end',
      'run-3  kto   failed                2  5 min  bad rows: a.jsonl:1: no label',
    ],
  );
});

test('a line ends where the window does', () => {
  const { out } = print(runs, 50);
  assert.ok(out.every((line) => line.length <= 50));
  assert.match(out.at(-1)!, /…$/);
});

test('of those that have ended, the last five are listed, in order, and the others are counted', () => {
  const ended = Array.from({ length: 8 }, (_, i) => run(`run-e${i}`, RunState.RUN_STATE_COMPLETED));
  const [running, queued] = runs;
  const all = [...ended.slice(0, 4), running!, ...ended.slice(4), queued!];
  const ids = listedRuns(all, { all: false }).map(({ id }) => id);
  assert.deepEqual(ids, ['run-e3', 'run-1', 'run-e4', 'run-e5', 'run-e6', 'run-e7', 'run-2']);
  assert.equal(listedRuns(all, { all: true }).length, all.length);
  assert.deepEqual(print(all).err, ['3 more have ended: --all lists them']);
});

test('no runs at all are no table', () => {
  const { out, err } = print([]);
  assert.deepEqual(out, ['']);
  assert.match(err[0]!, /^no runs yet: prospect submit/);
});
