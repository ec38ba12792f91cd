import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { generationsOf, metricsOf, warningsOf } from './coordinator-doubles/run-story.js';
import type { Script, ScriptedWorker } from './coordinator-doubles/scripted-worker.js';
import {
  eightRows,
  getRun,
  llama,
  runFileOf,
  runToEnd,
  startTestCoordinator,
  submit,
  watch,
  writeRows,
  type RunKeys,
  type TestCoordinator,
} from './coordinator-doubles/test-coordinator.js';

const { RunState } = v1;
const killed = { code: null, signal: 'SIGKILL' } as const;

/** Held-out rows: the second prompt again, and a thumb each way. */
const heldOut = [
  { prompt_ids: [60, 20], completion_ids: [70, 40, 50], label: true },
  { prompt_ids: [61, 20], completion_ids: [71, 40], label: true },
  { prompt_ids: [61, 20], completion_ids: [72], label: false },
  { prompt_ids: [63, 20], completion_ids: [73, 40, 50, 60], label: false },
  { prompt_ids: [64, 20], completion_ids: [74, 40], label: true },
];

/** Six steps, with held-out rows judged at 0, 2, 4 and 6 and prompts continued at 0, 4 and 6. */
async function evaluatedRun(c: TestCoordinator, keys: RunKeys = {}): Promise<string> {
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  return runFileOf(train, {
    data: { train, eval: await writeRows(c.dir, 'held-out.jsonl', heldOut) },
    epochs: 3,
    eval_steps: 2,
    samples: { every_steps: 4, prompts: 2 },
    save_steps: 0,
    ...keys,
  });
}

const evaluationsOf = (events: readonly v1.WatchRunResponse[]) =>
  events.flatMap(({ evaluated }) => (evaluated ? [v1.Evaluated.create(evaluated)] : []));
const samplingsOf = (events: readonly v1.WatchRunResponse[]) =>
  events.flatMap(({ completionsSampled }) =>
    completionsSampled ? [v1.CompletionsSampled.create(completionsSampled)] : [],
  );
const stepsOf = (of: readonly { readonly step: number }[]) => of.map(({ step }) => step);

async function linesOf(outputDir: string, name: string): Promise<string[]> {
  return (await readFile(join(outputDir, name), 'utf8')).trimEnd().split('\n');
}

/** Rows of evaluations.jsonl without the time, which alone may differ between two runs of the same file. */
async function figuresOf(outputDir: string): Promise<unknown[]> {
  return (await linesOf(outputDir, 'evaluations.jsonl')).map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    delete row['eval_runtime_s'];
    return row;
  });
}

async function completed(c: TestCoordinator, runYaml: string) {
  const ended = await runToEnd(c, runYaml);
  assert.equal(ended.run.state, RunState.RUN_STATE_COMPLETED, ended.run.reason ?? '');
  return ended;
}

/** What the scripted workers say of the held-out rows, and must therefore stand in the file. */
function expectedRow(step: number) {
  const reward = (row: number) => row / 4 - 0.125 * step;
  const means = (rows: number[], of: (row: number) => number) =>
    rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
  const [chosen, rejected] = [
    [0, 1, 4],
    [2, 3],
  ] as const;
  const logp = (row: number) => step - row;
  const above = chosen.filter((row) => reward(row) > 0.1 * step).length / 3;
  const below = rejected.filter((row) => reward(row) < 0.1 * step).length / 2;
  return {
    step,
    stage: 1,
    method: 'kto',
    epoch: step / 2,
    rows: 5,
    eval_loss: 15 / 64 / (step + 1),
    eval_kl: step,
    eval_kl_unclamped: step,
    'eval_rewards/chosen': means([...chosen], reward),
    'eval_rewards/rejected': means([...rejected], reward),
    'eval_rewards/margins': means([...chosen], reward) - means([...rejected], reward),
    'eval_rewards/accuracies': (3 * above + 2 * below) / 5,
    'eval_accuracy/chosen': above,
    'eval_accuracy/rejected': below,
    'eval_logps/chosen': means([...chosen], logp),
    'eval_logps/rejected': means([...rejected], logp),
    'eval_logps_per_token/chosen': (3 * step - 5) / 7,
    'eval_logps_per_token/rejected': (2 * step - 5) / 5,
  };
}

const near = (actual: unknown, expected: number) => Math.abs((actual as number) - expected) < 1e-12;

