import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { credentials, status, type ChannelCredentials, type Client, type ServiceError } from '@grpc/grpc-js';
import Database from 'libsql';
import { pino } from 'pino';
import { curveKeyPair, Dealer } from 'zeromq';
import type { MemberRecord } from '../../coordinator/journal/records.js';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { startCoordinator, type Coordinator } from '../../coordinator/server.js';
import { channelCredentials } from '../../lib/security/channel-credentials.js';
import { callUnary, connect } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { Authority } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { getRun, submit } from './coordinator-doubles/test-coordinator.js';
import type { Guard } from './guarded-worker.js';
import { privateCache } from './prospect.js';

const domain = 'prospect.test.svc';
const loopback = '127.0.0.1:0';
const patienceMs = 300_000;
const entry = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** So often do strangers come: all of them from one address, as the workers, which may connect only so often. */
const rounds = 20;

/** Long enough that a stranger's key is refused meanwhile. */
const run = { method: 'kto', keys: { max_steps: 150, workers: 2 } } as const;

interface Service {
  readonly coordinator: Coordinator;
  readonly client: Client;
  readonly stateDir: string;
}

const common = {
  listen: loopback,
  metricsListen: loopback,
  paths: { kind: 'any' },
  maxWorkers: null,
  log: pino({ level: 'silent' }),
  onFatal: (error: unknown) => {
    throw error;
  },
} as const;

const launcherOf = (workerEntry: string, stateDir: string) => (coordinatorAddress: string) =>
  new ProcessLauncher({
    workerEntry: entry(workerEntry),
    referenceEntry: entry('worker/reference/main.js'),
    coordinatorAddress,
    stateDir,
  });

/** As on one machine: in plain text. */
async function startPlain(t: TestContext): Promise<Service> {
  const stateDir = join(await temporaryDirectory(t), 'state');
  const makeLauncher = launcherOf('worker/main.js', stateDir);
  const coordinator = await startCoordinator({ ...common, stateDir, makeLauncher });
  return stoppedAfter(t, {
    coordinator,
    stateDir,
    client: connect(coordinator.address, credentials.createInsecure()),
  });
}

/** As on a cluster: workers with certificates and keys. */
async function startGuarded(
  t: TestContext,
  authority: Authority,
): Promise<Service & { readonly metricsDir: string }> {
  const dir = await temporaryDirectory(t);
  const stateDir = join(dir, 'state');
  const metricsDir = join(dir, 'metrics');
  mkdirSync(metricsDir);
  const guardFile = join(dir, 'guard.json');
  process.env['PROSPECT_TEST_GUARD'] = guardFile;
  const coordinator = await startCoordinator({
    ...common,
    stateDir,
    security: {
      tls: authority.issue('coordinator', { names: ['IP:127.0.0.1'] }),
      identityDomain: domain,
      tokens: null,
      localWorkers: false,
      callRate: { burst: 50, perSecond: 10 },
    },
    makeLauncher: launcherOf('test/integration/guarded-worker.js', stateDir),
  });
  const tls = authority.issue('worker', { names: [`DNS:worker.${domain}`] });
  writeFileSync(
    guardFile,
    JSON.stringify({ coordinator: coordinator.address, tls, metricsDir } satisfies Guard),
  );
  const submitter = channelCredentials(authority.issue('submit', { names: [`DNS:submit.${domain}`] }));
  const service = { coordinator, stateDir, client: connect(coordinator.address, submitter) };
  return { ...stoppedAfter(t, service), metricsDir };
}

function stoppedAfter(t: TestContext, service: Service): Service {
  t.after(async () => {
    service.client.close();
    await service.coordinator.stop('the test is over');
  });
  return service;
}

/** Trains the run to its end, with `meanwhile` from its first step on; returns what its weights hash to. */
async function train(
  t: TestContext,
  { client }: Service,
  meanwhile: (runId: string, isOver: () => boolean) => Promise<void>,
): Promise<string> {
  const dir = await temporaryDirectory(t);
  const { text } = writeTinyRun(dir, run);
  const outputDir = join(dir, 'out');
  const runId = await submit(client, text, outputDir);
  const deadline = Date.now() + patienceMs;
  let state: v1.RunState = v1.RunState.RUN_STATE_QUEUED;
  const isOver = () => state >= v1.RunState.RUN_STATE_COMPLETED && state <= v1.RunState.RUN_STATE_CANCELLED;
  let strangers: Promise<void> | undefined;
  while (!isOver()) {
    assert.ok(Date.now() < deadline, 'the run takes too long');
    const now = await getRun(client, runId);
    state = now.state ?? v1.RunState.RUN_STATE_UNSPECIFIED;
    if ((now.committedSteps ?? 0) > 0) strangers ??= meanwhile(runId, isOver);
    await delay(200);
  }
  await strangers;
  const ended = await getRun(client, runId);
  assert.deepEqual([ended.state, ended.reason], [v1.RunState.RUN_STATE_COMPLETED, '']);
  const weights = readFileSync(join(outputDir, 'model', 'model.safetensors'));
  return createHash('sha256').update(weights).digest('hex');
}

function membersOf({ stateDir }: Service, runId: string): readonly MemberRecord[] {
  const database = new Database(join(stateDir, 'journal.sqlite'), { readonly: true });
  try {
    const { members_json: json } = database
      .prepare('SELECT members_json FROM memberships WHERE run_id = ? ORDER BY generation DESC LIMIT 1')
      .get(runId) as { readonly members_json: string };
    return JSON.parse(json) as MemberRecord[];
  } finally {
    database.close();
  }
}

