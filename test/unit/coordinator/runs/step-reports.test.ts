import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExpectedReports } from '../../../../coordinator/runs/batch-reports.js';
import { combineReports } from '../../../../coordinator/runs/step-reports.js';
import { RunError } from '../../../../lib/errors.js';
import type { v1 } from '../../../../proto/services.js';

type Report = v1.StepReport.$Properties;

const expected: ExpectedReports = {
  what: 'step 5',
  stage: 1,
  step: 5,
  generation: 1,
  workerIds: ['worker-0', 'worker-1'],
  positions: [[2, 0], [1]],
  examples: [
    { row: 10, completions: [4], mismatched: 3 },
    { row: 11, completions: [2], mismatched: null },
    { row: 12, completions: [5], mismatched: 1 },
  ],
  rewards: true,
  z0: true,
  answers: true,
  byToken: false,
};

const reportOf = (positions: number[], changes: Partial<Report> = {}): Report => ({
  stage: 1,
  step: 5,
  generation: 1,
  examples: positions.map((position) => ({
    position,
    loss: position,
    logps: [-position],
    rewards: [position / 2],
    reference: {
      completions: [{ logp: -1 - position }],
      mismatched: position === 1 ? null : { logp: -100 - position },
    },
  })),
  z0: 0.25,
  klUnclamped: 0.25,
  gradNorm: 1.5,
  learningRate: 0.001,
  ...changes,
});

const combine = (first: Report, second: Report, changes: Partial<ExpectedReports> = {}) =>
  combineReports([first, second], { ...expected, ...changes });

const throwsRunError = (body: () => unknown, message: RegExp) =>
  assert.throws(body, (error) => error instanceof RunError && message.test(error.message));

test('examples are put at their positions, with the reference’s answers', () => {
  const result = combine(reportOf([2, 0]), reportOf([1]));
  assert.deepEqual(
    result.examples.map(({ loss }) => loss),
    [0, 1, 2],
  );
  assert.deepEqual(
    result.examples.map(({ answer }) => answer),
    [
      { completions: [{ logp: -1 }], mismatched: { logp: -100 } },
      { completions: [{ logp: -2 }], mismatched: null },
      { completions: [{ logp: -3 }], mismatched: { logp: -102 } },
    ],
  );
  const { z0, klUnclamped, gradNorm, learningRate } = combine(
    reportOf([2, 0], { z0: 0, klUnclamped: -0.25 }),
    reportOf([1], { z0: 0, klUnclamped: -0.25 }),
  );
  assert.deepEqual([z0, klUnclamped, gradNorm, learningRate], [0, -0.25, 1.5, 0.001]);
});

test('a method without reference has no z0, rewards and answers', () => {
  const none = { z0: null, klUnclamped: null };
  const result = combine(reportOf([2, 0], none), reportOf([1], none), {
    rewards: false,
    z0: false,
    answers: false,
  });
  assert.deepEqual([result.z0, result.klUnclamped], [null, null]);
  assert.deepEqual(result.examples[0], { loss: 0, logps: [-0], rewards: null, answer: null });
});

test('workers that disagree by one bit are named, with both values', () => {
  const near = 1.5 + 2 ** -52;
  throwsRunError(
    () => combine(reportOf([2, 0]), reportOf([1], { gradNorm: near })),
    /worker-0 and worker-1 disagree on the grad_norm of step 5: 1\.5 and 1\.5000000000000002/,
  );
  throwsRunError(
    () => combine(reportOf([2, 0]), reportOf([1], { z0: null })),
    /z0 of step 5: 0\.25 and none/,
  );
  throwsRunError(() => combine(reportOf([2, 0]), reportOf([1], { klUnclamped: -1 })), /kl_unclamped/);
  throwsRunError(() => combine(reportOf([2, 0]), reportOf([1], { learningRate: 0 })), /learning_rate/);
});

test('a report of other work, or one that is not complete, is refused', () => {
  throwsRunError(() => combine(reportOf([2, 0], { step: 4 }), reportOf([1])), /worker-0's report.*step 4/);
  throwsRunError(() => combine(reportOf([2, 0]), reportOf([1], { stage: 2 })), /worker-1's report.*stage 2/);
  throwsRunError(() => combine(reportOf([2]), reportOf([1])), /1 examples instead of 2/);
  throwsRunError(() => combine(reportOf([0, 2]), reportOf([1])), /example 0 where example 2 was due/);
});

test('a number that is missing is refused', () => {
  const spoiled = (change: Partial<v1.ExampleReport.$Properties>) => {
    const report = reportOf([2, 0]);
    Object.assign(report.examples![1]!, change);
    return () => combine(report, reportOf([1]));
  };
  throwsRunError(spoiled({ rewards: [] }), /0 rewards for 1 completions/);
  throwsRunError(spoiled({ reference: { completions: [{ logp: -1 }] } }), /reference's logp is missing/);
});

test('where a number is not finite, it is said what and in which rows', () => {
  assert.equal(combine(reportOf([2, 0]), reportOf([1])).nonFinite, null);
  const nan = reportOf([2, 0]);
  nan.examples![0]!.loss = NaN;
  assert.deepEqual(combine(nan, reportOf([1])).nonFinite, { what: 'the loss', rows: [12] });
  const infinite = reportOf([1]);
  infinite.examples![0]!.logps = [-Infinity];
  assert.deepEqual(combine(nan, infinite).nonFinite, { what: 'the loss', rows: [11, 12] });
  const norms = combine(reportOf([2, 0], { gradNorm: NaN }), reportOf([1], { gradNorm: NaN }));
  assert.deepEqual(norms.nonFinite, { what: 'the grad_norm', rows: [] });
});

test('a parameter that the workers name comes before what the numbers show, and all their rows count', () => {
  const parameter = 'lm_head.weight';
  const result = combine(
    reportOf([2, 0], { gradNorm: NaN, nonFinite: { parameter, rows: [12] } }),
    reportOf([1], { gradNorm: NaN, nonFinite: { parameter, rows: [11] } }),
  );
  assert.deepEqual(result.nonFinite, { what: 'the gradient of lm_head.weight', rows: [11, 12] });
});
