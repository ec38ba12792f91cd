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
const statesOf = (view: RunView) => view.workers.map(({ id, state, reason }) => [id, state, reason]);

describe('the view of a run', () => {
  test('an event that it has seen changes nothing', () => {
    const view = viewOf([stage, step(1)]);
    const before = structuredClone(view);
    applyEvent(view, { ...step(1), sequence: 2, timeMs: 0 });
    assert.deepEqual(view, before);
  });

  test('goes on the same from a copy as from the first event', () => {
    const events = [stage, step(1), membership(['w0', 'w1']), step(2), membership(['w0'], ['w1']), step(3)];
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

  test('does not grow with the run', () => {
    const events = Array.from({ length: 3000 }, (_, i) => [step(i + 1), { ...membership(['w0']), step: i }]);
    const view = viewOf([stage, ...events.flat()]);
    assert.equal(view.log.length, 200);
    assert.ok(view.stages[0]!.curve.steps.length <= 1024);
  });
});