function assertFigures(rows: readonly unknown[], steps: readonly number[]): void {
  assert.equal(rows.length, steps.length);
  steps.forEach((step, index) => {
    const row = rows[index] as Record<string, unknown>;
    const expected = expectedRow(step);
    assert.deepEqual(Object.keys(row), Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) {
      assert.ok(
        row[key] === value || near(row[key], value as number),
        `${key} after ${step}: ${String(row[key])}`,
      );
    }
  });
}

test('held-out rows are judged and prompts continued at the start, every so many steps, and at the end', async (t) => {
  const c = await startTestCoordinator(t);
  const { events, outputDir } = await completed(c, await evaluatedRun(c, { workers: 3 }));
  const evaluations = evaluationsOf(events);
  assert.deepEqual(stepsOf(evaluations), [0, 2, 4, 6]);
  assert.deepEqual(
    evaluations.map(({ metricsJson }) => metricsJson),
    await linesOf(outputDir, 'evaluations.jsonl'),
  );
  assertFigures(await figuresOf(outputDir), [0, 2, 4, 6]);
  const place = (of: v1.WatchRunResponse) => of.evaluated ?? of.completionsSampled ?? of.stepCommitted;
  const order = events.flatMap((event) => (place(event) ? [event.event] : []));
  const step = 'stepCommitted';
  assert.deepEqual(order, [
    ...['evaluated', 'completionsSampled', step, step],
    ...['evaluated', step, step],
    ...['evaluated', 'completionsSampled', step, step],
    ...['evaluated', 'completionsSampled'],
  ]);

  const samplings = samplingsOf(events);
  assert.deepEqual(stepsOf(samplings), [0, 4, 6]);
  const lines = await linesOf(outputDir, 'samples.jsonl');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    samplings.map(({ stage, completions, step: after }) => ({
      step: after,
      stage,
      completions: completions.map((one) =>
        v1.SampledCompletion.toObject(v1.SampledCompletion.create(one), { defaults: true }),
      ),
    })),
  );
  const [first] = samplings;
  assert.equal(new Set(first!.completions.map(({ prompt }) => prompt)).size, 2, 'of two prompts that differ');
  assert.deepEqual(
    first!.completions.map(({ cut }) => cut),
    [false, true],
  );
  assert.equal(new Set(samplings.map((one) => JSON.stringify(one.completions))).size, 3);
  const asked = c.launcher.workers.flatMap(({ workerId, received }) =>
    received.flatMap(({ sampleWork }) => (sampleWork ? [workerId] : [])),
  );
  assert.deepEqual(asked, ['worker-0', 'worker-0', 'worker-0']);
  const notices = events.flatMap(({ notice }) => (notice ? [notice.text ?? ''] : []));
  assert.ok(
    notices.some((text) => /held-out rows: 5 of 5 rows used from .*held-out\.jsonl; 3 des/.test(text)),
  );
});

test('without eval_steps they are judged at the start and the end, and imitation has no rewards', async (t) => {
  const c = await startTestCoordinator(t);
  const { outputDir } = await completed(c, await evaluatedRun(c, { method: 'sft', eval_steps: 0 }));
  const rows = (await figuresOf(outputDir)) as Record<string, unknown>[];
  assert.deepEqual(
    rows.map((row) => [row['step'], row['rows'], row['eval_kl'], row['eval_rewards/accuracies']]),
    [
      [0, 3, null, null],
      [6, 3, null, null],
    ],
  );
});

/** Never answers held-out rows after this step; `reached` resolves when it gets them. */
function silentAt(step: number) {
  let tell: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (tell = resolve));
  const onEvaluation: Script['onEvaluation'] = (report) => {
    if (report.step !== step) return { evaluationReport: report };
    tell();
    return undefined;
  };
  return { script: { onEvaluation }, reached };
}

/** Dies the first time that it comes to these held-out rows, or prompts. */
function dieBetweenSteps(step: number, what: 'onEvaluation' | 'onSamples'): Script {
  let done = false;
  const act = (report: { step?: number | null }, worker: ScriptedWorker) => {
    if (done || report.step !== step)
      return what === 'onSamples' ? { samples: report } : { evaluationReport: report };
    done = true;
    worker.leave(killed);
    return undefined;
  };
  return { [what]: act };
}

