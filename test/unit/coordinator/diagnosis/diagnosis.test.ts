import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLASS_MISSING_STEPS } from '../../../../coordinator/diagnosis/class-missing.js';
import {
  Diagnosis,
  openConditions,
  type DiagnosisNotice,
} from '../../../../coordinator/diagnosis/diagnosis.js';
import { KL_ZERO_STEPS } from '../../../../coordinator/diagnosis/kl-zero.js';
import type { StageFacts, WorkerLoad } from '../../../../coordinator/diagnosis/observation.js';
import { STRAGGLER_STEPS } from '../../../../coordinator/diagnosis/straggler.js';
import type { MetricsRow } from '../../../../coordinator/runs/metrics-row.js';
import { recordedSteps } from '../../../screenshots/recording.js';

/** A generator of numbers in (−1, 1), the same in every run of the test. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 1073741824 - 1;
  };
}

const sound = {
  stage: 1,
  method: 'kto',
  epoch: 0,
  loss: 0.5,
  kl: 0.3,
  kl_unclamped: 0.3,
  'rewards/chosen': 0.5,
  'rewards/rejected': -0.5,
  'rewards/margins': 1,
  'logps/chosen': -20,
  'logps/rejected': -20,
  grad_norm: 1,
  learning_rate: 1e-5,
  num_tokens: 0,
  step_time_s: 1,
} as const satisfies Omit<MetricsRow, 'step'>;

/** The notices of a run of steps, each with its step. */
function watch(
  steps: number,
  rowOf: (step: number) => Partial<MetricsRow>,
  workersOf: (step: number) => readonly WorkerLoad[] = () => [],
) {
  const diagnosis = new Diagnosis(1, 'kto');
  const notices: (DiagnosisNotice & { readonly step: number })[] = [];
  for (let step = 1; step <= steps; step++) {
    const row = { ...sound, step, ...rowOf(step) };
    for (const notice of diagnosis.observe({ row, workers: workersOf(step) }))
      notices.push({ ...notice, step });
  }
  return {
    diagnosis,
    notices,
    told: notices.map(({ step, condition, warning }) => [step, condition, warning]),
  };
}

describe('no false alarm', () => {
  test('on the demo, both stages', () => {
    for (const stage of [1, 2]) {
      const diagnosis = new Diagnosis(stage, 'demo');
      const steps = recordedSteps(stage);
      assert.equal(steps.length, stage === 1 ? 450 : 48);
      for (const step of steps) assert.deepEqual(diagnosis.observe(step), [], `step ${step.row.step}`);
    }
  });

  test('on a sound noisy run', () => {
    const random = noise(7);
    const { told } = watch(2000, (step) => ({
      kl: Math.max(0, random()),
      'rewards/margins': 2 * (1 - Math.exp(-step / 300)) + random(),
      grad_norm: Math.exp(random()) * (step % 97 === 0 ? 30 : 1),
      'rewards/chosen': step % 5 === 0 ? null : 0.5,
    }));
    assert.deepEqual(told, []);
  });

  test('on a method without KL, rewards or classes', () => {
    const without = {
      kl: null,
      'rewards/chosen': null,
      'rewards/rejected': null,
      'rewards/margins': null,
      'logps/rejected': null,
    };
    assert.deepEqual(watch(500, () => without).told, []);
  });
});

describe('KL at 0', () => {
  test('is said once, and again after it had cleared', () => {
    const zero = (step: number) => step <= 150 || (step > 300 && step <= 500);
    const { told, notices } = watch(600, (step) => ({ kl: zero(step) ? 0 : 0.2 }));
    assert.deepEqual(told, [
      [KL_ZERO_STEPS, 'kl-zero', true],
      [160, 'kl-zero', false],
      [400, 'kl-zero', true],
      [510, 'kl-zero', false],
    ]);
    assert.match(notices[0]!.text, /^stage 1 \(kto\): KL has been 0 for 100 steps: .*lower learning_rate/);
    assert.match(notices[1]!.text, /^no longer so: /);
  });

  test('with rewards at 0 it is a policy that does not move', () => {
    const still = { kl: 0, 'rewards/chosen': 1e-7, 'rewards/rejected': -1e-7 };
    assert.match(watch(100, () => still).notices[0]!.text, /does not move.*target_modules/);
  });
});

test('a margin that falls is said, with both means, and cleared when it is back', () => {
  const random = noise(3);
  const level = (step: number) => (step <= 100 ? 2 : step <= 250 ? 1 : 2);
  const { told, notices } = watch(400, (step) => ({ 'rewards/margins': level(step) + 0.5 * random() }));
  assert.deepEqual(
    told.map(([, condition, warning]) => [condition, warning]),
    [
      ['margin-falling', true],
      ['margin-falling', false],
    ],
  );
  assert.ok(notices[0]!.step > 100 && notices[0]!.step <= 150, `said at step ${notices[0]!.step}`);
  assert.ok(notices[1]!.step > 250 && notices[1]!.step <= 300, `cleared at step ${notices[1]!.step}`);
});

test('a gradient norm that explodes is said at its third step, a spike is not', () => {
  const exploded = (step: number) => step === 70 || (step >= 100 && step < 120);
  const { told, notices } = watch(200, (step) => ({ grad_norm: exploded(step) ? 40 : 1 + (step % 3) / 10 }));
  assert.deepEqual(told, [
    [102, 'grad-norm-exploding', true],
    [124, 'grad-norm-exploding', false],
  ]);
  assert.match(notices[0]!.text, /grad_norm is 40\.0, and 1\.10 was usual/);
});

