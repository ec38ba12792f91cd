import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { STRAGGLER_STEPS } from '../../coordinator/diagnosis/straggler.js';
import { status } from '@grpc/grpc-js';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import {
  auditWork,
  checkpointsOf,
  generationsOf,
  metricsOf,
  nameOf,
  noticesOf,
  statesOf,
  warningsOf,
} from './coordinator-doubles/run-story.js';
import { onceAt } from './coordinator-doubles/once-at.js';
import { ScriptedWorker, type Script } from './coordinator-doubles/scripted-worker.js';
import {
  eightRows,
  getRun,
  runFileOf,
  runToEnd,
  startTestCoordinator,
  submit,
  watch,
  writeRows,
  type RunKeys,
  type TestCoordinator,
} from './coordinator-doubles/test-coordinator.js';

const { RunState, StateSource } = v1;
const killed = { code: null, signal: 'SIGKILL' } as const;

/** Six steps of four rows: three epochs of eight rows in two batches. */
const sixSteps: RunKeys = { workers: 3, epochs: 3, micro_batch_size: 1, save_steps: 0 };
const rowsOfSixSteps = [0, 1, 2, 3, 4, 5].map((step) => (step % 2 === 0 ? [0, 1, 2, 3] : [4, 5, 6, 7]));

const dieAt = (step: number): Script => onceAt(step, (worker) => worker.leave(killed));

/** A promise and the function that resolves it. */
function signal() {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}

async function trainFile(c: TestCoordinator, keys: RunKeys = {}): Promise<string> {
  return runFileOf(await writeRows(c.dir, 'train.jsonl', eightRows), { ...sixSteps, ...keys });
}

let undisturbedMetrics: unknown[] | undefined;

/** The metrics of the six steps as they are where nothing happens. */
async function undisturbed(t: TestContext): Promise<unknown[]> {
  if (undisturbedMetrics === undefined) {
    const c = await startTestCoordinator(t);
    const { run, outputDir } = await runToEnd(c, await trainFile(c, { workers: 1 }));
    assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
    undisturbedMetrics = await metricsOf(outputDir);
  }
  return undisturbedMetrics;
}

const membershipsOf = (worker: ScriptedWorker) =>
  worker.received.flatMap(({ membership }) => (membership ? [v1.Membership.create(membership)] : []));

const sourcesOf = (worker: ScriptedWorker) =>
  membershipsOf(worker).map(({ state }) => [
    StateSource[state?.source ?? 0]?.replace('STATE_SOURCE_', ''),
    state?.step,
  ]);

test('a worker that dies in a step costs that step: the survivors redo it, and it joins again', async (t) => {
  const c = await startTestCoordinator(t, { 'worker-1': dieAt(3) });
  const { run, runId, events, outputDir } = await runToEnd(c, await trainFile(c));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(statesOf(events), ['queued', 'starting', 'running', 'completed']);
  const [first, second] = generationsOf(events);
  assert.equal(first, 'worker-0 worker-1 worker-2 after 0: +worker-0 +worker-1 +worker-2');
  // Its successor, which takes no time to start here, may be back before the generation is formed.
  assert.match(
    second!,
    /^worker-0 (worker-1 )?worker-2 after 2: (\+worker-1 )?-worker-1 \(was killed by SIGKILL/,
  );
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-0')).slice(0, 2), [
    ['INITIAL', 0],
    ['MEMBERS', 2],
  ]);
  assert.ok(c.launcher.workers.length >= 4, 'worker-1 was started again');
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
  await c.coordinator.stop('to look at the journal');
  auditWork(join(c.dir, 'state'), runId, rowsOfSixSteps);
});

