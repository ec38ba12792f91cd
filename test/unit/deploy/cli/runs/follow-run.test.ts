import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interrupted } from '../../../../../deploy/cli/exit.js';
import { createProgressDisplay } from '../../../../../deploy/cli/progress/display.js';
import { RunFollower } from '../../../../../deploy/cli/runs/follow-run.js';
import { requireSuccess } from '../../../../../deploy/cli/runs/outcome.js';
import { tellAll } from '../../../../../deploy/cli/runs/story.js';
import { ConfigError, RunError } from '../../../../../lib/errors.js';
import { v1 } from '../../../../../proto/services.js';
import { captureOutput } from '../../../../support/captured-output.js';

const { RunState, FailureKind } = v1;

/** As a coordinator sends them: one a second, through the wire format. */
function* eventsOf(events: readonly v1.WatchRunResponse.$Properties[]): Generator<v1.WatchRunResponse> {
  for (const [index, event] of events.entries()) {
    const sent = { sequence: index + 1, timeMs: index * 1_000, ...event };
    yield v1.WatchRunResponse.decode(v1.WatchRunResponse.encode(sent).finish());
  }
}

/** The lines that are shown of a run, and how it ended. */
async function follow(
  events: readonly v1.WatchRunResponse.$Properties[],
  options: ConstructorParameters<typeof RunFollower>[1] = {},
): Promise<{ readonly lines: readonly string[]; readonly end: v1.Run.$Properties }> {
  const output = captureOutput();
  const follower = new RunFollower(createProgressDisplay(output), options);
  const end = await follower.follow(asynchronous(eventsOf(events)));
  return { lines: output.lines(), end };
}

async function* asynchronous<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* await Promise.resolve(values);
}

const stageStarted = { stage: 1, stageCount: 1, method: 'kto', totalSteps: 2 };
const step = (number: number) => ({
  stepCommitted: {
    stage: 1,
    metricsJson: JSON.stringify({
      step: number,
      loss: 0.5,
      kl: 0.25,
      'rewards/margins': 1,
      num_tokens: number * 100,
    }),
  },
});
const ended = (state: v1.RunState, more: v1.Run.$Properties = {}) => ({ run: { id: 'r1', state, ...more } });

test('a run that completes is shown from its notices to its last step', async () => {
  const { lines, end } = await follow([
    { run: { id: 'r1', state: RunState.RUN_STATE_QUEUED } },
    { notice: { text: '16 rows' } },
    { notice: { text: '2 completions were cut', warning: true } },
    { stageStarted },
    step(1),
    step(2),
    ended(RunState.RUN_STATE_COMPLETED),
  ]);
  assert.deepEqual(lines, [
    '16 rows',
    'warning: 2 completions were cut',
    'kto  step 1/2  loss 0.5000  kl 0.2500  margin 1.000  100 tokens/s  ETA 0:01',
    'kto  step 2/2  loss 0.5000  kl 0.2500  margin 1.000  100 tokens/s  ETA 0:00',
  ]);
  assert.equal(end.state, RunState.RUN_STATE_COMPLETED);
});

test('a run that failed ends in its reason, and what kind decides the exit code; one that was cancelled is an interruption', async () => {
  const outcomeOf = async (state: v1.RunState, more: v1.Run.$Properties = {}) =>
    requireSuccess((await follow([{ stageStarted }, ended(state, more)])).end);
  const { FAILURE_KIND_CONFIG, FAILURE_KIND_RUNTIME } = FailureKind;
  await outcomeOf(RunState.RUN_STATE_COMPLETED);
  await assert.rejects(
    outcomeOf(RunState.RUN_STATE_FAILED, { reason: 'w0 died', failureKind: FAILURE_KIND_RUNTIME }),
    new RunError('w0 died'),
  );
  await assert.rejects(
    outcomeOf(RunState.RUN_STATE_FAILED, { reason: 'bad model', failureKind: FAILURE_KIND_CONFIG }),
    new ConfigError('bad model'),
  );
  await assert.rejects(outcomeOf(RunState.RUN_STATE_CANCELLED, { reason: 'by request' }), Interrupted);
});

test('a stream that ends before the run, or a step without its stage, is an error', async () => {
  await assert.rejects(follow([{ stageStarted }, step(1)]), /before the run had ended/);
  await assert.rejects(follow([step(1)]), /a step before its stage/);
});

test('lost and new workers, checkpoints and a run that waits are told in a line each', async () => {
  const { lines } = await follow([
    {
      membershipChanged: {
        generation: 1,
        workers: ['a', 'b'],
        joined: [{ workerId: 'a' }, { workerId: 'b' }],
      },
    },
    { stageStarted },
    step(1),
    {
      membershipChanged: {
        generation: 2,
        workers: ['a'],
        lost: [{ workerId: 'b', reason: 'was killed by SIGKILL' }],
        stage: 1,
        step: 1,
      },
    },
    { checkpointWritten: { stage: 1, step: 1, bytes: 12_345_678, durationMs: 1_500 } },
    {
      membershipChanged: {
        generation: 3,
        workers: ['a', 'c'],
        joined: [{ workerId: 'c' }],
        stage: 1,
        step: 1,
      },
    },
    { run: { id: 'r1', state: RunState.RUN_STATE_RECOVERING } },
    step(2),
    ended(RunState.RUN_STATE_COMPLETED),
  ]);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('kto')),
    [
      'warning: lost b (was killed by SIGKILL): 1 worker goes on after step 1',
      'checkpoint of step 1 (11.8 MiB, 0:02)',
      'c joined: 2 workers go on after step 1',
      'warning: too few workers: waiting for more',
    ],
  );
});

