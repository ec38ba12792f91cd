import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { destination, pino } from 'pino';
import type { LaunchedProcess, WorkerSpec } from '../../coordinator/launch/launcher.js';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { startCoordinator } from '../../coordinator/server.js';
import type { ProcessExit } from '../../lib/process/child.js';
import { callUnary, connect } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { privateCache } from './prospect.js';
import { TestNetwork, whyNoNetworks, type NetworkNode } from '../support/namespaces.js';
import { RunWatch } from '../support/run-watch.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTinyRun } from '../support/tiny-run.js';

const skip = whyNoNetworks() ?? false;
const seed = Number(process.env['PROSPECT_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const machines = 3;
const steps = 20;

/** Short, so that the tests are: a cut-off worker is given up after seconds instead of a minute. */
const cluster = {
  heartbeatIntervalMs: 500,
  heartbeatTimeoutMs: 15_000,
  joinTimeoutMs: 30_000,
  stopGraceMs: 5_000,
};
const collectiveTimeoutMs = 15_000;
/** Longer than any of these time-outs, with a new worker's start. */
const patienceMs = 90_000;

const entry = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Workers on the machines of a test network; the replica on this one, which all of them reach by its Unix socket. */
class NetworkLauncher extends ProcessLauncher {
  readonly #coordinator: string;
  readonly #nodes: readonly NetworkNode[];

  constructor(coordinatorAddress: string, stateDir: string, nodes: readonly NetworkNode[]) {
    const entries = {
      workerEntry: entry('worker/main.js'),
      referenceEntry: entry('worker/reference/main.js'),
    };
    super({ ...entries, coordinatorAddress, stateDir });
    this.#coordinator = coordinatorAddress;
    this.#nodes = nodes;
  }

  override launchWorker({ runId, workerId, threads, logFile }: WorkerSpec): LaunchedProcess {
    const { namespace, address } = this.#nodes[Number(/\d+$/.exec(workerId)![0])]!;
    const args = ['--coordinator', this.#coordinator, '--run-id', runId, '--worker-id', workerId];
    args.push('--listen-host', address, '--threads', `${threads}`);
    args.push('--collective-timeout-ms', `${collectiveTimeoutMs}`);
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    // `ip netns exec` becomes the program that it is given, and hands its lifeline on.
    const child = fork(entry('worker/main.js'), args, {
      execPath: 'ip',
      execArgv: ['netns', 'exec', namespace, process.execPath],
      // The coordinator is on another of these machines.
      env: { ...process.env, PROSPECT_ALLOW_PLAINTEXT: 'true' },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    const exited = new Promise<ProcessExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const stop = async ({ graceMs }: { readonly graceMs: number }) => {
      child.kill('SIGTERM');
      const lastResort = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const exit = await exited;
      clearTimeout(lastResort);
      return exit;
    };
    return { name: workerId, exited, stop };
  }
}

interface Running {
  readonly outputDir: string;
  readonly watch: RunWatch;
}

describe('a network that fails changes no weight', { skip, timeout: 900_000 }, () => {
  let network: TestNetwork;
  let undisturbed: string;

  before(async () => {
    network = await TestNetwork.create(machines, seed);
    Object.assign(process.env, privateCache());
  });
  after(() => network.close());

  async function start(t: TestContext): Promise<Running> {
    t.diagnostic(`seed ${seed}`);
    const dir = await temporaryDirectory(t);
    const outputDir = join(dir, 'out');
    const coordinator = await startCoordinator({
      stateDir: join(dir, 'state'),
      listen: `${network.hostAddress}:0`,
      metricsListen: null,
      paths: { kind: 'any' },
      maxWorkers: null,
      makeLauncher: (address) => new NetworkLauncher(address, join(dir, 'state'), network.nodes),
      cluster,
      log: pino(destination({ dest: join(dir, 'coordinator.log'), sync: true })),
      onFatal: (error) => {
        throw error;
      },
    });
    const client = connect(coordinator.address, credentials.createInsecure());
    t.after(async () => {
      client.close();
      await coordinator.stop('the test is over');
      // What is still connected to a machine that was cut off now hears that nobody is there.
      network.nodes.forEach((_, node) => network.setWire(node, {}));
    });
    const keys = { workers: machines, max_steps: steps, save_steps: 5 };
    const { text } = writeTinyRun(dir, { method: 'kto', keys });
    const { run } = await callUnary(client, runService.submitRun, { runYaml: text, outputDir });
    return { outputDir, watch: new RunWatch(() => Promise.resolve(client), run?.id ?? '', patienceMs) };
  }

  async function weightsAtEnd({ watch, outputDir }: Running): Promise<string> {
    const { state, reason } = await watch.ended;
    assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
    assert.equal(watch.commits.length, steps);
    return createHash('sha256')
      .update(readFileSync(join(outputDir, 'model/model.safetensors')))
      .digest('hex');
  }

  async function compare(running: Running): Promise<void> {
    assert.equal(await weightsAtEnd(running), undisturbed);
  }

  test('nothing fails', async (t) => {
    undisturbed = await weightsAtEnd(await start(t));
  });

  test('a worker is cut off for 5 seconds', async (t) => {
    const running = await start(t);
    await running.watch.untilCommitted(5);
    network.setWire(1, { drop: 'both' });
    await delay(5_000);
    network.setWire(1, {});
    await compare(running);
  });

  test('the interface of a worker goes down, and up again after 5 seconds', async (t) => {
    const running = await start(t);
    await running.watch.untilCommitted(5);
    network.setInterface(1, 'down');
    await delay(5_000);
    network.setInterface(1, 'up');
    await compare(running);
  });

  test('a worker is cut off for good: the others go on without it', async (t) => {
    const running = await start(t);
    await running.watch.untilCommitted(5);
    network.setWire(2, { drop: 'both' });
    await compare(running);
    const last = running.watch.memberships.at(-1);
    assert.deepEqual(last?.workers, ['worker-0', 'worker-1']);
  });

  test('a worker hears the others, and nobody hears it', async (t) => {
    const running = await start(t);
    await running.watch.untilCommitted(5);
    network.setWire(0, { drop: 'sent' });
    await compare(running);
  });

  test('a worker is heard, and hears nobody', async (t) => {
    const running = await start(t);
    await running.watch.untilCommitted(5);
    network.setWire(0, { drop: 'received' });
    await compare(running);
  });

  test('2 % of all packets are lost and all others late by 50 ms', async (t) => {
    network.nodes.forEach((_, node) => network.setWire(node, { delayMs: 50, loss: 0.02 }));
    await compare(await start(t));
  });
});
