import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { credentials, Server, ServerCredentials, status, type Client } from '@grpc/grpc-js';
import { RunFollower } from '../../../../../deploy/cli/embedded/follow-run.js';
import { submitRun } from '../../../../../deploy/cli/embedded/run-client.js';
import { Interrupted } from '../../../../../deploy/cli/exit.js';
import { createStyle } from '../../../../../deploy/cli/output/style.js';
import { createProgressDisplay, type ProgressDisplay } from '../../../../../deploy/cli/progress/display.js';
import { ConfigError, messageOf, RunError } from '../../../../../lib/errors.js';
import { connect, serve, type Handlers } from '../../../../../proto/calls.js';
import { runService, v1 } from '../../../../../proto/services.js';

const { RunState, FailureKind } = v1;

/** A coordinator that knows one run, whose events are `events`, and that refuses everything else. */
async function startCoordinator(
  context: TestContext,
  events: readonly v1.WatchRunResponse.$Properties[],
  refusal: number = status.UNIMPLEMENTED,
): Promise<Client> {
  const refuse = () => {
    throw new Error('refused');
  };
  const handlers: Handlers<typeof runService> = {
    submitRun: refuse,
    getRun: refuse,
    listRuns: refuse,
    cancelRun: refuse,
    resumeRun: refuse,
    resizeRun: refuse,
    readLog: refuse,
    getCoordinator: refuse,
    watchRun: (call) => {
      events.forEach((event, index) => call.write({ sequence: index + 1, timeMs: index * 1_000, ...event }));
      call.end();
    },
  };
  const server = new Server();
  serve(server, runService, handlers, (error) => ({ code: refusal, details: messageOf(error) }));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = connect(`127.0.0.1:${port}`, credentials.createInsecure());
  context.after(() => {
    client.close();
    server.forceShutdown();
  });
  return client;
}

function recordDisplay(): { display: ProgressDisplay; lines: string[] } {
  const lines: string[] = [];
  const line = (text: string) => void lines.push(text);
  const output = { style: createStyle(false), write: line, line, interactive: false, columns: () => 80 };
  return { display: createProgressDisplay(output), lines };
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

test('a run that completes is shown from its notices to its last step', async (t) => {
  const client = await startCoordinator(t, [
    { run: { id: 'r1', state: RunState.RUN_STATE_QUEUED } },
    { notice: { text: '16 rows' } },
    { notice: { text: '2 completions were cut', warning: true } },
    { stageStarted },
    step(1),
    step(2),
    ended(RunState.RUN_STATE_COMPLETED),
  ]);
  const { display, lines } = recordDisplay();
  await new RunFollower(display).follow(client, 'r1');
  assert.deepEqual(lines, [
    '16 rows',
    'warning: 2 completions were cut',
    'kto  step 1/2  loss 0.5000  kl 0.2500  margin 1.000  100 tokens/s  ETA 0:01',
    'kto  step 2/2  loss 0.5000  kl 0.2500  margin 1.000  100 tokens/s  ETA 0:00',
  ]);
});

test('a failed run ends in its reason; what kind decides the exit code', async (t) => {
  const client = await startCoordinator(t, [
    ended(RunState.RUN_STATE_FAILED, { reason: 'w0 died', failureKind: FailureKind.FAILURE_KIND_RUNTIME }),
  ]);
  const { display } = recordDisplay();
  await assert.rejects(new RunFollower(display).follow(client, 'r1'), new RunError('w0 died'));
});

test('a run that failed by its model or data is bad input', async (t) => {
  const client = await startCoordinator(t, [
    ended(RunState.RUN_STATE_FAILED, { reason: 'bad model', failureKind: FailureKind.FAILURE_KIND_CONFIG }),
  ]);
  await assert.rejects(
    new RunFollower(recordDisplay().display).follow(client, 'r1'),
    new ConfigError('bad model'),
  );
});

test('a cancelled run is an interruption', async (t) => {
  const client = await startCoordinator(t, [{ stageStarted }, ended(RunState.RUN_STATE_CANCELLED)]);
  await assert.rejects(new RunFollower(recordDisplay().display).follow(client, 'r1'), Interrupted);
});

test('a stream that ends before the run, or a step without its stage, is an error', async (t) => {
  const cut = await startCoordinator(t, [{ stageStarted }, step(1)]);
  await assert.rejects(
    new RunFollower(recordDisplay().display).follow(cut, 'r1'),
    /before the run had ended/,
  );
  const disordered = await startCoordinator(t, [step(1)]);
  await assert.rejects(
    new RunFollower(recordDisplay().display).follow(disordered, 'r1'),
    /a step before its stage/,
  );
});

test('a refused run is bad input; a coordinator that is gone is not', async (t) => {
  const refusing = await startCoordinator(t, [], status.INVALID_ARGUMENT);
  await assert.rejects(submitRun(refusing, {}), new ConfigError('refused'));
  const broken = await startCoordinator(t, [], status.INTERNAL);
  await assert.rejects(submitRun(broken, {}), RunError);
});

test('lost and new workers, checkpoints and a run that waits are told in a line each', async (t) => {
  const client = await startCoordinator(t, [
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
  const { display, lines } = recordDisplay();
  await new RunFollower(display).follow(client, 'r1');
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

test('held-out rows are told in a line, samples in a block that the terminal holds and that is only text', async (t) => {
  const row = {
    step: 2,
    eval_loss: 0.48,
    eval_kl: 0.02,
    'eval_accuracy/chosen': 0.71,
    'eval_accuracy/rejected': 0.64,
  };
  const long = 'word '.repeat(100);
  const client = await startCoordinator(t, [
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
  const { display, lines } = recordDisplay();
  await new RunFollower(display).follow(client, 'r1');
  const told = lines.filter((line) => !line.startsWith('kto'));
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

test('an evaluation that cannot be read is an error', async (t) => {
  const client = await startCoordinator(t, [{ evaluated: { stage: 1, step: 0, metricsJson: '[' } }]);
  const following = new RunFollower(recordDisplay().display).follow(client, 'r1');
  await assert.rejects(following, /^RunError: the coordinator sent metrics that cannot be read/);
});

test('what an earlier attempt told is not shown again, nor taken for the end', async (t) => {
  const client = await startCoordinator(t, [
    { notice: { text: 'of old' } },
    ended(RunState.RUN_STATE_CANCELLED),
    { notice: { text: 'new' } },
    ended(RunState.RUN_STATE_COMPLETED),
  ]);
  const { display, lines } = recordDisplay();
  await new RunFollower(display, 2_000).follow(client, 'r1');
  assert.deepEqual(lines, ['new']);
});