test('a generation that ends before its first work was held by nobody', async (t) => {
  const backAgain = signal();
  let starts = 0;
  const c: TestCoordinator = await startTestCoordinator(t, {
    'worker-0': {
      // Alone in generation 2, it is ready only when worker-1 could join again.
      onMembership: ({ generation = 0 }, worker) => {
        const ready = () => worker.send({ generationReady: { generation } });
        if (generation === 2) void backAgain.given.then(ready);
        else ready();
        return undefined;
      },
    },
    'worker-1': {
      ...dieAt(3),
      onStageStart: ({ stage = 0 }, worker) => {
        worker.send({ stageReady: { stage } });
        // An answer to a later question shows that the coordinator knows.
        const ask = () => callUnary(c.client, runService.listRuns, {});
        if (++starts === 2) void ask().then(ask).then(backAgain.give);
        return undefined;
      },
    },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 2 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.equal(generationsOf(events)[2], 'worker-0 worker-1 after 2: +worker-1');
  const third = membershipsOf(c.launcher.latest('worker-0')).find(({ generation }) => generation === 3);
  assert.deepEqual(
    third?.members.map(({ held }) => (held ? [held.rank, held.worldSize] : null)),
    [[0, 2], null],
  );
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

/**
 * A worker that finishes a step with a checkpoint only once the checkpoint of the one before stands, and dies in step 5.
 * `written` is told of the checkpoints.
 */
function slowerThanCheckpoints(beforeDeath: () => Promise<unknown> = () => Promise.resolve()) {
  const gates = { 3: signal(), 5: signal() };
  let dead = false;
  const script: Script = {
    onStep: ({ step }, stepReport, worker) => {
      if (dead || (step !== 3 && step !== 5)) return { stepReport };
      void gates[step].given.then(async () => {
        if (step === 3) {
          worker.send({ stepReport });
          return;
        }
        dead = true;
        await beforeDeath();
        worker.leave(killed);
      });
      return undefined;
    },
  };
  const written = (event: v1.WatchRunResponse) => {
    if (event.checkpointWritten?.step === 2) gates[3].give();
    if (event.checkpointWritten?.step === 4) gates[5].give();
  };
  return { script, written };
}

test('with all holders gone, the newest checkpoint is replayed; the journal and the metrics have each step once', async (t) => {
  const { script, written } = slowerThanCheckpoints();
  const c = await startTestCoordinator(t, { 'worker-0': script });
  const outputDir = join(c.dir, 'out');
  const runId = await submit(c.client, await trainFile(c, { workers: 1, save_steps: 2 }), outputDir);
  const events = await watch(c.client, runId, { onEvent: written });
  assert.equal(statesOf(events).at(-1), 'completed');
  assert.deepEqual(checkpointsOf(events), [2, 4, 6]);
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-0')), [['CHECKPOINT', 4]]);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
  assert.deepEqual(
    warningsOf(events).filter((text) => text.includes('computed again')),
    [],
  );
  await c.coordinator.stop('to look at the journal');
  auditWork(join(c.dir, 'state'), runId, rowsOfSixSteps);
});

test('a damaged checkpoint is refused by name, and the one before it is used', async (t) => {
  const damageNewest = async () => {
    const directory = join(outputDir, 'checkpoints');
    const newest = (await readdir(directory)).sort().at(-1)!;
    await writeFile(join(directory, newest, 'part-0-of-1.safetensors'), 'step 4, part 0 of x');
  };
  const { script, written } = slowerThanCheckpoints(damageNewest);
  const c = await startTestCoordinator(t, { 'worker-0': script });
  const outputDir = join(c.dir, 'out');
  const runId = await submit(c.client, await trainFile(c, { workers: 1, save_steps: 2 }), outputDir);
  const events = await watch(c.client, runId, { onEvent: written });
  assert.equal(statesOf(events).at(-1), 'completed');
  const refused = warningsOf(events).filter((text) => text.includes('is not used'));
  assert.equal(refused.length, 1);
  assert.match(refused[0]!, /checkpoints.*part-0-of-1.* is damaged/);
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-0')), [['CHECKPOINT', 2]]);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a checkpoint that cannot be written is told of once, and training goes on', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-1': { onCheckpointPart: (part) => ({ checkpointPart: { ...part, error: 'no space left' } }) },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 2, save_steps: 1 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(checkpointsOf(events), []);
  const warnings = warningsOf(events).filter((text) => text.includes('was not written'));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^the checkpoint of stage 1, step 1 was not written: worker-1: no space left/);
  assert.deepEqual(await readdir(join(outputDir, 'checkpoints')), []);
});

test('a checkpoint whose writer is lost is abandoned, and written at a later step', async (t) => {
  let parts = 0;
  const c = await startTestCoordinator(t, {
    'worker-1': {
      onCheckpointPart: (part) => {
        parts += 1;
        // The first part never gets there.
        return parts === 1 ? undefined : { checkpointPart: part };
      },
      ...dieAt(3),
    },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 2, save_steps: 2 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const [first] = checkpointsOf(events);
  assert.ok(first !== undefined && first >= 3, `${first ?? 'none'}`);
  assert.ok((await readdir(join(outputDir, 'checkpoints'))).every((name) => !name.startsWith('.')));
});

test('without any checkpoint the stage starts over, and goes on where the journal ends', async (t) => {
  const c = await startTestCoordinator(t, { 'worker-0': dieAt(4) });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 1 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.ok(noticesOf(events).some((text) => text.includes('steps 1 to 3 will be computed again')));
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-0')), [['INITIAL', 0]]);
  assert.equal(run.committedSteps, 6);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('steps that come out otherwise when they are computed again are told of, once', async (t) => {
  let launched = 0;
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStageStart: ({ stage = 0 }) => {
        launched += 1;
        return { stageReady: { stage } };
      },
      onStep: ({ step = 0 }, stepReport, worker) => {
        if (launched > 1) return { stepReport: { ...stepReport, gradNorm: 7 } };
        if ((step ?? 0) < 4) return { stepReport };
        worker.leave(killed);
        return undefined;
      },
    },
  });
  const { events } = await runToEnd(c, await trainFile(c, { workers: 1 }));
  const warnings = warningsOf(events).filter((text) => text.includes('gives other numbers'));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^step 1, computed again, .*grad_norm was 1 and is 7/);
});

test('too few workers: the run waits in recovering, and goes on when there are enough', async (t) => {
  const recovering = signal();
  let starts = 0;
  const slowToReturn: Script = {
    ...dieAt(3),
    onStageStart: ({ stage = 0 }, worker) => {
      const ready = () => worker.send({ stageReady: { stage } });
      if (++starts === 1) ready();
      else void recovering.given.then(ready);
      return undefined;
    },
  };
  const c = await startTestCoordinator(t, { 'worker-1': slowToReturn });
  const outputDir = join(c.dir, 'out');
  const runId = await submit(c.client, await trainFile(c, { workers: 2, min_workers: 2 }), outputDir);
  const events = await watch(c.client, runId, {
    onEvent: ({ run }) => {
      if (run?.state === RunState.RUN_STATE_RECOVERING) recovering.give();
    },
  });
  const run = await getRun(c.client, runId);
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(statesOf(events), ['queued', 'starting', 'running', 'recovering', 'running', 'completed']);
  const [, second] = generationsOf(events);
  assert.match(second!, /^worker-0 worker-1 after 2: \+worker-1 -worker-1 \(was killed/);
  // The newcomer gets its state from the one that is left.
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-1')), [['MEMBERS', 2]]);
  assert.deepEqual(
    membershipsOf(c.launcher.latest('worker-1'))[0]?.members.map(({ held = null }) => held?.rank ?? null),
    [0, null],
  );
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a worker that keeps failing is not started again, and the run fails with its reason where it is needed', async (t) => {
  const failing: Script = {
    onStageStart: () => ({ failure: { reason: 'out of memory' } }),
  };
  const c = await startTestCoordinator(t, { 'worker-1': failing });
  const spare = await runToEnd(c, await trainFile(c, { workers: 2, max_restarts: 2 }));
  assert.equal(spare.run.state, RunState.RUN_STATE_COMPLETED, spare.run.reason ?? '');
  assert.equal(c.launcher.workers.filter(({ workerId }) => workerId === 'worker-1').length, 3);
  assert.match(
    warningsOf(spare.events).find((text) => text.includes('not started again'))!,
    /^worker-1 failed: out of memory; see .*worker-1\.log, for the 3rd time without a step in between/,
  );

  const needed = await runToEnd(
    c,
    await trainFile(c, { workers: 2, min_workers: 2, max_restarts: 1 }),
    'needed',
  );
  assert.equal(needed.run.state, RunState.RUN_STATE_FAILED);
  assert.match(
    needed.run.reason!,
    /^worker-1 failed: out of memory; see .*\(workers left: 1, min_workers: 2/,
  );
});

test('a resize brings workers in at a step’s boundary, and lets the highest ids go after a checkpoint', async (t) => {
  const resizeTo = (workers: number) => callUnary(c.client, runService.resizeRun, { runId, workers });
  let runId = '';
  // The first worker holds up a step until the resize has shown.
  const threeThere = signal();
  const c: TestCoordinator = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step }, stepReport, worker) => {
        const go = () => worker.send({ stepReport });
        if (step === 2 && worker.received.every(({ membership }) => membership?.members?.length !== 3)) {
          void resizeTo(3)
            .then(() => threeThere.given)
            .then(go);
          return undefined;
        }
        return { stepReport };
      },
    },
    'worker-2': {
      onStageStart: ({ stage = 0 }, worker) => {
        worker.send({ stageReady: { stage } });
        threeThere.give();
        return undefined;
      },
      onStep: ({ step }, stepReport) => {
        if (step !== 4) return { stepReport };
        void resizeTo(1);
        return undefined;
      },
    },
  });
  runId = await submit(c.client, await trainFile(c, { workers: 1 }), join(c.dir, 'out'));
  const events = await watch(c.client, runId);
  const run = await getRun(c.client, runId);
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.equal(run.workers, 1);
  const generations = generationsOf(events);
  assert.equal(generations[0], 'worker-0 after 0: +worker-0');
  assert.match(generations.at(-1)!, /^worker-0 after 3:.* -worker-2 \(left: the run was resized to 1\)/);
  assert.deepEqual(checkpointsOf(events), [3]);
  for (const workerId of ['worker-1', 'worker-2']) {
    assert.deepEqual(await c.launcher.latest(workerId).exited, { code: 0, signal: null });
  }
  assert.deepEqual(await metricsOf(join(c.dir, 'out')), await undisturbed(t));

  await assert.rejects(resizeTo(2), { code: status.FAILED_PRECONDITION, details: /is completed/ });
  await assert.rejects(resizeTo(0), { code: status.INVALID_ARGUMENT, details: /at least 1/ });
});

