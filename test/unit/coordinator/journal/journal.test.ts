import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'libsql';
import { Journal } from '../../../../coordinator/journal/journal.js';
import { RunError } from '../../../../lib/errors.js';
import { v1 } from '../../../../proto/services.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';
import { version3 } from './version-3.js';

const newRun = {
  id: 'run-1',
  name: 'kto',
  runYaml: 'workers: 2\n',
  outputDir: '/out',
  skipBadRows: true,
  workers: 2,
};
const step = (number: number) => ({
  stage: 1,
  step: number,
  generation: 1,
  skipped: number % 3 === 0,
  work: [{ workerId: 'worker-0', rows: [number, number + 1] }],
  metricsJson: `{"step":${number}}`,
  workers: [],
  answers: new Map([
    [
      number,
      {
        completions: [{ logp: -number / 3 }],
        mismatched: number % 2 === 0 ? null : { logp: -number / 7, tokenLogps: [-0.5, -0.25] },
      },
    ],
  ]),
});

function runningJournal(dir: string): Journal {
  const journal = Journal.open(dir);
  journal.addRun(newRun);
  journal.transition('run-1', 'starting');
  journal.transition('run-1', 'running');
  return journal;
}

test('everything is there after closing and opening again', async (t) => {
  const dir = await temporaryDirectory(t);
  const before = runningJournal(dir);
  const members = [
    {
      workerId: 'worker-0',
      collectiveEndpoint: 'tcp://127.0.0.1:1',
      collectivePublicKey: '',
      fingerprint: { tensorflowVersion: '2.21.0', device: 'avx2', threads: 1 },
    },
  ];
  before.setTotalSteps('run-1', 9);
  before.addMembership('run-1', 1, members);
  before.addEvent('run-1', { notice: { text: 'hello', warning: true } });
  before.commitStep('run-1', step(1));
  before.commitStep('run-1', step(2));
  const run = before.findRun('run-1');
  before.close();

  const after = Journal.open(dir);
  t.after(() => after.close());
  assert.deepEqual(after.findRun('run-1'), run);
  assert.deepEqual(
    [run?.state, run?.committedSteps, run?.totalSteps, run?.skipBadRows],
    ['running', 2, 9, true],
  );
  assert.deepEqual(after.memberships('run-1'), [{ generation: 1, members }]);
  assert.deepEqual(
    after.committedSteps('run-1').map(({ metricsJson }) => metricsJson),
    ['{"step":1}', '{"step":2}'],
  );
  const answers = [...after.referenceAnswers('run-1', 1)].map(([example, { completions, mismatched }]) => [
    example,
    completions![0]!.logp,
    mismatched?.logp ?? null,
    mismatched?.tokenLogps ?? null,
  ]);
  assert.deepEqual(answers, [
    [1, -1 / 3, -1 / 7, [-0.5, -0.25]],
    [2, -2 / 3, null, null],
  ]);
  const events = after.eventsAfter('run-1', 0, 100);
  assert.deepEqual(
    events.map(({ sequence, event }) => `${sequence} ${event ?? ''}`),
    ['1 run', '2 run', '3 run', '4 notice', '5 stepCommitted', '6 stepCommitted'],
  );
  assert.equal(events[2]?.run?.state, v1.RunState.RUN_STATE_RUNNING);
  assert.deepEqual(
    after.eventsAfter('run-1', 2, 2).map(({ sequence }) => sequence),
    [3, 4],
  );
});

test('a step is committed once', async (t) => {
  const journal = runningJournal(await temporaryDirectory(t));
  t.after(() => journal.close());
  journal.commitStep('run-1', step(1));
  assert.throws(() => journal.commitStep('run-1', step(1)));
  assert.equal(journal.findRun('run-1')?.committedSteps, 1);
  assert.equal(journal.eventsAfter('run-1', 0, 100).length, 4);
});

test('a transition that the table does not allow changes nothing', async (t) => {
  const journal = Journal.open(await temporaryDirectory(t));
  t.after(() => journal.close());
  journal.addRun(newRun);
  assert.throws(() => journal.transition('run-1', 'completed'), /cannot go from queued to completed/);
  assert.equal(journal.findRun('run-1')?.state, 'queued');
  assert.equal(journal.eventsAfter('run-1', 0, 100).length, 1);
});

test('listeners hear of every change, until they leave', async (t) => {
  const journal = Journal.open(await temporaryDirectory(t));
  t.after(() => journal.close());
  let heard = 0;
  const leave = journal.subscribe('run-1', () => (heard += 1));
  journal.addRun(newRun);
  journal.addEvent('run-1', { notice: { text: 'x' } });
  leave();
  journal.addEvent('run-1', { notice: { text: 'y' } });
  assert.equal(heard, 2);
});

