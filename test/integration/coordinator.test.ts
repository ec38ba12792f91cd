import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { callUnary, openServerStream } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { parseRunFile } from '../../lib/config/load.js';
import { answerOf, type Script } from './coordinator-doubles/scripted-worker.js';
import {
  eightRows,
  getRun,
  llama,
  runFileOf,
  runToEnd,
  startTestCoordinator,
  submit,
  type TestCoordinator,
  watch,
  writeRows,
} from './coordinator-doubles/test-coordinator.js';

const { RunState, FailureKind, FailureOrigin } = v1;

const nameOf = ({ state }: v1.Run.$Properties) =>
  String(RunState[state ?? 0])
    .replace('RUN_STATE_', '')
    .toLowerCase();
const statesOf = (events: readonly v1.WatchRunResponse[]) =>
  events.flatMap(({ run }) => (run ? [nameOf(run)] : []));
const noticesOf = (events: readonly v1.WatchRunResponse[]) =>
  events.flatMap(({ notice }) => (notice ? [notice.text ?? ''] : []));

/** The row of each example that a worker got, step by step. */
const rowsOf = (work: v1.StepWork.$Properties) =>
  (work.leaves ?? []).flatMap((leaf) => (leaf.examples ?? []).map(({ row }) => row ?? 0));

const getExits = ({ launcher }: TestCoordinator) => Promise.all(launcher.workers.map(({ exited }) => exited));

