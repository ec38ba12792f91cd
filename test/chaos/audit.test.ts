import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { auditJournal, type JournalRecord, type JournalStep, type StagePlan } from './audit.js';

/** Five rows in batches of three: two epochs of two steps, the second of each short. */
const plan: StagePlan = {
  stage: 1,
  stepsPerEpoch: 2,
  batches: [
    [0, 1, 2],
    [3, 4],
    [4, 2, 0],
    [1, 3],
  ],
};

function stepOf(step: number, generation: number, work: Readonly<Record<string, number[]>>): JournalStep {
  return {
    stage: 1,
    step,
    generation,
    metricsJson: '{}',
    work: Object.entries(work).map(([workerId, rows]) => ({ workerId, rows })),
  };
}

/** A worker was lost after step 2. */
const sound: JournalRecord = {
  memberships: [
    { generation: 1, workers: ['a', 'b'] },
    { generation: 2, workers: ['a'] },
  ],
  steps: [
    stepOf(1, 1, { a: [0, 2], b: [1] }),
    stepOf(2, 1, { a: [4], b: [3] }),
    stepOf(3, 2, { a: [0, 2, 4] }),
    stepOf(4, 2, { a: [3, 1] }),
  ],
};

function withStep(index: number, step: JournalStep): JournalRecord {
  return { ...sound, steps: sound.steps.with(index, step) };
}

const finds = (record: JournalRecord) => auditJournal(record, [plan]);

describe('the journal audit', () => {
  test('finds nothing in a sound journal, in whatever order a step was computed', () => {
    assert.deepEqual(finds(sound), []);
  });

  test('a row that nobody computed', () => {
    assert.deepEqual(finds(withStep(1, stepOf(2, 1, { a: [4], b: [] }))), [
      'stage 1, step 2: row 3 was used 0 times instead of 1',
      'stage 1, epoch 0: not used once: rows 3',
    ]);
  });

  test('a row that two workers computed', () => {
    assert.deepEqual(finds(withStep(0, stepOf(1, 1, { a: [0, 2], b: [1, 2] }))), [
      'stage 1, step 1: row 2 was used 2 times (by a, b) instead of 1',
      'stage 1, epoch 0: not used once: rows 2',
    ]);
  });

  test('a row of another batch, even where the epoch still comes out even', () => {
    const swapped = [stepOf(1, 1, { a: [0, 3], b: [1] }), stepOf(2, 1, { a: [4], b: [2] })];
    assert.deepEqual(finds({ ...sound, steps: [...swapped, ...sound.steps.slice(2)] }), [
      'stage 1, step 1: row 2 was used 0 times instead of 1',
      'stage 1, step 1: row 3 was used 1 times (by a) instead of 0',
      'stage 1, step 2: row 3 was used 0 times instead of 1',
      'stage 1, step 2: row 2 was used 1 times (by b) instead of 0',
    ]);
  });

  test('a step that is missing, at the end and in the middle', () => {
    assert.deepEqual(finds({ ...sound, steps: sound.steps.slice(0, 3) }), [
      'stage 1, step 4 was never committed',
      'stage 1, epoch 1: not used once: rows 1, 3',
    ]);
    assert.deepEqual(finds({ ...sound, steps: sound.steps.toSpliced(1, 1) }), [
      'stage 1, step 2 was never committed',
      'stage 1, epoch 0: not used once: rows 3, 4',
    ]);
  });

  test('a step that was committed twice, or not planned', () => {
    const twice = sound.steps.toSpliced(3, 0, sound.steps[2]!);
    assert.deepEqual(finds({ ...sound, steps: twice }), ['stage 1, step 3 was committed 2 times']);
    const more = [...sound.steps, stepOf(5, 2, { a: [0] })];
    assert.deepEqual(finds({ ...sound, steps: more }), ['stage 1, step 5 was committed and never planned']);
  });

  test('steps out of order', () => {
    const [first, second, ...rest] = sound.steps;
    assert.deepEqual(finds({ ...sound, steps: [second!, first!, ...rest] }), ['steps are out of order']);
  });

  test('a generation that goes back, was never formed or was formed twice, and a worker that is not of it', () => {
    assert.deepEqual(finds(withStep(3, stepOf(4, 1, { a: [1], b: [3] }))), [
      'stage 1, step 4 is of generation 1, after one of generation 2',
    ]);
    assert.deepEqual(finds(withStep(3, stepOf(4, 3, { a: [1, 3] }))), [
      'stage 1, step 4 is of generation 3, which was never formed',
    ]);
    assert.deepEqual(finds(withStep(3, stepOf(4, 2, { a: [1], b: [3] }))), [
      'stage 1, step 4: b is no member of generation 2',
    ]);
    const again = [...sound.memberships, { generation: 2, workers: ['a'] }];
    assert.deepEqual(finds({ ...sound, memberships: again }), ['generation 2 was formed 2 times']);
  });
});
