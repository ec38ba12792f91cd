import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials, type Client } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../lib/errors.js';
import { spawnChild } from '../../lib/process/child.js';
import { connect, openServerStream } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { LifeSigns } from './coordinator-doubles/life-signs.js';
import {
  eightRows,
  getRun,
  runFileOf,
  submit,
  watch,
  writeRows,
} from './coordinator-doubles/test-coordinator.js';

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const entries = [
  ...['--worker-entry', program('./coordinator-doubles/worker-program.js')],
  ...['--reference-entry', program('./coordinator-doubles/reference-program.js')],
];

/** Starts the coordinator's program; its temporary directory is the test's own, to see what it leaves there. */
async function start(t: TestContext, dir: string, lifeSigns: LifeSigns, { hang = false } = {}) {
  const temporary = join(dir, 'tmp');
  await mkdir(temporary, { recursive: true });
  const child = spawnChild({
    name: 'the coordinator',
    entry: program('../../coordinator/main.js'),
    args: [
      '--state-dir',
      join(dir, 'state'),
      '--listen',
      '127.0.0.1:0',
      '--metrics-listen',
      '127.0.0.1:0',
      ...entries,
    ],
    env: { ...lifeSigns.env, TMPDIR: temporary, ...(hang && { PROSPECT_TEST_HANG: '1' }) },
    logFile: join(dir, 'coordinator.log'),
  });
  t.after(() => child.stop({ graceMs: 0 }));
  const { address, metricsAddress } = await child.ready;
  const client = connect(address!, credentials.createInsecure());
  t.after(() => client.close());
  return { child, client, temporary, metricsAddress: metricsAddress! };
}

async function submitRun(client: Parameters<typeof submit>[0], dir: string) {
  const train = await writeRows(dir, 'train.jsonl', eightRows);
  const outputDir = join(dir, 'out');
  return { outputDir, runId: await submit(client, runFileOf(train), outputDir) };
}

const socketDirectories = async (dir: string) =>
  (await readdir(join(dir, 'state'))).filter((name) => name.startsWith('sockets-'));

test('a run with processes of its own; SIGTERM leaves nothing behind', async (t) => {
  const dir = await temporaryDirectory(t);
  const lifeSigns = await LifeSigns.listen(t);
  const { child, client, temporary, metricsAddress } = await start(t, dir, lifeSigns);
  const { runId, outputDir } = await submitRun(client, dir);
  await watch(client, runId);
  const run = await getRun(client, runId);
  assert.equal(run.state, v1.RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  await lifeSigns.until();
  assert.deepEqual((await readdir(join(outputDir, 'logs'))).sort(), [
    'reference-1.log',
    'worker-0.log',
    'worker-1.log',
  ]);
  assert.equal(await readFile(join(outputDir, 'logs/worker-1.log'), 'utf8'), 'worker-1 has 1 threads\n');
  assert.equal((await fetch(`http://${metricsAddress}/healthz`)).status, 200);

  assert.deepEqual(await child.stop({ graceMs: 60_000 }), { code: 0, signal: null });
  assert.deepEqual(await readdir(temporary), []);
  assert.deepEqual(await socketDirectories(dir), []);
});

test('SIGTERM in the middle of a run takes all processes along, and the next coordinator goes on with it', async (t) => {
  const dir = await temporaryDirectory(t);
  const lifeSigns = await LifeSigns.listen(t);
  const { child, client, temporary } = await start(t, dir, lifeSigns, { hang: true });
  const { runId, outputDir } = await submitRun(client, dir);
  await untilMembers(client, runId, 2);
  assert.deepEqual(await child.stop({ graceMs: 60_000 }), { code: 0, signal: null });
  await lifeSigns.until();
  assert.deepEqual(await readdir(temporary), []);
  await goesOn(t, { dir, lifeSigns, runId, outputDir });
});

test('kill -9 of the coordinator ends its children, and the next one goes on with the run', async (t) => {
  const dir = await temporaryDirectory(t);
  const lifeSigns = await LifeSigns.listen(t);
  const first = await start(t, dir, lifeSigns, { hang: true });
  const { runId, outputDir } = await submitRun(first.client, dir);
  await untilMembers(first.client, runId, 2);
  await first.child.stop({ graceMs: 0 });
  await lifeSigns.until();
  assert.equal((await socketDirectories(dir)).length, 1);
  await goesOn(t, { dir, lifeSigns, runId, outputDir });
  assert.deepEqual(await socketDirectories(dir), []);
});

test('kill -9 of a worker is told with its reason, and another process takes its place', async (t) => {
  const dir = await temporaryDirectory(t);
  const lifeSigns = await LifeSigns.listen(t);
  const { child, client } = await start(t, dir, lifeSigns, { hang: true });
  const { runId } = await submitRun(client, dir);
  await untilMembers(client, runId, 2);
  const [, , before] = await lifeSigns.until('reference', 'worker-0', 'worker-1');
  process.kill(before!.pid, 'SIGKILL');
  const changed = await untilMembers(client, runId, 1);
  assert.deepEqual(
    (changed.lost ?? []).map(({ workerId, reason }) => [workerId, reason]),
    [['worker-1', 'was killed by SIGKILL in the middle of the run']],
  );
  const { pid } = before!;
  const [, , after] = await lifeSigns.until('reference', 'worker-0', 'worker-1');
  assert.notEqual(after!.pid, pid);
  await child.stop({ graceMs: 60_000 });
  await lifeSigns.until();
});

/** Resolves when a generation of so many workers goes on. */
async function untilMembers(
  client: Client,
  runId: string,
  count: number,
): Promise<v1.MembershipChanged.$Properties> {
  const stream = openServerStream(client, runService.watchRun, { runId, afterSequence: 0 });
  try {
    for await (const { membershipChanged } of stream as AsyncIterable<v1.WatchRunResponse>) {
      if (membershipChanged?.workers?.length === count) return membershipChanged;
    }
  } finally {
    stream.on('error', () => undefined);
    stream.cancel();
  }
  throw new Error(`the run ended without ${count} members`);
}

/** A coordinator on the same state takes the run to its end without being asked. */
async function goesOn(
  t: TestContext,
  run: {
    readonly dir: string;
    readonly lifeSigns: LifeSigns;
    readonly runId: string;
    readonly outputDir: string;
  },
): Promise<void> {
  const { child, client, temporary } = await start(t, run.dir, run.lifeSigns);
  assert.deepEqual(await readdir(temporary), []);
  await watch(client, run.runId);
  const { state, reason } = await getRun(client, run.runId);
  assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
  const lines = (await readFile(join(run.outputDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { step: number }).step),
    [1, 2],
  );
  await child.stop({ graceMs: 60_000 });
}

test('a second coordinator on the same state, and bad arguments, are errors', async (t) => {
  const dir = await temporaryDirectory(t);
  const lifeSigns = await LifeSigns.listen(t);
  await start(t, dir, lifeSigns);
  await assert.rejects(
    start(t, dir, lifeSigns),
    (error) => error instanceof RunError && error.message.includes('is in use by another coordinator'),
  );

  const bad = spawnChild({
    name: 'the coordinator',
    entry: program('../../coordinator/main.js'),
    args: ['--state-directory', dir],
    stdio: 'ignore',
  });
  await assert.rejects(bad.ready, ConfigError);
  assert.deepEqual(await bad.exited, { code: 2, signal: null });
});