test('a run that was under way is queued again on the next start; what has ended stays so', async (t) => {
  const journal = runningJournal(await temporaryDirectory(t));
  t.after(() => journal.close());
  for (const id of ['run-2', 'run-3', 'run-4']) journal.addRun({ ...newRun, id });
  journal.transition('run-3', 'cancelled', { reason: 'unwanted', failureKind: null });
  journal.transition('run-4', 'starting');
  assert.deepEqual(
    journal.requeueInterruptedRuns().map(({ id, state }) => [id, state]),
    [
      ['run-1', 'queued'],
      ['run-4', 'queued'],
    ],
  );
  assert.deepEqual(
    journal.runs().map(({ id, state }) => [id, state]),
    [
      ['run-1', 'queued'],
      ['run-2', 'queued'],
      ['run-3', 'cancelled'],
      ['run-4', 'queued'],
    ],
  );
  assert.equal(journal.requeueInterruptedRuns().length, 0);
});

test('a run that goes on later finds where it was', async (t) => {
  const journal = runningJournal(await temporaryDirectory(t));
  t.after(() => journal.close());
  assert.deepEqual([journal.lastStep('run-1', 1), journal.lastGeneration('run-1')], [0, 0]);
  journal.beginStage('run-1', 1, 'hash-1');
  journal.beginStage('run-1', 2, 'hash-2');
  for (const number of [1, 2, 3, 4]) journal.commitStep('run-1', step(number));
  journal.addMembership('run-1', 7, []);
  journal.completeStage('run-1', 1);
  assert.deepEqual([journal.lastStep('run-1', 1), journal.lastStep('run-1', 2)], [4, 0]);
  assert.equal(journal.lastGeneration('run-1'), 7);
  assert.deepEqual(journal.stages('run-1'), [
    { stage: 1, dataHash: 'hash-1', completed: true },
    { stage: 2, dataHash: 'hash-2', completed: false },
  ]);
  // Step 3 was skipped.
  assert.deepEqual(
    [2, 3, 4].map((last) => journal.updatesThrough('run-1', 1, last)),
    [2, 2, 3],
  );
  assert.deepEqual(
    [journal.findRun('run-1')?.committedSteps, journal.findRun('run-1')?.skippedSteps],
    [4, 1],
  );
  const { skipped, work } = journal.findStep('run-1', 1, 3)!;
  assert.deepEqual([skipped, work], [true, [{ workerId: 'worker-0', rows: [3, 4] }]]);
  assert.equal(journal.findStep('run-1', 1, 5), undefined);
});

test('a resize and a checkpoint are told to those who watch', async (t) => {
  const journal = runningJournal(await temporaryDirectory(t));
  t.after(() => journal.close());
  assert.equal(journal.setWorkers('run-1', 5).workers, 5);
  const checkpoint = { stage: 1, step: 2, directory: '/out/c', bytes: 10, durationMs: 3 };
  journal.addCheckpoint('run-1', checkpoint);
  // After going back behind it, the step's checkpoint is written once more.
  journal.addCheckpoint('run-1', checkpoint);
  const [resized, written] = journal.eventsAfter('run-1', 3, 100);
  assert.equal(resized?.run?.workers, 5);
  assert.deepEqual(
    v1.CheckpointWritten.create(written?.checkpointWritten ?? {}),
    v1.CheckpointWritten.create(checkpoint),
  );
});

/** Columns of all tables, with their types. */
function columnsOf(dir: string): unknown[] {
  const database = new Database(join(dir, 'journal.sqlite'));
  try {
    return database
      .prepare(
        `SELECT tables.name AS "table", columns.name, columns.type, columns."notnull", columns.pk
           FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
           WHERE tables.type = 'table' ORDER BY tables.name, columns.name`,
      )
      .all();
  } finally {
    database.close();
  }
}