test('what an earlier attempt told is not shown again, nor taken for the end', async () => {
  const { lines } = await follow(
    [
      { notice: { text: 'of old' } },
      ended(RunState.RUN_STATE_CANCELLED),
      { notice: { text: 'new' } },
      ended(RunState.RUN_STATE_COMPLETED),
    ],
    { sinceMs: 2_000 },
  );
  assert.deepEqual(lines, ['new']);
});

test('the whole story has a line for each change of the run, whatever its texts hold', async () => {
  const run = (state: v1.RunState, more: v1.Run.$Properties = {}) => ({
    run: { id: 'r1', state, workers: 1, ...more },
  });
  const { lines } = await follow(
    [
      run(RunState.RUN_STATE_QUEUED, { waitsFor: 'run-00000001 to end' }),
      run(RunState.RUN_STATE_STARTING),
      run(RunState.RUN_STATE_RUNNING),
      run(RunState.RUN_STATE_RUNNING, { workers: 2 }),
      { stageStarted },
      step(1),
      { notice: { text: 'a row says "\u001b[31mred\r\nand more"', warning: true } },
      { evaluated: { stage: 1, step: 1, metricsJson: '{"eval_loss":0.5}' } },
      {
        completionsSampled: {
          stage: 1,
          step: 1,
          completions: [
            { prompt: 'one', completion: 'two\nlines' },
            { prompt: 'three', completion: 'four', cut: true },
          ],
        },
      },
      run(RunState.RUN_STATE_CANCELLED, { reason: 'cancelled by request' }),
      run(RunState.RUN_STATE_QUEUED),
      run(RunState.RUN_STATE_STARTING),
      { stageStarted: { ...stageStarted, committedSteps: 1 } },
      run(RunState.RUN_STATE_FAILED, { reason: 'rows.jsonl:1: no label\nrows.jsonl:2: no label' }),
    ],
    { tell: tellAll },
  );
  assert.deepEqual(lines, [
    'queued: waits for run-00000001 to end',
    'starting',
    'running',
    'workers that it should have: 2 instead of 1',
    'kto: 2 steps',
    'kto  step 1/2  loss 0.5000  kl 0.2500  margin 1.000  100 tokens/s  ETA 0:01',
    'warning: a row says "[31mred; and more"',
    'held-out rows after step 1: loss 0.500',
    'samples after step 1: one > two lines; three > four …',
    'cancelled by request',
    'queued again',
    'starting',
    'kto: goes on after step 1 of 2',
    'failed: rows.jsonl:1: no label; rows.jsonl:2: no label',
  ]);
});

test('held-out rows are told in a line, samples in a block that the terminal holds and that is only text', async () => {
  const row = {
    step: 2,
    eval_loss: 0.48,
    eval_kl: 0.02,
    'eval_accuracy/chosen': 0.71,
    'eval_accuracy/rejected': 0.64,
  };
  const long = 'word '.repeat(100);
  const { lines } = await follow([
    { stageStarted },
    { evaluated: { stage: 1, step: 0, metricsJson: '{"eval_loss":1,"eval_kl":null}' } },
    step(1),
    step(2),
    { evaluated: { stage: 1, step: 2, metricsJson: JSON.stringify(row) } },
    {
      completionsSampled: {
        stage: 1,
        step: 2,
        completions: [
          { prompt: `${long}the end`, completion: `It is\n${long}` },
          { prompt: '你好', completion: '\u001b[31mred\u001b[0m\u202e\r\u0007', cut: true },
          { prompt: 'p', completion: '' },
        ],
      },
    },
    ended(RunState.RUN_STATE_COMPLETED),
  ]);
  const told = lines.flatMap((line) => line.split('\n')).filter((line) => !line.startsWith('kto'));
  assert.deepEqual(told.slice(0, 3), [
    'held-out rows before the first step: loss 1.00',
    'held-out rows after step 2: loss 0.480, kl 0.0200, right side 71 % up / 64 % down',
    'samples after step 2:',
  ]);
  assert.match(told[3]!, /^ {2}….*word the end$/);
  assert.match(told[4]!, /^ {2}> It is word.*…$/);
  assert.ok(told.slice(2).every((line) => line.length <= 80));
  assert.deepEqual(told.slice(5), ['  你好', '  > [31mred[0m …', '  p', '  > ']);
});

test('an evaluation that cannot be read is an error', async () => {
  await assert.rejects(
    follow([{ evaluated: { stage: 1, step: 0, metricsJson: '[' } }]),
    /^RunError: the coordinator sent metrics that cannot be read/,
  );
});

test('what a run waits for whose files are fetched is told as it changes', async () => {
  const starting = (waitsFor: string) => ({
    run: { id: 'r1', state: RunState.RUN_STATE_STARTING, waitsFor },
  });
  const events = [
    { run: { id: 'r1', state: RunState.RUN_STATE_QUEUED, waitsFor: 'r0 to end' } },
    starting(''),
    starting('hf:me/tiny: 0.0 of 9.0 MiB are there'),
    starting('hf:me/tiny: 5.0 of 9.0 MiB are there'),
    starting(''),
    ended(RunState.RUN_STATE_COMPLETED, { committedSteps: 2 }),
  ];
  const told = [0, 5].map((held) => `waiting for hf:me/tiny: ${held}.0 of 9.0 MiB are there`);
  assert.deepEqual((await follow(events)).lines, told);
  const all = (await follow(events, { tell: tellAll })).lines;
  assert.deepEqual(all.slice(1, 4), ['starting', ...told]);
});
