import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { defaultClusterSettings } from '../../../../coordinator/cluster/settings.js';
import { Journal } from '../../../../coordinator/journal/journal.js';
import type {
  LaunchedProcess,
  Launcher,
  RunSpec,
  WorkerSpec,
  Workforce,
  WorkforceEvents,
} from '../../../../coordinator/launch/launcher.js';
import { ProcessWorkforce } from '../../../../coordinator/launch/process-workforce.js';
import type { ActiveRun } from '../../../../coordinator/runs/active-run.js';
import { readRunFile } from '../../../../coordinator/runs/run-file.js';
import { WorkerFleet } from '../../../../coordinator/runs/worker-fleet.js';
import { Telemetry } from '../../../../coordinator/telemetry/telemetry.js';
import { ConfigError } from '../../../../lib/errors.js';
import type { ProcessExit } from '../../../../lib/process/child.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const crash = { code: 1, signal: null } as const;

class FakeProcess implements LaunchedProcess {
  readonly name: string;
  readonly exited: Promise<ProcessExit>;
  killed = false;
  end!: (exit: ProcessExit) => void;

  constructor({ workerId }: WorkerSpec) {
    this.name = workerId;
    this.exited = new Promise((resolve) => (this.end = resolve));
  }

  stop(): Promise<ProcessExit> {
    this.killed = true;
    this.end({ code: null, signal: 'SIGKILL' });
    return this.exited;
  }
}

class FakeLauncher implements Launcher {
  readonly launched: FakeProcess[] = [];

  readonly replicas = null;

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    return new ProcessWorkforce(run, events, (spec) => {
      const process_ = new FakeProcess(spec);
      this.launched.push(process_);
      return process_;
    });
  }

  endLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  get names(): string[] {
    return this.launched.map(({ name }) => name);
  }
}

async function makeFleet(t: TestContext, keys: string) {
  const dir = await temporaryDirectory(t);
  const journal = Journal.open(dir);
  const runYaml = `model: m\nmethod: sft\ndata: {train: t.jsonl}\n${keys}`;
  const config = readRunFile(runYaml, dir);
  const { workers } = config;
  const record = journal.addRun({
    id: 'run-1',
    name: 'run',
    runYaml,
    outputDir: dir,
    skipBadRows: false,
    workers,
  });
  const launcher = new FakeLauncher();
  const failure = new AbortController();
  const telemetry = new Telemetry(() => new Map());
  const run: ActiveRun = {
    record,
    journal,
    launcher,
    crews: new Map(),
    telemetry,
    measured: telemetry.ofRun(record.id),
    cluster: { ...defaultClusterSettings, joinTimeoutMs: 5_000 },
    log: pino({ level: 'silent' }),
    signal: failure.signal,
    fail: (error) => failure.abort(error),
  };
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const fleet = new WorkerFleet(run, config, () => undefined);
  t.after(async () => {
    await fleet.stop('the test is over');
    mock.timers.reset();
    journal.close();
  });
  fleet.start();
  return { fleet, launcher, run, failure, journal };
}

/** Lets everything happen that waits for no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

async function crashLatest(launcher: FakeLauncher): Promise<void> {
  launcher.launched.at(-1)!.end(crash);
  await settle();
}

async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settle();
}

test('a worker that fails is started again at once, then later and later, then not any more', async (t) => {
  const { fleet, launcher, journal } = await makeFleet(t, 'workers: 1\nmax_restarts: 3\n');
  assert.deepEqual(launcher.names, ['worker-0']);
  await crashLatest(launcher);
  await pass(0);
  assert.equal(launcher.launched.length, 2);
  for (const [index, delayMs] of [1_000, 2_000].entries()) {
    await crashLatest(launcher);
    await pass(delayMs - 1);
    assert.equal(launcher.launched.length, 2 + index);
    await pass(1);
    assert.equal(launcher.launched.length, 3 + index);
  }
  assert.deepEqual(fleet.toCome, ['worker-0']);
  await crashLatest(launcher);
  await pass(3_600_000);
  assert.equal(launcher.launched.length, 4);
  assert.deepEqual(fleet.toCome, []);
  assert.match(
    fleet.tooFew(0).message,
    /^worker-0 exited with code 1 .*worker-0\.log \(workers left: 0, min_workers: 1, max_restarts: 3\)$/,
  );
  const notices = journal.eventsAfter('run-1', 0, 100).flatMap(({ notice }) => notice?.text ?? []);
  assert.match(
    notices.at(-1)!,
    /^worker-0 exited with code 1 .*for the 4th time .*: it is not started again$/,
  );
});

test('a finished step forgives what failed before', async (t) => {
  const { fleet, launcher } = await makeFleet(t, 'workers: 1\nmax_restarts: 1\n');
  for (let failures = 1; failures <= 5; failures++) {
    await crashLatest(launcher);
    await pass(0);
    assert.equal(launcher.launched.length, 1 + failures);
    fleet.stepFinished(['worker-0']);
  }
});

test('a process that does not join in time is killed and started again', async (t) => {
  const { launcher } = await makeFleet(t, 'workers: 1\n');
  await pass(4_999);
  assert.ok(!launcher.launched[0]!.killed);
  await pass(1);
  assert.ok(launcher.launched[0]!.killed);
  await pass(0);
  assert.equal(launcher.launched.length, 2);
});

test('the exit code for bad input fails the run as the user’s matter', async (t) => {
  const { launcher, failure } = await makeFleet(t, 'workers: 1\n');
  launcher.launched[0]!.end({ code: 2, signal: null });
  await settle();
  assert.ok(failure.signal.reason instanceof ConfigError);
  assert.match(failure.signal.reason.message, /^worker-0 exited with code 2 .*worker-0\.log$/);
});

test('a resize starts what is missing, and ends what has not joined yet', async (t) => {
  const { fleet, launcher } = await makeFleet(t, 'workers: 2\n');
  fleet.resize(4);
  assert.deepEqual(launcher.names, ['worker-0', 'worker-1', 'worker-2', 'worker-3']);
  fleet.resize(1);
  assert.deepEqual(
    launcher.launched.map(({ killed }) => killed),
    [false, true, true, true],
  );
  await pass(3_600_000 / 1_000);
  assert.equal(launcher.launched.length, 4);
  assert.deepEqual(fleet.toCome, ['worker-0']);
  fleet.resize(2);
  assert.equal(launcher.names.at(-1), 'worker-1');
});

test('once it is closed, nothing is started again', async (t) => {
  const { fleet, launcher } = await makeFleet(t, 'workers: 2\n');
  await crashLatest(launcher);
  await fleet.stop('enough');
  await pass(3_600_000);
  assert.equal(launcher.launched.length, 2);
  assert.ok(launcher.launched[0]!.killed);
});