for (const step of [0, 4, 6]) {
  for (const [who, what] of [
    ['worker-1', 'onEvaluation'],
    ['worker-0', 'onSamples'],
  ] as const) {
    test(`${who} dies in ${what.slice(2)} after step ${step}: it is done again, and recorded once`, async (t) => {
      const c = await startTestCoordinator(t, { [who]: dieBetweenSteps(step, what) });
      const { events, outputDir } = await completed(c, await evaluatedRun(c));
      assert.deepEqual(stepsOf(evaluationsOf(events)), [0, 2, 4, 6]);
      assert.deepEqual(stepsOf(samplingsOf(events)), [0, 4, 6]);
      assert.equal((await linesOf(outputDir, 'samples.jsonl')).length, 3);
      assertFigures(await figuresOf(outputDir), [0, 2, 4, 6]);
      assert.match(generationsOf(events)[1]!, new RegExp(`after ${step}: .*-${who} \\(was killed`));
      const plain = await startTestCoordinator(t);
      const undisturbed = await completed(plain, await evaluatedRun(plain));
      assert.deepEqual(await metricsOf(outputDir), await metricsOf(undisturbed.outputDir));
    });
  }
}

test('what is journaled is not done again where steps are replayed, and what is missing is done then', async (t) => {
  let deaths = 0;
  const dieAt = (report: v1.EvaluationReport.$Properties, worker: ScriptedWorker) => {
    if (report.step !== 4 || deaths >= 2) return { evaluationReport: report };
    deaths += 1;
    worker.leave(killed);
    return undefined;
  };
  const c = await startTestCoordinator(t, {
    'worker-0': { onEvaluation: dieAt },
    'worker-1': { onEvaluation: dieAt },
  });
  const { events, outputDir } = await completed(c, await evaluatedRun(c));
  assert.match(generationsOf(events)[1]!, /after 0: /, 'nobody was left who held a later step');
  assert.deepEqual(stepsOf(evaluationsOf(events)), [0, 2, 4, 6]);
  assertFigures(await figuresOf(outputDir), [0, 2, 4, 6]);
  const judged = c.launcher.workers.flatMap(({ received }) =>
    received.flatMap(({ evaluationWork }) => (evaluationWork ? [evaluationWork.step ?? 0] : [])),
  );
  assert.deepEqual(judged.toSorted(), [0, 0, 2, 2, 4, 4, 4, 4, 6, 6]);
});

test('a coordinator that is stopped in the middle of one does it when it is back; the files are made anew', async (t) => {
  const silent = silentAt(4);
  const before = await startTestCoordinator(t, { 'worker-1': silent.script });
  const outputDir = join(before.dir, 'out');
  const runId = await submit(before.client, await evaluatedRun(before), outputDir);
  await silent.reached;
  await before.coordinator.stop('to start another one');
  assert.deepEqual((await linesOf(outputDir, 'evaluations.jsonl')).length, 2);
  const after = await startTestCoordinator(t, {}, { dir: before.dir });
  const events = await watch(after.client, runId);
  assert.equal((await getRun(after.client, runId)).state, RunState.RUN_STATE_COMPLETED);
  assert.deepEqual(stepsOf(evaluationsOf(events)), [0, 2, 4, 6]);
  assert.deepEqual(stepsOf(samplingsOf(events)), [0, 4, 6]);
  assertFigures(await figuresOf(outputDir), [0, 2, 4, 6]);
  assert.equal((await linesOf(outputDir, 'samples.jsonl')).length, 3);
  const judgedAgain = after.launcher.workers.flatMap(({ received }) =>
    received.flatMap(({ evaluationWork }) => (evaluationWork ? [evaluationWork.step ?? 0] : [])),
  );
  assert.deepEqual(judgedAgain.toSorted(), [4, 4, 6, 6]);
});

test('a run is cancelled with a checkpoint in the middle of one, and goes on with it', async (t) => {
  const silent = silentAt(4);
  const c = await startTestCoordinator(t, { 'worker-1': silent.script });
  const outputDir = join(c.dir, 'out');
  const runId = await submit(c.client, await evaluatedRun(c), outputDir);
  await silent.reached;
  await callUnary(c.client, runService.cancelRun, { runId, save: true });
  const story = await watch(c.client, runId);
  assert.deepEqual(
    story.flatMap(({ checkpointWritten }) => (checkpointWritten ? [checkpointWritten.step] : [])),
    [4],
  );
  await c.coordinator.stop('to start another one');
  const again = await startTestCoordinator(t, {}, { dir: c.dir });
  await callUnary(again.client, runService.resumeRun, { runId });
  const events = await watch(again.client, runId);
  assert.equal((await getRun(again.client, runId)).state, RunState.RUN_STATE_COMPLETED);
  assertFigures(await figuresOf(outputDir), [0, 2, 4, 6]);
  assert.ok(!warningsOf(events).some((text) => text.includes('computed again')));
});

