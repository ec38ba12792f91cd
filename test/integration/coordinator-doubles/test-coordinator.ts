import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { credentials, type ChannelCredentials, type Client } from '@grpc/grpc-js';
import { pino } from 'pino';
import type { ClusterSettings } from '../../../coordinator/cluster/settings.js';
import type { SecurityOptions } from '../../../coordinator/security/options.js';
import type { PathPolicy } from '../../../coordinator/service/path-policy.js';
import { startCoordinator, type Coordinator } from '../../../coordinator/server.js';
import { callUnary, connect, openServerStream } from '../../../proto/calls.js';
import { runService, v1 } from '../../../proto/services.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { ScriptedLauncher } from './scripted-launcher.js';
import type { Script } from './scripted-worker.js';

export const llama = join(import.meta.dirname, '../../../../test/parity/fixtures/models/llama');
const loopback = '127.0.0.1:0';

export interface TestCoordinator {
  readonly dir: string;
  readonly coordinator: Coordinator;
  readonly launcher: ScriptedLauncher;
  readonly client: Client;
  /** Where workers that the coordinator starts reach it. */
  readonly workersAddress: string;
}

interface TestOptions {
  readonly dir?: string;
  readonly maxWorkers?: number | null;
  readonly cluster?: Partial<ClusterSettings>;
  readonly paths?: PathPolicy;
  readonly security?: SecurityOptions;
  readonly healthListen?: string;
  /** Of the client; default: plain text. */
  readonly clientCredentials?: ChannelCredentials;
  readonly storageDir?: string;
}

/** A coordinator in this process, on ports of its own, with scripted workers; stopped when the test ends. */
export async function startTestCoordinator(
  t: TestContext,
  scripts: Readonly<Record<string, Script>> = {},
  {
    dir: given,
    maxWorkers = null,
    cluster,
    paths = { kind: 'any' },
    storageDir,
    ...options
  }: TestOptions = {},
): Promise<TestCoordinator> {
  const dir = given ?? (await temporaryDirectory(t));
  let launcher: ScriptedLauncher | undefined;
  let workersAddress = '';
  const coordinator = await startCoordinator({
    stateDir: join(dir, 'state'),
    ...(storageDir !== undefined && { storageDir }),
    listen: loopback,
    security: options.security ?? null,
    healthListen: options.healthListen ?? null,
    metricsListen: loopback,
    paths,
    maxWorkers,
    makeLauncher: (address) => {
      workersAddress = address;
      return (launcher = new ScriptedLauncher(address, scripts));
    },
    cluster: { failureSettleMs: 300, restartDelayMs: 10, stopGraceMs: 2_000, ...cluster },
    log: pino({ level: 'silent' }),
    onFatal: (error) => {
      throw error;
    },
  });
  const client = connect(coordinator.address, options.clientCredentials ?? credentials.createInsecure());
  t.after(async () => {
    client.close();
    await coordinator.stop('the test is over');
    const complaints = launcher!.workers.flatMap(({ complaint }) => complaint ?? []);
    assert.deepEqual(complaints, [], 'what workers were told keeps to the contract');
  });
  return { dir, coordinator, launcher: launcher!, client, workersAddress };
}

/** A data row that is already tokenized. */
export interface TokenRow {
  readonly prompt_ids: readonly number[];
  readonly completion_ids: readonly number[];
  readonly label: boolean;
}

/** Eight rows with a prompt each; the last two are thumbs down. */
export const eightRows: readonly TokenRow[] = Array.from({ length: 8 }, (_, row) => ({
  prompt_ids: [10 + row, 20],
  completion_ids: [30 + row, 40, 50],
  label: row < 6,
}));

export async function writeRows(dir: string, name: string, rows: readonly TokenRow[]): Promise<string> {
  const file = join(dir, name);
  await mkdir(dir, { recursive: true });
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

/** Keys of a run file, as a user would write them. */
export type RunKeys = Readonly<Record<string, unknown>>;

/** A KTO run of one stage over `train`, changed by `keys`. JSON is YAML too. */
export function runFileOf(train: string, keys: RunKeys = {}): string {
  return JSON.stringify({
    model: llama,
    method: 'kto',
    data: { train },
    workers: 2,
    threads_per_worker: 1,
    shuffle: false,
    global_batch_size: 4,
    micro_batch_size: 2,
    max_length: 16,
    epochs: 1,
    ...keys,
  });
}

export async function submit(client: Client, runYaml: string, outputDir: string, skipBadRows = false) {
  const { run } = await callUnary(client, runService.submitRun, { runYaml, outputDir, skipBadRows });
  return run!.id ?? '';
}

export async function getRun(client: Client, runId: string) {
  const { run } = await callUnary(client, runService.getRun, { runId });
  return run!;
}

/** All events until the run ends; `onEvent` sees each as it comes. */
export async function watch(
  client: Client,
  runId: string,
  {
    afterSequence = 0,
    onEvent,
  }: { afterSequence?: number; onEvent?: (event: v1.WatchRunResponse) => void } = {},
): Promise<v1.WatchRunResponse[]> {
  const events: v1.WatchRunResponse[] = [];
  const stream = openServerStream(client, runService.watchRun, { runId, afterSequence });
  for await (const event of stream as AsyncIterable<v1.WatchRunResponse>) {
    events.push(event);
    onEvent?.(event);
  }
  return events;
}

/** Submits a run, waits for its end and returns how it ended. */
export async function runToEnd(test: TestCoordinator, runYaml: string, name = 'out') {
  const outputDir = join(test.dir, name);
  const runId = await submit(test.client, runYaml, outputDir);
  const events = await watch(test.client, runId);
  return { runId, outputDir, events, run: await getRun(test.client, runId) };
}