test('a worker that the run has no place for is sent away, and nothing is wrong', async (t) => {
  const exits: unknown[] = [];
  const askForPlace = async (worker: ScriptedWorker) => {
    const stranger = new ScriptedWorker(c.coordinator.address, runId, 'worker-1');
    // What a worker goes on to say that had a place before.
    stranger.send({ heartbeat: {} });
    exits.push(await stranger.exited);
    worker.send({ stepReport: held! });
  };
  let held: v1.StepReport.$Properties | undefined;
  const c: TestCoordinator = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step }, stepReport, worker) => {
        if (step !== 2) return { stepReport };
        held = stepReport;
        void askForPlace(worker);
        return undefined;
      },
    },
  });
  const runId = await submit(c.client, await trainFile(c, { workers: 1 }), join(c.dir, 'out'));
  const events = await watch(c.client, runId);
  assert.equal((await getRun(c.client, runId)).state, RunState.RUN_STATE_COMPLETED);
  assert.deepEqual(exits, [{ code: 0, signal: null }]);
  assert.equal(generationsOf(events).length, 1);
  assert.ok(warningsOf(events).every((text) => !text.includes('worker-1')));
});

test('a worker that was told to end is let go after a checkpoint, and replaced without counting as a failure', async (t) => {
  const leaving = onceAt(3, (worker) => worker.send({ leaving: { reason: 'SIGTERM' } }));
  const c = await startTestCoordinator(t, { 'worker-1': leaving });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(checkpointsOf(events), [2]);
  const [, second] = generationsOf(events);
  assert.equal(second, 'worker-0 worker-2 after 2: -worker-1 (left: SIGTERM)');
  const [leaver] = c.launcher.workers.filter(({ workerId }) => workerId === 'worker-1');
  assert.deepEqual(await leaver!.exited, { code: 0, signal: null });
  assert.deepEqual(
    leaver!.received.slice(-2).map(({ message }) => message),
    ['writeCheckpoint', 'stop'],
  );
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a collective that fails is tried again with the same workers', async (t) => {
  let failures = 0;
  const c = await startTestCoordinator(t, {
    'worker-2': {
      onStep: ({ step, generation = 0 }, stepReport) => {
        if (step !== 2 || failures === 2) return { stepReport };
        failures += 1;
        return { collectiveFailure: { generation, reason: 'a frame was damaged', suspects: [] } };
      },
    },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.equal(c.launcher.workers.length, 3);
  assert.deepEqual(generationsOf(events).slice(1), [
    'worker-0 worker-1 worker-2 after 1:',
    'worker-0 worker-1 worker-2 after 1:',
  ]);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('after three failures in a row the one that is named most often goes; where nobody is named, the run fails', async (t) => {
  const blaming = (suspects: string[]): Script => ({
    onStep: ({ step, generation = 0 }, stepReport, worker) => {
      const members = membershipsOf(worker).at(-1)?.members ?? [];
      if (step !== 2 || members.length < 3) return { stepReport };
      return { collectiveFailure: { generation, reason: 'no route', suspects } };
    },
  });
  const c = await startTestCoordinator(t, { 'worker-0': blaming(['worker-2']) });
  const { run, events } = await runToEnd(c, await trainFile(c, { max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.match(
    generationsOf(events).at(-1)!,
    /^worker-0 worker-1 after 1: -worker-2 \(could not be worked with, 3 times in a row \(worker-0: no route\)/,
  );

  const other = await startTestCoordinator(t, { 'worker-0': blaming([]) });
  const failed = await runToEnd(other, await trainFile(other));
  assert.match(failed.run.reason!, /cannot go on together, 3 times in a row: worker-0: no route/);
});

test('a worker that its peers cannot reach and that is silent is lost sooner than one that is only silent', async (t) => {
  const c = await startTestCoordinator(
    t,
    {
      'worker-0': {
        onStep: ({ step, generation = 0 }, stepReport, worker) => {
          const members = membershipsOf(worker).at(-1)?.members ?? [];
          if (step !== 2 || members.length < 2 || members[1]?.workerId !== 'worker-1') return { stepReport };
          return { collectiveFailure: { generation, reason: 'no answer', suspects: ['worker-1'] } };
        },
        onMembership: ({ generation = 0 }, worker) => {
          // It lives, as the heartbeats of a real worker say.
          beating ??= setInterval(() => worker.send({ heartbeat: {} }), 20);
          return { generationReady: { generation } };
        },
      },
      'worker-1': {
        // As if it were stopped: it takes part in the first generation, then says nothing.
        onStep: ({ step }, stepReport) => (step === 1 ? { stepReport } : undefined),
        onMembership: ({ generation = 0 }) =>
          generation === 1 ? { generationReady: { generation } } : undefined,
      },
    },
    { cluster: { heartbeatIntervalMs: 50, suspectTimeoutMs: 300, heartbeatTimeoutMs: 3_600_000 } },
  );
  let beating: NodeJS.Timeout | undefined;
  t.after(() => clearInterval(beating));
  const { run, events } = await runToEnd(c, await trainFile(c, { workers: 2, max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.match(generationsOf(events).at(-1)!, /^worker-0 after 1: -worker-1 \(has not been heard of/);
});

test('a worker that loses only its stream comes back with what it holds, and nothing is computed twice', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onStep: ({ step }, stepReport, worker) => {
        if (step !== 3 || membershipsOf(worker).length > 1) return { stepReport };
        worker.reconnect();
        return undefined;
      },
    },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 1, max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.equal(c.launcher.workers.length, 1);
  assert.deepEqual(sourcesOf(c.launcher.workers[0]!), [
    ['INITIAL', 0],
    ['MEMBERS', 2],
  ]);
  assert.deepEqual(generationsOf(events)[1], 'worker-0 after 2:');
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a commit that got lost with the stream is made up for: the step is not computed again', async (t) => {
  let lost = 0;
  const c = await startTestCoordinator(t, {
    'worker-1': {
      loses: ({ stepCommit }, worker) => {
        if (stepCommit?.step !== 3 || lost > 0) return false;
        lost += 1;
        worker.reconnect();
        return true;
      },
    },
  });
  const { run, events, outputDir } = await runToEnd(c, await trainFile(c, { workers: 2, min_workers: 2 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.equal(lost, 1);
  assert.equal(generationsOf(events)[1], 'worker-0 worker-1 after 3:');
  // Both hold the step, and so all parts of the state.
  for (const { held } of membershipsOf(c.launcher.latest('worker-1'))[1]!.members) assert.ok(held);
  assert.equal(c.launcher.workers.length, 2);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('the one that saves the model dies: another one saves', async (t) => {
  const saved: string[] = [];
  const c = await startTestCoordinator(t, {
    'worker-0': {
      onSave: (_, worker) => worker.leave(killed),
    },
    'worker-1': { onSave: (_, worker) => void saved.push(worker.workerId) },
  });
  const { run, outputDir } = await runToEnd(c, await trainFile(c, { workers: 2, max_restarts: 0 }));
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(saved, ['worker-1']);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a gradient that is not finite fails the run before any weight changes, with step, parameter and rows', async (t) => {
  const c = await startTestCoordinator(t, spoiling(2));
  const { run } = await runToEnd(c, await trainFile(c, { workers: 2 }));
  assert.equal(run.state, RunState.RUN_STATE_FAILED);
  assert.equal(run.committedSteps, 1);
  assert.match(
    run.reason!,
    /^step 2: the gradient of lm_head\.weight is not finite; it comes from data rows 5, 6\. No weight was changed; a lower learning_rate/,
  );
  assert.ok(
    c.launcher.workers.every(({ received }) => received.every(({ stepCommit }) => stepCommit?.step !== 2)),
  );
});

test('on_nonfinite: skip counts the step, tells of it, and goes on', async (t) => {
  const c = await startTestCoordinator(t, spoiling(2));
  const { run, events, outputDir } = await runToEnd(
    c,
    await trainFile(c, { workers: 2, on_nonfinite: 'skip' }),
  );
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual([run.committedSteps, run.skippedSteps], [6, 1]);
  assert.deepEqual(
    warningsOf(events).filter((text) => text.includes('skipped')),
    [
      'step 2: the gradient of lm_head.weight is not finite; it comes from data rows 5, 6: the step is skipped',
    ],
  );
  const commits = c.launcher.workers[0]!.received.flatMap(({ stepCommit }) => stepCommit ?? []);
  assert.deepEqual(
    commits.map(({ step, skipped }) => [step, skipped ?? false]),
    [1, 2, 3, 4, 5, 6].map((step) => [step, step === 2]),
  );
  const rows = (await metricsOf(outputDir)) as Record<string, unknown>[];
  assert.deepEqual(
    [rows[1]!['loss'], rows[1]!['grad_norm'], rows[1]!['step'], rows[1]!['num_tokens']],
    [null, null, 2, 40],
  );
});

/** Two workers whose report of this step says that the gradient is not finite. */
function spoiling(spoiledStep: number): Record<string, Script> {
  const script: Script = {
    onStep: ({ step }, stepReport) => {
      if (step !== spoiledStep) return { stepReport };
      const [first, ...others] = stepReport.examples ?? [];
      const rows = [4 + (first?.position ?? 0)];
      return {
        stepReport: {
          ...stepReport,
          examples: [{ ...first!, loss: NaN }, ...others],
          gradNorm: NaN,
          nonFinite: { parameter: 'lm_head.weight', rows },
        },
      };
    },
  };
  return { 'worker-0': script, 'worker-1': script };
}

test('a worker that stays slow is called a straggler once, and never lost', async (t) => {
  const c = await startTestCoordinator(t, {
    'worker-1': {
      onStep: (_, stepReport) => ({
        stepReport: { ...stepReport, times: { ...stepReport.times, gradientMs: 3000 } },
      }),
    },
  });
  const file = await trainFile(c, { workers: 2, epochs: STRAGGLER_STEPS });
  const { run, events } = await runToEnd(c, file);
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const warnings = warningsOf(events).filter((text) => text.includes('times as long'));
  assert.equal(warnings.length, 1, warnings.join());
  assert.match(warnings[0]!, /worker-1 takes [0-9.]+ times as long as the others/);
  assert.equal(generationsOf(events).length, 1);
});

test('a stopped coordinator leaves a checkpoint; started again on its state, it goes on from there', async (t) => {
  const reached = signal();
  const before = await startTestCoordinator(t, { 'worker-0': onceAt(4, () => reached.give()) });
  const { dir } = before;
  const runId = await submit(before.client, await trainFile(before), join(dir, 'out'));
  const watching = watch(before.client, runId).catch(() => undefined);
  await reached.given;
  await before.coordinator.stop('for a while');
  await watching;

  const after = await startTestCoordinator(t, {}, { dir });
  const events = await watch(after.client, runId);
  const run = await getRun(after.client, runId);
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(statesOf(events), [
    'queued',
    'starting',
    'running',
    'queued',
    'starting',
    'running',
    'completed',
  ]);
  assert.deepEqual(checkpointsOf(events), [3]);
  assert.deepEqual(sourcesOf(after.launcher.latest('worker-0')), [['CHECKPOINT', 3]]);
  assert.equal(membershipsOf(after.launcher.latest('worker-0'))[0]?.generation, 2);
  assert.deepEqual(
    events.flatMap(({ stageStarted }) => (stageStarted ? [stageStarted.committedSteps] : [])),
    [0, 3],
  );
  assert.deepEqual(noticesOf(events).filter((text) => text.includes('rows used')).length, 1);
  assert.deepEqual(await metricsOf(join(dir, 'out')), await undisturbed(t));
  await after.coordinator.stop('to look at the journal');
  auditWork(join(dir, 'state'), runId, rowsOfSixSteps);
});

test('a cancelled run can be resumed, on another number of workers, and only with its data', async (t) => {
  const reached = signal();
  const c = await startTestCoordinator(t, { 'worker-0': onceAt(4, () => reached.give()) });
  const outputDir = join(c.dir, 'out');
  const runId = await submit(c.client, await trainFile(c), outputDir);
  const resume = () => callUnary(c.client, runService.resumeRun, { runId });
  await assert.rejects(resume(), { code: status.FAILED_PRECONDITION, details: /only a cancelled or failed/ });
  const watching = watch(c.client, runId);
  await reached.given;
  await callUnary(c.client, runService.cancelRun, { runId, save: true });
  assert.deepEqual(checkpointsOf(await watching), [3]);
  assert.equal(nameOf(await getRun(c.client, runId)), 'cancelled');

  await writeRows(c.dir, 'train.jsonl', [...eightRows.slice(0, 7), { ...eightRows[7]!, label: true }]);
  await resume();
  await watch(c.client, runId);
  const refused = await getRun(c.client, runId);
  assert.match(refused.reason!, /^stage 1: .*train\.jsonl.* no longer gives the examples/);
  assert.equal(refused.failureKind, v1.FailureKind.FAILURE_KIND_CONFIG);

  await writeRows(c.dir, 'train.jsonl', eightRows);
  const sequence = (await watch(c.client, runId)).at(-1)!.sequence;
  await resume();
  const events = await watch(c.client, runId, { afterSequence: sequence });
  assert.deepEqual(statesOf(events), ['queued', 'starting', 'running', 'completed']);
  assert.deepEqual(sourcesOf(c.launcher.latest('worker-0')), [['CHECKPOINT', 3]]);
  assert.deepEqual(await metricsOf(outputDir), await undisturbed(t));
});

test('a stage that is done is not trained again', async (t) => {
  const reached = signal();
  const hang: Script = {
    onStep: (work, stepReport) => {
      if (work.stage === 1 || started.has(work.stage ?? 0)) return { stepReport };
      started.add(work.stage ?? 0);
      reached.give();
      return undefined;
    },
  };
  const started = new Set<number>();
  const before = await startTestCoordinator(t, { 'worker-0': hang });
  const stages = [{ method: 'sft', max_steps: 2 }, { method: 'kto' }];
  const runYaml = await trainFile(before, { method: undefined, epochs: 1, stages });
  const runId = await submit(before.client, runYaml, join(before.dir, 'out'));
  const watching = watch(before.client, runId).catch(() => undefined);
  await reached.given;
  await before.coordinator.stop('for a while');
  await watching;

  const after = await startTestCoordinator(t, {}, { dir: before.dir });
  await watch(after.client, runId);
  const run = await getRun(after.client, runId);
  assert.equal(run.state, RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  const stagesSeen = after.launcher.workers[0]!.received.flatMap(({ stageStart }) => stageStart?.stage ?? []);
  assert.deepEqual(stagesSeen, [2]);
  assert.equal((await metricsOf(join(before.dir, 'out'))).length, 4);
});