test('a run of two stages, from its data to its model', async (t) => {
  const saving: Script = {
    onSave: async ({ directory }) => {
      await mkdir(directory!, { recursive: true });
      await writeFile(join(directory!, 'model.safetensors'), 'weights');
    },
  };
  const c = await startTestCoordinator(t, { 'worker-0': saving });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const stages = [{ method: 'sft', max_steps: 2 }, { method: 'kto' }];
  const runYaml = runFileOf(train, { method: undefined, stages });
  const { runId, outputDir, events, run } = await runToEnd(c, runYaml);

  assert.equal(run.reason, '');
  assert.deepEqual(statesOf(events), ['queued', 'starting', 'running', 'completed']);
  assert.deepEqual([run.committedSteps, run.totalSteps], [4, 4]);
  assert.deepEqual(
    events.flatMap(({ stageStarted }) => (stageStarted ? [[stageStarted.stage, stageStarted.method]] : [])),
    [
      [1, 'sft'],
      [2, 'kto'],
    ],
  );
  assert.ok(
    noticesOf(events).some((text) => text.includes('8 of 8 rows used') && text.includes('6 desirable')),
  );

  const lines = (await readFile(join(outputDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    events.flatMap(({ stepCommitted }) => (stepCommitted ? [stepCommitted.metricsJson] : [])),
    lines,
  );
  const rows = lines.map((line) => JSON.parse(line) as Record<string, number | string | null>);
  assert.deepEqual(
    rows.map(({ stage, step, method, epoch }) => [stage, step, method, epoch]),
    [
      [1, 1, 'sft', 0.5],
      [1, 2, 'sft', 1],
      [2, 1, 'kto', 0.5],
      [2, 2, 'kto', 1],
    ],
  );
  // Supervised fine-tuning takes the six good rows; all of them count as chosen.
  assert.deepEqual(
    ['loss', 'kl', 'logps/chosen', 'logps/rejected', 'num_tokens'].map((key) => rows[1]![key]),
    [11 / 64, null, -4.5, null, 30],
  );
  const kto = rows[3]!;
  assert.deepEqual(
    [
      'loss',
      'kl',
      'rewards/chosen',
      'rewards/rejected',
      'rewards/margins',
      'logps/rejected',
      'grad_norm',
    ].map((key) => kto[key]),
    [26 / 64, 0.5, 1.125, 1.625, -0.5, -6.5, 0.5],
  );
  assert.deepEqual([kto['num_tokens'], kto['learning_rate']], [40, 0.001]);
  assert.deepEqual([rows[2]!['rewards/rejected'], rows[2]!['rewards/margins']], [null, null]);

  assert.deepEqual((await readdir(outputDir)).sort(), [
    'metrics.jsonl',
    'model',
    'run.yaml',
    'stages',
    'tensorboard',
  ]);
  assert.deepEqual(await readdir(join(outputDir, 'stages')), ['1-sft']);
  assert.match(await readFile(join(outputDir, 'run.yaml'), 'utf8'), /global_batch_size: 4/);

  const starts = c.launcher.workers[1]!.received.flatMap(({ stageStart }) => stageStart ?? []);
  assert.deepEqual(
    starts.map(({ runYaml, referenceSocket }) => {
      const [stage] = parseRunFile(runYaml ?? '', 'stage.yaml', { baseDir: '/' }).stages;
      return [stage.model, referenceSocket];
    }),
    [
      [llama, ''],
      [join(outputDir, 'stages/1-sft/model'), '/nowhere/reference.sock'],
    ],
  );
  assert.deepEqual(
    c.launcher.references.map(({ spec }) => spec.modelDir),
    [join(outputDir, 'stages/1-sft/model')],
  );
  assert.deepEqual(await getExits(c), [
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);

  // A late visitor sees all history, or the part that it asks for.
  assert.deepEqual(await watch(c.client, runId), events);
  assert.deepEqual(await watch(c.client, runId, { afterSequence: 3 }), events.slice(3));
});

test('every example of a step goes to exactly one worker, whatever their number', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  for (const workers of [1, 2, 3]) {
    const before = c.launcher.workers.length;
    const { run } = await runToEnd(c, runFileOf(train, { workers }), `out-${workers}`);
    assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
    const works = c.launcher.workers
      .slice(before)
      .map(({ received }) => received.flatMap(({ stepWork }) => stepWork ?? []));
    for (const step of [1, 2]) {
      const rows = works.flatMap((ofWorker) => rowsOf(ofWorker.find((work) => work.step === step)!));
      assert.deepEqual(
        rows.sort((a, b) => a - b),
        [0, 1, 2, 3].map((row) => row + 4 * (step - 1)),
      );
    }
  }
});

test('after epoch 0 every example goes with its reference’s answers, never ahead of them', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  // One batch is the epoch: the next step needs the answers of the one before it.
  const { run } = await runToEnd(c, runFileOf(train, { global_batch_size: 8, epochs: 3 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const [worker] = c.launcher.workers;
  const works = worker!.received.flatMap(({ stepWork }) => stepWork ?? []);
  assert.deepEqual(
    works.map(({ step }) => step),
    [1, 2, 3],
  );
  for (const work of works) {
    for (const example of (work.leaves ?? []).flatMap((leaf) => leaf.examples ?? [])) {
      const row = example.row ?? 0;
      const { completions = [], mismatched = null } = example.reference ?? {};
      const sent = [...(completions ?? []), mismatched].map((answer) => answer?.logp ?? null);
      const made = answerOf(row, true);
      assert.deepEqual(sent, work.step === 1 ? [null] : [made.completions![0]!.logp, made.mismatched!.logp]);
    }
  }
  assert.deepEqual(
    worker!.received.flatMap(({ message }) => message ?? []),
    [
      ...['stageStart', 'membership', 'stepWork', 'stepCommit', 'stepWork'],
      // From here on the answers are known, and work runs one step ahead.
      ...['stepWork', 'stepCommit', 'stepCommit', 'saveModel', 'stop'],
    ],
  );
});

test('within an epoch the work of the next step is there before the step is committed', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  await runToEnd(c, runFileOf(train, { global_batch_size: 2, micro_batch_size: 1 }));
  assert.deepEqual(
    c.launcher.workers[1]!.received.flatMap(({ stepWork, stepCommit }) => {
      if (stepWork) return `work ${stepWork.step ?? 0}`;
      return stepCommit ? `commit ${stepCommit.step ?? 0}` : [];
    }),
    ['work 1', 'work 2', 'commit 1', 'work 3', 'commit 2', 'work 4', 'commit 3', 'commit 4'],
  );
});

test('workers that disagree fail the run before the step is committed', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-1': {
      onStep: ({ step }, report) => ({
        stepReport: { ...report, gradNorm: (report.gradNorm ?? 0) + (step === 2 ? 2 ** -53 : 0) },
      }),
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const { run, events } = await runToEnd(c, runFileOf(train));
  assert.deepEqual(statesOf(events), ['queued', 'starting', 'running', 'failed']);
  assert.match(
    run.reason!,
    /worker-0 and worker-1 disagree on the grad_norm of step 2: 0\.5 and 0\.50000000000000/,
  );
  assert.equal(run.failureKind, FailureKind.FAILURE_KIND_RUNTIME);
  assert.equal(run.committedSteps, 1);
});

test('where too few workers are left and none may come, the killed one is shown as the cause, not the peer that complains', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step, generation = 0 }, stepReport) => {
        const collectiveFailure = { generation, reason: 'lost worker-1', suspects: ['worker-1'] };
        return step === 2 ? { collectiveFailure } : { stepReport };
      },
    },
    'worker-1': {
      onStep: ({ step }, stepReport, worker) => {
        if (step === 1) return { stepReport };
        worker.leave({ code: null, signal: 'SIGKILL' });
        return undefined;
      },
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const { run, outputDir } = await runToEnd(c, runFileOf(train, { min_workers: 2, max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_FAILED);
  const log = join(outputDir, 'logs/worker-1.log');
  const cause = `worker-1 was killed by SIGKILL in the middle of the run; see ${log}`;
  assert.equal(run.reason, `${cause} (workers left: 1, min_workers: 2, max_restarts: 0)`);
  await getExits(c);
});

test('what a worker cannot start with is a config failure, in its words', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-1': {
      onStageStart: () => ({
        failure: { reason: 'model/config.json: bad', origin: FailureOrigin.FAILURE_ORIGIN_CONFIG },
      }),
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const { run } = await runToEnd(c, runFileOf(train));
  assert.deepEqual(
    [run.state, run.failureKind, run.reason],
    [RunState.RUN_STATE_FAILED, FailureKind.FAILURE_KIND_CONFIG, 'model/config.json: bad'],
  );
});