/** How a call ends that would submit a run. */
async function submitsAs(address: string, channel: ChannelCredentials): Promise<string> {
  const client = connect(address, channel);
  try {
    await callUnary(client, runService.submitRun, {});
    return 'OK';
  } catch (error) {
    return status[(error as ServiceError).code];
  } finally {
    client.close();
  }
}

/** Connects to a worker's collective with a key of its own; resolves to what becomes of it. */
function knock(t: TestContext, { collectiveEndpoint, collectivePublicKey }: MemberRecord): Promise<string> {
  const { publicKey: curvePublicKey, secretKey: curveSecretKey } = curveKeyPair();
  const keys = { curvePublicKey, curveSecretKey, curveServerKey: collectivePublicKey };
  const dealer = new Dealer({ linger: 0, ...keys });
  t.after(() => dealer.close());
  const fate = new Promise<string>((resolve) => {
    const types = [
      'handshake',
      'handshake:error:auth',
      'handshake:error:protocol',
      'handshake:error:other',
    ] as const;
    for (const type of types) dealer.events.on(type, () => resolve(type));
  });
  dealer.connect(collectiveEndpoint);
  return fate;
}

/** What a peer of ZMTP 3.1 says first that does not encrypt (RFC 37). */
const plainGreeting = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
  Buffer.from('NULL'.padEnd(20, '\0'), 'latin1'),
  Buffer.alloc(32),
]);

/**
 * The same without a key; resolves once the worker has hung up. A socket of ZeroMQ would see first that they do not fit, and
 * leave, often before the worker has read what it is.
 */
async function knockInPlain(t: TestContext, { collectiveEndpoint }: MemberRecord): Promise<string> {
  const { hostname, port } = new URL(collectiveEndpoint);
  const socket = connectTcp({ host: hostname, port: Number(port) });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined).resume();
  socket.write(plainGreeting);
  await once(socket, 'close');
  return 'handshake:error, by hanging up';
}

/** The sum of a metric over its labels; 0 where it cannot be asked any more. */
async function metric(address: string, name: string, labels = ''): Promise<number> {
  try {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}${labels}`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  } catch {
    return 0;
  }
}

test('strangers are refused and counted, and training comes to the same weights', async (t) => {
  Object.assign(process.env, privateCache());
  const undisturbed = await train(t, await startPlain(t), () => Promise.resolve());

  const dir = await temporaryDirectory(t);
  const authority = new Authority(join(dir, 'authority'));
  const other = new Authority(join(dir, 'other'));
  const submitName = { names: [`DNS:submit.${domain}`] };
  const of = (name: string, role: string, days = 2) =>
    channelCredentials(authority.issue(name, { names: [`DNS:${role}.${domain}`], days }));
  const strangers = {
    'no certificate': { channel: credentials.createSsl(readFileSync(authority.caFile)), fate: 'UNAVAILABLE' },
    'another authority': {
      channel: channelCredentials({ ...other.issue('submit', submitName), ca: authority.caFile }),
      fate: 'UNAVAILABLE',
    },
    'an expired certificate': { channel: of('expired', 'submit', -1), fate: 'UNAVAILABLE' },
    "a worker's certificate": { channel: of('stranger', 'worker'), fate: 'PERMISSION_DENIED' },
  };
  const flooderChannel = of('flooder', 'read');

  const service = await startGuarded(t, authority);
  const { address, metricsAddress } = service.coordinator;
  const knocks: Promise<string>[] = [];
  let refusedPeers = 0;
  /** What workers have counted is gone with them: it is looked at all the time. */
  const countRefused = async (isOver: () => boolean) => {
    while (!isOver()) {
      const workers = readdirSync(service.metricsDir).map((name) =>
        readFileSync(join(service.metricsDir, name), 'utf8'),
      );
      const counts = await Promise.all(
        workers.map((at) => metric(at, 'prospect_collective_refused_peers_total')),
      );
      refusedPeers = Math.max(
        refusedPeers,
        counts.reduce((sum, count) => sum + count, 0),
      );
      await delay(50);
    }
  };
  const disturb = async (runId: string, isOver: () => boolean) => {
    const [first, second] = membersOf(service, runId);
    knocks.push(knockInPlain(t, first!), knock(t, first!), knock(t, second!));
    const flooder = connect(address, flooderChannel);
    const counting = countRefused(isOver);
    for (let round = 0; round < rounds; round += 1) {
      for (const [who, { channel, fate }] of Object.entries(strangers))
        assert.equal(await submitsAs(address, channel), fate, who);
      const calls = Array.from({ length: 100 }, () => callUnary(flooder, runService.listRuns, {}));
      await Promise.allSettled(calls);
      await delay(100);
    }
    flooder.close();
    await counting;
  };
  assert.equal(await train(t, service, disturb), undisturbed);

  for (const fate of await Promise.all(knocks)) assert.match(fate, /^handshake:error/);
  assert.ok(refusedPeers >= 3, `${refusedPeers} peers refused`);
  const refused = (reason: string) =>
    metric(metricsAddress!, 'prospect_refused_calls_total', `{reason="${reason}"}`);
  for (const reason of ['certificate', 'role', 'rate']) assert.ok((await refused(reason)) > 0, reason);
  assert.equal(await metric(metricsAddress!, 'prospect_workers_lost_total'), 0);
});