test('numbers that are not finite are null and told of; the run goes on', async (t) => {
  const spoiled: Script = {
    onEvaluation: (report) => {
      if (report.step === 2)
        Object.assign(report.examples!.at(-1)!, { loss: Number.NaN, rewards: [Infinity] });
      return { evaluationReport: report };
    },
  };
  const c = await startTestCoordinator(t, { 'worker-1': spoiled });
  const { events, outputDir } = await completed(c, await evaluatedRun(c));
  const [, row] = (await figuresOf(outputDir)) as Record<string, unknown>[];
  assert.deepEqual(
    ['eval_loss', 'eval_rewards/chosen', 'eval_rewards/accuracies', 'eval_accuracy/chosen'].map(
      (key) => row![key],
    ),
    [null, null, null, null],
  );
  assert.ok(Number.isFinite(row!['eval_rewards/rejected']) && Number.isFinite(row!['eval_logps/chosen']));
  assert.ok(
    warningsOf(events).some((text) =>
      /^stage 1 \(kto\): held-out rows after step 2: the loss is not finite; it comes from data row 5$/.test(
        text,
      ),
    ),
    warningsOf(events).join('\n'),
  );
});

test('workers that disagree on z0 fail the run, by their names', async (t) => {
  const other: Script = {
    onEvaluation: (report) => ({ evaluationReport: { ...report, z0: (report.z0 ?? 0) + 2 ** -40 } }),
  };
  const c = await startTestCoordinator(t, { 'worker-1': other });
  const { run } = await runToEnd(c, await evaluatedRun(c));
  assert.match(
    run.reason ?? '',
    /worker-0 and worker-1 disagree on the z0 of the held-out rows after step 0: 0 and 9\.09\d+e-13/,
  );
});

test('a worker that continues other prompts than it was sent fails the run', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-0': { onSamples: (said) => ({ samples: { ...said, samples: (said.samples ?? []).slice(1) } }) },
  });
  const { run } = await runToEnd(c, await evaluatedRun(c));
  assert.match(run.reason ?? '', /worker-0 continued 1 prompts instead of 2/);
});

test('held-out rows are read before a worker is started, and must be the same when a run goes on', async (t) => {
  const silent = silentAt(2);
  const c = await startTestCoordinator(t, { 'worker-1': silent.script });
  const bad = await writeRows(c.dir, 'bad.jsonl', [{ ...heldOut[0]!, label: 'yes' as never }]);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const refused = await runToEnd(c, runFileOf(train, { data: { train, eval: bad } }), 'bad');
  assert.match(refused.run.reason ?? '', /bad\.jsonl:1: label is not true or false/);
  assert.equal(refused.run.failureKind, v1.FailureKind.FAILURE_KIND_CONFIG);
  assert.equal(c.launcher.workers.length, 0);

  const runId = await submit(c.client, await evaluatedRun(c), join(c.dir, 'out'));
  await silent.reached;
  await callUnary(c.client, runService.cancelRun, { runId, save: false });
  await watch(c.client, runId);
  await writeRows(c.dir, 'held-out.jsonl', heldOut.slice(1));
  await callUnary(c.client, runService.resumeRun, { runId });
  await watch(c.client, runId);
  const { reason } = await getRun(c.client, runId);
  assert.match(reason ?? '', /stage 1: .*held-out\.jsonl or its tokenizer no longer gives the examples/);
});

test('prompts of the training rows are continued where nothing is held out', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const keys = { data: { train }, samples: { every_steps: 1, prompts: 1 }, model: llama };
  const { events, outputDir } = await completed(c, runFileOf(train, keys));
  assert.deepEqual(stepsOf(samplingsOf(events)), [0, 1, 2]);
  assert.equal((await linesOf(outputDir, 'samples.jsonl')).length, 3);
  await assert.rejects(readFile(join(outputDir, 'evaluations.jsonl')), { code: 'ENOENT' });
});
