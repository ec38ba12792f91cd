import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderStatus } from '../../../../../deploy/cli/remote/render-status.js';
import { readStory } from '../../../../../deploy/cli/remote/run-story.js';
import { statusJson } from '../../../../../deploy/cli/remote/status.js';
import { createStyle } from '../../../../../deploy/cli/output/style.js';
import { formatTime } from '../../../../../deploy/cli/output/times.js';
import { v1 } from '../../../../../proto/services.js';

const { RunState } = v1;
const startMs = Date.UTC(2026, 10, 28, 12);
const nowMs = startMs + 10 * 60_000;
const run = { id: 'run-1', name: 'kto', workers: 2, outputDir: '/out/run-1', createdAtMs: startMs - 1000 };

/** A minute apart. */
async function statusOf(
  state: v1.RunState,
  events: readonly v1.WatchRunResponse.$Properties[],
  more: v1.Run.$Properties = {},
) {
  const all = [{ run: { ...run, state: RunState.RUN_STATE_QUEUED } }, ...events];
  async function* sent() {
    for (const [i, event] of all.entries()) {
      const message = { sequence: i + 1, timeMs: startMs + (i - 1) * 60_000, ...event };
      yield await Promise.resolve(v1.WatchRunResponse.decode(v1.WatchRunResponse.encode(message).finish()));
    }
  }
  const now = v1.Run.create({ ...run, state, totalSteps: 100, updatedAtMs: nowMs, ...more });
  return { run: now, story: await readStory(sent()), page: null };
}

const render = (status: Awaited<ReturnType<typeof statusOf>>) =>
  renderStatus(status, { nowMs, flag: '', style: createStyle(false) });

const starting = { run: { ...run, state: RunState.RUN_STATE_STARTING } };
const underWay = [
  starting,
  {
    membershipChanged: {
      generation: 1,
      workers: ['worker-0', 'worker-1'],
      joined: [{ workerId: 'worker-0' }, { workerId: 'worker-1' }],
    },
  },
  { stageStarted: { stage: 1, stageCount: 2, method: 'kto', totalSteps: 50 } },
  {
    stepCommitted: {
      stage: 1,
      metricsJson: JSON.stringify({ step: 1, loss: 0.5, kl: 0.25, 'rewards/margins': null, step_time_s: 2 }),
    },
  },
  { checkpointWritten: { stage: 1, step: 1, directory: '/out/c', bytes: 2 ** 20, durationMs: 10 } },
  { notice: { text: 'KL is 0: raise it', warning: true, condition: 'kl' } },
  { notice: { text: 'slow: move it', warning: true, condition: 'straggler' } },
  { notice: { text: 'fast again', condition: 'straggler' } },
  {
    membershipChanged: {
      generation: 2,
      workers: ['worker-0'],
      lost: [{ workerId: 'worker-1', reason: 'was killed' }],
      stage: 1,
      step: 1,
    },
  },
];

describe('the status of a run', () => {
  test('that trains says where it is, who works, what a diagnosis has found, and how to follow it', async () => {
    const status = await statusOf(RunState.RUN_STATE_RUNNING, underWay);
    const joined = formatTime(startMs + 60_000);
    assert.deepEqual(render(status), [
      'run         run-1',
      'name        kto',
      `state       running, since ${formatTime(startMs)} (10:00)`,
      'stage       kto, 1 of 2: step 1 of 50, ETA 1:38',
      `workers     worker-0 (since ${joined})`,
      `lost        worker-1 (since ${formatTime(startMs + 8 * 60_000)}, was killed)`,
      'metrics     loss 0.5000, kl 0.2500',
      'checkpoint  step 1 of stage 1, 6 min ago (1.00 MiB)',
      'diagnosis   KL is 0: raise it',
      'output      /out/run-1',
      'follow      prospect logs run-1 -f',
    ]);
  });

  test('that waits says for what', async () => {
    const status = await statusOf(RunState.RUN_STATE_QUEUED, [], { waitsFor: 'run-0 to end' });
    assert.deepEqual(render(status).slice(2, 5), [
      'state    queued: waits for run-0 to end',
      'workers  2 wanted',
      'output   /out/run-1',
    ]);
    const waitsFor = 'hf:me/tiny: 1.0 of 9.0 MiB are there';
    const fetching = await statusOf(RunState.RUN_STATE_STARTING, [starting], { waitsFor });
    assert.equal(
      render(fetching)[2],
      `state    starting, since ${formatTime(startMs)} (10:00): waits for ${waitsFor}`,
    );
  });

  test('that has ended says why, and how to go on', async () => {
    const failed = render(await statusOf(RunState.RUN_STATE_FAILED, underWay, { reason: 'a\nb' }));
    assert.match(failed[2]!, new RegExp(`failed at ${formatTime(nowMs)}: a b$`));
    assert.match(failed.at(-1)!, /^go on +prospect resume run-1$/);
    assert.ok(!failed.some((line) => line.startsWith('workers') || line.startsWith('lost')));
    const completed = render(await statusOf(RunState.RUN_STATE_COMPLETED, underWay));
    assert.match(completed.at(-1)!, /^model +\/out\/run-1\/model$/);
  });

  test('as JSON has words for states and ISO 8601 for times', async () => {
    const json = statusJson(await statusOf(RunState.RUN_STATE_RUNNING, underWay));
    assert.equal(json.state, 'running');
    assert.equal(json.startedAt, '2026-11-28T12:00:00.000Z');
    assert.deepEqual(json.stage, { number: 1, count: 2, method: 'kto', step: 1, totalSteps: 50 });
    assert.equal(json.lastMetrics?.['loss'], 0.5);
    assert.deepEqual(json.checkpoint, {
      stage: 1,
      step: 1,
      directory: '/out/c',
      bytes: 2 ** 20,
      time: '2026-11-28T12:04:00.000Z',
    });
    assert.deepEqual(json.conditions, [
      { condition: 'kl', text: 'KL is 0: raise it', since: '2026-11-28T12:05:00.000Z' },
    ]);
    assert.deepEqual(
      json.crew.map(({ id, state }) => [id, state]),
      [
        ['worker-0', 'training'],
        ['worker-1', 'lost'],
      ],
    );
    const waiting = statusJson(await statusOf(RunState.RUN_STATE_QUEUED, []));
    assert.deepEqual(
      [waiting.startedAt, waiting.stage, waiting.lastMetrics, waiting.checkpoint, waiting.page],
      [null, null, null, null, null],
    );
  });
});