test('a worker that would compute other bits is refused and not started again; the others train', async (t) => {
  const c = await startTestCoordinator(t, { 'worker-1': { threads: 2 }, 'worker-2': { threads: 2 } });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const { run, events } = await runToEnd(c, runFileOf(train, { workers: 3 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const refused = noticesOf(events).filter((text) => text.includes('is not started again'));
  // Whoever comes first is the measure.
  assert.ok(refused.length === 1 || refused.length === 2);
  assert.match(refused[0]!, /worker-\d is not like worker-\d: its thread count is \d, not \d/);
  assert.equal(c.launcher.workers.length, 3);

  const strict = await runToEnd(c, runFileOf(train, { min_workers: 2 }), 'strict');
  assert.match(strict.run.reason!, /worker-\d is not like worker-\d: its thread count is/);
});

test('a reference replica that dies is started again, and the run goes on', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step }, stepReport) => {
        if (step === 1) c.launcher.references[0]!.end({ code: 1, signal: null });
        return { stepReport };
      },
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const { run, events } = await runToEnd(c, runFileOf(train));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.ok(noticesOf(events).includes('the reference replica exited with code 1: it is started again'));
  const [first, second, ...others] = c.launcher.references.map(({ spec }) => spec);
  assert.deepEqual(second, first);
  assert.equal(others.length, 0);
});

test('bad data fails the run before anything is launched, unless bad rows are skipped', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  await writeFile(train, '{"prompt_ids": [1], "completion_ids": [], "label": true}\n', { flag: 'a' });
  const { run } = await runToEnd(c, runFileOf(train));
  assert.equal(run.failureKind, FailureKind.FAILURE_KIND_CONFIG);
  assert.ok(run.reason?.includes(`${train}:9`), run.reason ?? '');
  assert.equal(c.launcher.workers.length, 0);

  const runId = await submit(c.client, runFileOf(train), join(c.dir, 'skipping'), true);
  const events = await watch(c.client, runId);
  assert.equal(statesOf(events).at(-1), 'completed');
  assert.ok(noticesOf(events).some((text) => text.includes('1 row skipped')));
});

test('a bad run file, a used directory and an unknown run are refused with their status', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const out = join(c.dir, 'out');
  await assert.rejects(submit(c.client, runFileOf(train, { betta: 1 }), out), {
    code: status.INVALID_ARGUMENT,
    details: /betta/,
  });
  await assert.rejects(submit(c.client, runFileOf(train), 'relative/out'), { code: status.INVALID_ARGUMENT });
  await watch(c.client, await submit(c.client, runFileOf(train), out));
  await assert.rejects(submit(c.client, runFileOf(train), out), {
    code: status.INVALID_ARGUMENT,
    details: /already holds a run/,
  });
  await assert.rejects(getRun(c.client, 'run-none'), { code: status.NOT_FOUND });
  await assert.rejects(watch(c.client, 'run-none'), { code: status.NOT_FOUND });
  const { runs } = await callUnary(c.client, runService.listRuns, {});
  assert.equal(runs.length, 1);
});