test('batches without a class are said after some in a row', () => {
  const { told } = watch(60, (step) =>
    step > 10 && step <= 40 ? { 'rewards/rejected': null, 'rewards/margins': null } : {},
  );
  assert.deepEqual(told, [
    [10 + CLASS_MISSING_STEPS, 'class-missing:undesirable', true],
    [41, 'class-missing:undesirable', false],
  ]);
});

describe('a straggler', () => {
  const load = (id: string, examples: number, perExampleMs: number) => ({
    id,
    examples,
    gradientMs: examples * perExampleMs,
  });

  test('takes longer for the same work: more examples are no reason', () => {
    const { told, notices } = watch(
      100,
      () => ({}),
      (step) => [
        load('worker-0', 32, 10),
        load('worker-1', 16, 10),
        load('worker-2', 16, step <= 40 ? 18 : 10),
      ],
    );
    assert.equal(STRAGGLER_STEPS, 20);
    assert.deepEqual(told, [
      [20, 'straggler:worker-2', true],
      [51, 'straggler:worker-2', false],
    ]);
    assert.match(notices[0]!.text, /worker-2 takes 1\.8 times as long/);
  });

  test('is none where nobody has to wait long for it, or nobody else is there', () => {
    const short = watch(
      60,
      () => ({}),
      () => [load('worker-0', 1, 10), load('worker-1', 1, 11), load('worker-2', 1, 100)],
    );
    const alone = watch(
      60,
      () => ({}),
      () => [load('worker-0', 16, 100)],
    );
    assert.deepEqual([short.told, alone.told], [[], []]);
  });

  test('is no longer one when it is gone', () => {
    const { told } = watch(
      30,
      () => ({}),
      (step) => [load('worker-0', 16, 10), ...(step <= 25 ? [load('worker-1', 16, 30)] : [])],
    );
    assert.deepEqual(told, [
      [20, 'straggler:worker-1', true],
      [26, 'straggler:worker-1', false],
    ]);
  });

  test('is not looked for where steps are over at once', () => {
    const quick = () => [load('worker-0', 4, 1), load('worker-1', 4, 3)];
    assert.deepEqual(watch(50, () => ({}), quick).told, []);
  });
});

describe('what a stage says of itself', () => {
  const facts: StageFacts = {
    objective: {
      method: 'kto',
      beta: 0.1,
      z0Denominator: 'all',
      humanline: null,
      scoreScale: null,
      desirableWeight: 1,
      undesirableWeight: 1,
    },
    maxLength: 512,
    maxPromptLength: 256,
    rows: 400,
    desirable: 220,
    undesirable: 180,
    promptsCut: 20,
    completionsCut: 20,
  };
  const begin = (changes: Partial<StageFacts>) => new Diagnosis(1, 'kto').begin({ ...facts, ...changes });

  test('nothing where all is well', () => assert.deepEqual(begin({}), []));

  test('weights out of the recommended interval, with better ones', () => {
    const [notice, ...others] = begin({ desirable: 100, undesirable: 300 });
    assert.deepEqual(others, []);
    assert.equal(notice?.condition, 'class-weights');
    assert.match(notice.text, /is 0\.33, and 1 to 1\.33 is recommended: set desirable_weight 3 and/);
  });

  test('the bounds of the interval belong to it, weights counted', () => {
    const objective = (desirableWeight: number, undesirableWeight: number) => ({
      ...facts.objective,
      desirableWeight,
      undesirableWeight,
    });
    const said = (desirable: number, undesirable: number, weights = objective(1, 1)) =>
      begin({ desirable, undesirable, objective: weights }).length;
    assert.deepEqual([said(40, 30), said(41, 30), said(30, 30), said(29, 30)], [0, 1, 0, 1]);
    assert.deepEqual([said(90, 30, objective(1, 2.5)), said(10, 30, objective(3, 1))], [0, 0]);
  });

  test('a class without rows, and a method without classes', () => {
    assert.deepEqual(
      begin({ desirable: 0 }).map(({ condition }) => condition),
      ['class-missing:desirable'],
    );
    assert.deepEqual(begin({ objective: { method: 'sft' }, desirable: 0, undesirable: 0 }), []);
  });

  test('what was cut, from one in twenty on', () => {
    const cut = begin({ completionsCut: 21, promptsCut: 100 });
    assert.deepEqual(
      cut.map(({ condition }) => condition),
      ['completions-cut', 'prompts-cut'],
    );
    assert.match(cut[0]!.text, /21 completions \(5 %\) lost their end to max_length 512/);
  });
});

test('a stage that ends takes its conditions with it; one that is resumed does not say them again', () => {
  const { diagnosis, notices } = watch(120, () => ({ kl: 0 }));
  const open = openConditions(notices);
  assert.deepEqual([...open.keys()], ['kl-zero']);
  const rows = Array.from({ length: 120 }, (_, i) => ({ ...sound, step: i + 1, kl: 0 }));
  const resumed = new Diagnosis(1, 'kto', { rows, open });
  assert.deepEqual(resumed.observe({ row: { ...sound, step: 121, kl: 0 }, workers: [] }), []);
  const ended = diagnosis.end();
  assert.deepEqual(
    ended.map(({ condition, warning }) => [condition, warning]),
    [['kl-zero', false]],
  );
  assert.deepEqual([...openConditions([...notices, ...ended])], []);
});
