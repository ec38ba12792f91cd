import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createStyle } from '../../../../../deploy/cli/output/style.js';
import type { Output } from '../../../../../deploy/cli/output/terminal.js';
import { createProgressDisplay } from '../../../../../deploy/cli/progress/display.js';
import { beginStage, commitStep } from '../../../../../deploy/cli/progress/state.js';

function record(interactive: boolean): { output: Output; written: () => string } {
  let text = '';
  const write = (more: string) => void (text += more);
  const output = {
    style: createStyle(false),
    write,
    line: (line: string) => write(`${line}\n`),
    interactive,
    ready: () => Promise.resolve(true),
    columns: () => 60,
  };
  return { output, written: () => text };
}

/** Steps of 500 ms; the display sees each one. */
function play(output: Output, steps: number): void {
  const display = createProgressDisplay(output);
  let progress = beginStage(
    { stage: 1, stageCount: 1, method: 'sft', totalSteps: steps, committedSteps: 0 },
    0,
  );
  display.update(progress, 0);
  for (let step = 1; step <= steps; step++) {
    const metrics = { step, loss: 1, kl: null, 'rewards/margins': null, num_tokens: step * 10 };
    progress = commitStep(progress, metrics, step * 500);
    display.update(progress, step * 500);
  }
  display.end();
}

test('a log gets the first step, the last one, and one every two seconds', () => {
  const { output, written } = record(false);
  play(output, 10);
  const steps = [...written().matchAll(/step (\d+)\/10/g)].map((match) => Number(match[1]));
  assert.deepEqual(steps, [1, 5, 9, 10]);
  assert.equal(stripVTControlCharacters(written()), written());
  assert.ok(!written().includes('\r'));
});

test('a terminal gets one line, redrawn as often as one can see and left behind at the end', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  const { output, written } = record(true);
  const drawn = () =>
    written()
      .split('\n')
      .map((line) => line.split('\r\u001b[2K').slice(1));
  const display = createProgressDisplay(output);
  const stage = { stage: 1, stageCount: 1, method: 'sft', totalSteps: 100, committedSteps: 0 };
  const metrics = { loss: 1, kl: null, 'rewards/margins': null, num_tokens: 10 };
  const commit = (step: number) =>
    display.update(commitStep(beginStage(stage, 0), { ...metrics, step }, step), step);
  commit(1);
  for (let step = 2; step <= 50; step++) commit(step);
  assert.equal(drawn()[0]!.length, 1, 'all at once');
  t.mock.timers.tick(1_000);
  assert.match(drawn()[0]!.at(-1)!, / 50\/100 /);
  assert.equal(drawn()[0]!.length, 2);
  commit(51);
  commit(100);
  assert.match(drawn()[0]!.at(-1)!, / 100\/100 /);
  assert.deepEqual(drawn()[1], []);
  const end = written();
  display.end();
  t.mock.timers.tick(1_000);
  assert.equal(written(), end);
});

test('a notice goes above the progress line, which is drawn again below it', () => {
  const { output, written } = record(true);
  const display = createProgressDisplay(output);
  display.update(
    beginStage({ stage: 1, stageCount: 1, method: 'sft', totalSteps: 3, committedSteps: 0 }, 0),
    0,
  );
  display.line('3 rows were cut');
  display.end();
  const screen = written()
    .split('\n')
    .map((line) => line.split('\r\u001b[2K').at(-1)!);
  assert.equal(screen[0], '3 rows were cut');
  assert.match(screen[1]!, /^sft .* 0\/3 {2}waiting/);
});