test('runs queue; the current and the queued one can be cancelled, and the next one starts', async (t) => {
  let reached: () => void = () => undefined;
  const stuck = new Promise<void>((resolve) => (reached = resolve));
  let runsSeen = 0;
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStageStart: ({ stage }) => {
        runsSeen += 1;
        return { stageReady: { stage: stage ?? 0 } };
      },
      // The first run hangs in its first step.
      onStep: (_, stepReport) => {
        reached();
        return runsSeen === 1 ? undefined : { stepReport };
      },
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const [first, second, third] = [
    await submit(c.client, runFileOf(train), join(c.dir, 'first')),
    await submit(c.client, runFileOf(train), join(c.dir, 'second')),
    await submit(c.client, runFileOf(train), join(c.dir, 'third')),
  ];
  await stuck;
  const { runs: queued } = await callUnary(c.client, runService.listRuns, {});
  assert.deepEqual(
    queued.map((run) => [run.id, nameOf(run), run.waitsFor]),
    [
      [first, 'running', ''],
      [second, 'queued', `${first} to end`],
      [third, 'queued', `${second} to end`],
    ],
  );
  await callUnary(c.client, runService.cancelRun, { runId: second });
  await callUnary(c.client, runService.cancelRun, { runId: first });
  const endings = await Promise.all([first, second, third].map((runId) => watch(c.client, runId)));
  assert.deepEqual(endings.map(statesOf), [
    ['queued', 'starting', 'running', 'cancelled'],
    ['queued', 'cancelled'],
    // It waits for another one now.
    ['queued', 'queued', 'starting', 'running', 'completed'],
  ]);
  assert.deepEqual(
    endings[2]!.slice(0, 3).map(({ run }) => run?.waitsFor),
    [`${second} to end`, `${first} to end`, ''],
  );
  assert.equal((await getRun(c.client, first)).reason, 'cancelled by request');
  // Cancelling what has ended changes nothing.
  const { run } = await callUnary(c.client, runService.cancelRun, { runId: third });
  assert.equal(run?.state, RunState.RUN_STATE_COMPLETED);
});

test('under a quota runs go side by side; one that asks for more than all workers is refused, and leaves nothing', async (t) => {
  const c = await startTestCoordinator(t, { 'worker-0': { onStep: () => undefined } }, { maxWorkers: 3 });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const ids: string[] = [];
  for (const [name, workers] of Object.entries({ first: 1, second: 1, third: 2, fourth: 1 })) {
    ids.push(await submit(c.client, runFileOf(train, { workers }), join(c.dir, name)));
  }
  const [first, second, third, fourth] = ids as [string, string, string, string];
  const { maxWorkers, workersInUse } = await callUnary(c.client, runService.getCoordinator, {});
  assert.deepEqual([maxWorkers, workersInUse], [3, 2]);
  const { runs } = await callUnary(c.client, runService.listRuns, {});
  assert.deepEqual(
    runs.map(({ waitsFor }) => waitsFor),
    ['', '', '2 workers: 2 of 3 are in use', `${third} to start`],
  );

  const large = join(c.dir, 'large');
  await assert.rejects(submit(c.client, runFileOf(train, { workers: 4 }), large), {
    code: status.INVALID_ARGUMENT,
    details: /^workers: 4 is more than the 3 of this coordinator/,
  });
  await assert.rejects(readdir(large), { code: 'ENOENT' });
  const resize = (runId: string, workers: number) =>
    callUnary(c.client, runService.resizeRun, { runId, workers });
  await assert.rejects(resize(first, 3), {
    code: status.INVALID_ARGUMENT,
    details: /^workers: 3 is too many now: 1 of 3 is in use by other runs; ask for at most 2/,
  });

  await callUnary(c.client, runService.cancelRun, { runId: first });
  await watch(c.client, first);
  await callUnary(c.client, runService.cancelRun, { runId: second });
  await watch(c.client, second);
  await Promise.all([third, fourth].map((runId) => untilRunning(c.client, runId)));
});

async function untilRunning(client: TestCoordinator['client'], runId: string): Promise<void> {
  const stream = openServerStream(client, runService.watchRun, { runId });
  stream.on('error', () => undefined);
  for await (const { run } of stream as AsyncIterable<v1.WatchRunResponse>) {
    if (run?.state === RunState.RUN_STATE_RUNNING) break;
  }
  stream.cancel();
}

