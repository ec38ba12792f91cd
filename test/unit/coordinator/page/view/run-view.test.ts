import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunEvent, RunSummary } from '../../../../../coordinator/page/view/events.js';
import { applyEvent, beginView, type RunView } from '../../../../../coordinator/page/view/run-view.js';

const run: RunSummary = {
  id: 'run-1',
  name: 'one',
  state: 'running',
  reason: '',
  outputDir: '/runs/one',
  committedSteps: 0,
  totalSteps: 10,
  createdAtMs: 0,
  updatedAtMs: 0,
};

type Untimed = RunEvent extends infer Event
  ? Event extends RunEvent
    ? Omit<Event, 'sequence' | 'timeMs'>
    : never
  : never;

function viewOf(events: readonly Untimed[]): RunView {
  const view = beginView(run);
  events.forEach((event, i) => applyEvent(view, { ...event, sequence: i + 1, timeMs: 1000 * (i + 1) }));
  return view;
}

const stage: Untimed = { kind: 'stage', stage: 1, stageCount: 1, method: 'kto', totalSteps: 10 };
const step = (number: number, workers: Extract<Untimed, { kind: 'step' }>['workers'] = []): Untimed => ({
  kind: 'step',
  stage: 1,
  row: { step: number, loss: number, num_tokens: 50 * number, step_time_s: 0.5 },
  workers,
});
const membership = (workers: readonly string[], lost: readonly string[] = []): Untimed => ({
  kind: 'membership',
  generation: 1,
  workers,
  joined: [],
  lost: lost.map((id) => ({ id, reason: 'gone' })),
  stage: 1,
  step: 1,
});
const evaluation = (number: number, loss = 1 / (number + 1), ofStage = 1): Untimed => ({
  kind: 'evaluation',
  stage: ofStage,
  step: number,
  row: { step: number, eval_loss: loss, eval_kl: 0.5, 'eval_rewards/accuracies': null },
});
const samples = (number: number, omitted = 0): Untimed => ({
  kind: 'samples',
  stage: 1,
  step: number,
  completions: [{ prompt: 'p', completion: `c${number}`, cut: false }],
  omitted,
});
const statesOf = (view: RunView) => view.workers.map(({ id, state, reason }) => [id, state, reason]);