test('a journal of version 3 opens with its runs and steps, and goes on', async (t) => {
  const dir = await temporaryDirectory(t);
  const old = new Database(join(dir, 'journal.sqlite'));
  old.exec(version3);
  old.close();

  const journal = Journal.open(dir);
  const [first, second, third] = journal.runs();
  assert.deepEqual(second, {
    id: 'run-00000002',
    name: 'run-00000002',
    state: 'running',
    reason: '',
    failureKind: null,
    runYaml: 'method: sft',
    outputDir: '/out/2',
    skipBadRows: true,
    workers: 1,
    waitsFor: '',
    committedSteps: 2,
    skippedSteps: 1,
    totalSteps: 9,
    createdAtMs: 3000,
    updatedAtMs: 4000,
  });
  assert.deepEqual([first?.id, first?.state], ['run-00000001', 'completed']);
  assert.deepEqual([third?.id, third?.workers], ['run-00000004', 3]);
  assert.deepEqual(
    journal.committedSteps('run-00000002').map(({ step, skipped, work }) => [step, skipped, work[0]?.rows]),
    [
      [1, false, [0, 4]],
      [2, true, [1, 2]],
    ],
  );
  assert.deepEqual(journal.stages('run-00000002'), [{ stage: 1, dataHash: 'hash', completed: false }]);
  assert.equal(journal.lastGeneration('run-00000002'), 1);
  const [event] = journal.eventsAfter('run-00000002', 0, 10);
  assert.deepEqual([event?.sequence, event?.run?.id], [1, 'run-00000002']);

  // What was under way, then what was queued, then what is new.
  journal.requeueInterruptedRuns();
  journal.addRun(newRun);
  assert.deepEqual(
    journal.queuedRuns().map(({ id }) => id),
    ['run-00000002', 'run-00000004', 'run-1'],
  );
  journal.commitStep('run-1', step(1));
  journal.close();

  const fresh = await temporaryDirectory(t);
  Journal.open(fresh).close();
  assert.deepEqual(columnsOf(dir), columnsOf(fresh));
});

test('two coordinators cannot share a state directory', async (t) => {
  const dir = await temporaryDirectory(t);
  const first = Journal.open(dir);
  assert.throws(
    () => Journal.open(dir),
    (error) => error instanceof RunError && error.message.includes('in use by another coordinator'),
  );
  first.close();
  Journal.open(dir).close();
});

test('a journal of another version, or a file that is none, is refused by name', async (t) => {
  const newer = await temporaryDirectory(t);
  const database = new Database(join(newer, 'journal.sqlite'));
  database.exec('PRAGMA user_version = 99');
  database.close();
  const refused = (dir: string, text: string) =>
    assert.throws(
      () => Journal.open(dir),
      (error) => error instanceof RunError && error.message.includes(text) && error.message.includes(dir),
    );
  refused(newer, 'journal version 99');
  const other = await temporaryDirectory(t);
  await writeFile(join(other, 'journal.sqlite'), 'not a database, '.repeat(300));
  refused(other, 'is not a journal or is damaged');
});

test('after kill -9 in the middle, every step that was said to be committed is there', async (t) => {
  const dir = await temporaryDirectory(t);
  const child = fork(new URL('./journal-writer.js', import.meta.url), [dir], { execArgv: [] });
  t.after(() => child.kill('SIGKILL'));
  let said = 0;
  child.on('message', (committed) => {
    said = committed as number;
    if (said === 25) child.kill('SIGKILL');
  });
  await once(child, 'close');
  assert.ok(said >= 25);

  const journal = Journal.open(dir);
  t.after(() => journal.close());
  const steps = journal.committedSteps('run-1');
  assert.ok(steps.length >= said, `${steps.length} steps in the journal, ${said} said to be committed`);
  assert.deepEqual(
    steps.map((committed) => committed.step),
    steps.map((_, index) => index + 1),
  );
  assert.equal(journal.referenceAnswers('run-1', 1).size, steps.length);
  assert.equal(journal.findRun('run-1')?.committedSteps, steps.length);
  assert.equal(journal.eventsAfter('run-1', 0, 1_000_000).length, 3 + steps.length);
});

test('held-out rows as they were judged are there in order, and told of', async (t) => {
  const dir = await temporaryDirectory(t);
  const before = runningJournal(dir);
  const evaluation = (stage: number, at: number) => ({ stage, step: at, metricsJson: `{"step":${at}}` });
  const judged = [evaluation(1, 0), evaluation(1, 10), evaluation(2, 0)];
  for (const one of judged) before.addEvaluation('run-1', { ...one, durationMs: 250 });
  assert.throws(() => before.addEvaluation('run-1', { ...judged[1]!, durationMs: 1 }), /UNIQUE/);
  before.close();
  const after = Journal.open(dir);
  t.after(() => after.close());
  assert.deepEqual(after.evaluations('run-1'), judged);
  assert.deepEqual(after.evaluations('run-2'), []);
  const told = [...after.events('run-1')].flatMap(({ evaluated }) => (evaluated ? [evaluated] : []));
  assert.deepEqual(
    told.map((one) => v1.Evaluated.toObject(v1.Evaluated.create(one), { defaults: true })),
    judged.map((one) => ({ ...one, durationMs: 250 })),
  );
});

test('all events of a run come in order, however many there are', async (t) => {
  const journal = runningJournal(await temporaryDirectory(t));
  t.after(() => journal.close());
  const before = [...journal.events('run-1')].length;
  for (let index = 0; index < 600; index++) journal.addEvent('run-1', { notice: { text: `${index}` } });
  const texts = [...journal.events('run-1')].slice(before).map(({ notice }) => notice?.text);
  assert.deepEqual(
    texts,
    Array.from({ length: 600 }, (_, index) => `${index}`),
  );
});