test('stopping the coordinator suspends the run and takes the workers along', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStep: () => {
        void c.coordinator.stop('stopped by the test');
        return undefined;
      },
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const runId = await submit(c.client, runFileOf(train), join(c.dir, 'out'));
  const seen: string[] = [];
  const watching = watch(c.client, runId, { onEvent: (event) => seen.push(...statesOf([event])) });
  // It has not ended: the stream of its events breaks off with the coordinator.
  await assert.rejects(watching);
  assert.deepEqual(seen, ['queued', 'starting', 'running']);
  assert.equal((await getExits(c)).length, 2);
});

test('a watcher that does not read holds up nothing and misses nothing', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const steps = 400;
  const keys = { global_batch_size: 2, micro_batch_size: 1, max_steps: steps, epochs: undefined };
  const runId = await submit(c.client, runFileOf(train, keys), join(c.dir, 'out'));
  const stream = openServerStream(c.client, runService.watchRun, { runId, afterSequence: 0 });
  stream.pause();
  const seen = await watch(c.client, runId);
  assert.equal((await getRun(c.client, runId)).committedSteps, steps);
  const late: v1.WatchRunResponse[] = [];
  stream.on('data', (event: v1.WatchRunResponse) => late.push(event));
  stream.resume();
  await once(stream, 'end');
  assert.deepEqual(late, seen);
});

test('a step may weigh more than gRPC’s usual 4 MB', async (t) => {
  const c = await startTestCoordinator(t);
  const long = Array.from({ length: 700_000 }, (_, index) => 200 + (index % 100));
  const rows = eightRows.slice(0, 4).map((row) => ({ ...row, prompt_ids: [...row.prompt_ids, ...long] }));
  const train = await writeRows(c.dir, 'train.jsonl', rows);
  const keys = { workers: 1, max_length: 2_000_000, max_prompt_length: 1_000_000 };
  const { run } = await runToEnd(c, runFileOf(train, keys));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const [work] = c.launcher.workers[0]!.received.flatMap(({ stepWork }) => stepWork ?? []);
  assert.ok(v1.StepWork.encode(work!).finish().length > 5 * 2 ** 20);
});

test('health over gRPC and HTTP', async (t) => {
  const c = await startTestCoordinator(t);
  const HealthClient = makeGenericClientConstructor(healthService, 'Health');
  const health = new HealthClient(c.coordinator.address, credentials.createInsecure());
  t.after(() => health.close());
  const check = health['check'] as (
    request: object,
    callback: (error: Error | null, response: { status: string }) => void,
  ) => void;
  const answer = await new Promise<{ status: string }>((resolve, reject) => {
    check.call(health, { service: '' }, (error, response) => (error ? reject(error) : resolve(response)));
  });
  assert.equal(answer.status, 'SERVING');

  const codeOf = async (path: string) =>
    (await fetch(`http://${c.coordinator.metricsAddress!}${path}`)).status;
  assert.equal(await codeOf('/healthz'), 200);
  assert.equal(await codeOf('/readyz'), 200);
  assert.equal(await codeOf('/nothing'), 404);
});

test('Prometheus metrics tell of a run while it is under way', async (t) => {
  let hold: (letGo: () => void) => void;
  const held = new Promise<() => void>((resolve) => (hold = resolve));
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step }, stepReport, worker) => {
        if (step === 1) return { stepReport };
        hold(() => worker.send({ stepReport }));
        return undefined;
      },
    },
  });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const runId = await submit(c.client, runFileOf(train), join(c.dir, 'out'));
  const read = async () => (await fetch(`http://${c.coordinator.metricsAddress!}/metrics`)).text();
  const letGo = await held;
  let text = await read();
  while (!text.includes(`prospect_steps_committed_total{run="${runId}"} 1\n`)) text = await read();
  for (const line of [
    'prospect_runs{state="running"} 1',
    `prospect_tokens_total{run="${runId}"} 20`,
    `prospect_step_phase_seconds_count{run="${runId}",worker="worker-1",phase="all_reduce"} 1`,
    `prospect_workers{run="${runId}"} 2`,
    `prospect_skipped_steps_total{run="${runId}"} 0`,
    'prospect_workers_lost_total 0',
    'prospect_worker_restarts_total 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }

  letGo();
  await watch(c.client, runId);
  text = await read();
  assert.ok(text.includes('prospect_runs{state="completed"} 1\n'));
  assert.doesNotMatch(text, /run="/);
});