describe('the view of a run', () => {
  test('an event that it has seen changes nothing', () => {
    const view = viewOf([stage, step(1)]);
    const before = structuredClone(view);
    applyEvent(view, { ...step(1), sequence: 2, timeMs: 0 });
    assert.deepEqual(view, before);
  });

  test('goes on the same from a copy as from the first event', () => {
    const events = [
      ...[stage, evaluation(0), samples(0), step(1), membership(['w0', 'w1']), step(2), evaluation(2)],
      ...[samples(2), membership(['w0'], ['w1']), step(3), evaluation(3), samples(3)],
    ];
    const copy = JSON.parse(JSON.stringify(viewOf(events.slice(0, 3)))) as RunView;
    events.forEach((event, i) => applyEvent(copy, { ...event, sequence: i + 1, timeMs: 1000 * (i + 1) }));
    assert.deepEqual(copy, viewOf(events));
  });

  test('a stage that is resumed keeps its curve; a step that is computed again is not drawn twice', () => {
    const view = viewOf([stage, step(1), step(2), stage, step(2), step(3)]);
    assert.equal(view.stages.length, 1);
    assert.deepEqual(view.stages[0]?.curve.steps, [1, 2, 3]);
    assert.deepEqual(view.stages[0].curve.columns.tokens_per_s.mean, [100, 100, 100]);
    assert.equal(view.run.committedSteps, 3);
    assert.match(view.log.at(-1)!.text, /^Goes on with stage 1 of 1, kto/);
  });

  test('follows workers that are lost and come back, until the run ends', () => {
    const events = [stage, membership(['w0', 'w1']), membership(['w0'], ['w1'])];
    assert.deepEqual(statesOf(viewOf(events)), [
      ['w0', 'training', ''],
      ['w1', 'lost', 'gone'],
    ]);
    const back = [...events, membership(['w0', 'w1'])];
    assert.deepEqual(statesOf(viewOf(back)), [
      ['w0', 'training', ''],
      ['w1', 'training', ''],
    ]);
    const ended = viewOf([...back, { kind: 'run', run: { ...run, state: 'completed' } }]);
    assert.deepEqual(
      ended.workers.map(({ state }) => state),
      ['ended', 'ended'],
    );
  });

  test('lists workers by number', () => {
    const view = viewOf([membership(['worker-10', 'worker-9', 'worker-1'])]);
    assert.deepEqual(
      view.workers.map(({ id }) => id),
      ['worker-1', 'worker-9', 'worker-10'],
    );
  });

  test('a condition holds until the notice that ends it', () => {
    const notice = (warning: boolean): Untimed => ({
      kind: 'notice',
      condition: 'kl-zero',
      text: 'KL is 0',
      warning,
    });
    assert.deepEqual(
      viewOf([notice(true), notice(true)]).conditions.map(({ key }) => key),
      ['kl-zero'],
    );
    assert.deepEqual(viewOf([notice(true), notice(false)]).conditions, []);
  });

  test('held-out rows and samples are those of their stage, from its start on; none comes twice', () => {
    const second: Untimed = { ...stage, stage: 2, stageCount: 2 };
    const view = viewOf([
      ...[stage, evaluation(0), samples(0), step(1), evaluation(1), samples(1), stage, evaluation(1, 7)],
      ...[samples(1), second, evaluation(0, 9, 2), evaluation(1, 1, 3)],
    ]);
    const [one, two] = view.stages;
    assert.deepEqual(one!.evaluations.steps, [0, 1]);
    assert.deepEqual(one!.evaluations.columns.eval_loss.mean, [1, 0.5]);
    assert.deepEqual(one!.evaluations.columns['eval_rewards/accuracies'].mean, [null, null]);
    assert.deepEqual(
      one!.samples.kept.map(({ step, completions }) => [step, completions[0]!.completion]),
      [
        [0, 'c0'],
        [1, 'c1'],
      ],
    );
    assert.deepEqual(two!.evaluations.columns.eval_loss.mean, [9]);
    assert.deepEqual(two!.samples.kept, []);
  });

  test('tells of held-out rows and samples in its log', () => {
    const row = {
      eval_loss: 0.48,
      eval_kl: 0.02,
      'eval_accuracy/chosen': 0.714,
      'eval_accuracy/rejected': 0.64,
    };
    const pairs = { eval_loss: 0.48, eval_kl: null, 'eval_rewards/accuracies': 0.75 };
    const view = viewOf([
      stage,
      { kind: 'evaluation', stage: 1, step: 0, row },
      samples(50, 3),
      { kind: 'evaluation', stage: 1, step: 50, row: pairs },
      { kind: 'evaluation', stage: 1, step: 60, row: { eval_loss: 1.5, 'eval_accuracy/rejected': 0 } },
    ]);
    assert.deepEqual(
      view.log.slice(1).map(({ kind, text }) => [kind, text]),
      [
        [
          'evaluation',
          'Held-out rows before the first step: loss 0.480, kl 0.0200, right side 71 % up / 64 % down',
        ],
        ['samples', 'Sampled 4 completions after step 50'],
        ['evaluation', 'Held-out rows after step 50: loss 0.480, 75 % of the pairs the right way round'],
        ['evaluation', 'Held-out rows after step 60: loss 1.50, right side 0 % down'],
      ],
    );
  });

  test('does not grow with the run', () => {
    const events = Array.from({ length: 3000 }, (_, i) => [
      ...[step(i + 1), { ...membership(['w0']), step: i }, evaluation(i + 1), samples(i + 1)],
    ]);
    const view = viewOf([stage, ...events.flat()]);
    assert.equal(view.log.length, 200);
    assert.ok(view.stages[0]!.curve.steps.length <= 1024);
    assert.ok(view.stages[0]!.evaluations.steps.length <= 1024);
    assert.ok(view.stages[0]!.samples.kept.length <= 16);
  });

  test('what happens seldom stays in the log though much is routine', () => {
    const routine = Array.from({ length: 1000 }, (_, i) => [evaluation(i + 1), samples(i + 1)]);
    const view = viewOf([stage, membership(['w0', 'w1']), membership(['w0'], ['w1']), ...routine.flat()]);
    assert.equal(view.log.length, 200);
    assert.deepEqual(
      view.log.slice(0, 3).map(({ kind }) => kind),
      ['stage', 'joined', 'lost'],
    );
    assert.match(view.log.at(-1)!.text, /^Sampled a completion after step 1000/);
    const sequences = view.log.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      sequences.toSorted((a, b) => a - b),
    );
  });
});
