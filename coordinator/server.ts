import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { ConfigError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { MonitoringServer, parseListen } from '../lib/monitoring-server.js';
import { packageVersion } from '../lib/package.js';
import { channelOptions, serve } from '../proto/calls.js';
import { clusterService, runService, uploadService } from '../proto/services.js';
import { clusterHandlers, type OpenCrews } from './cluster/cluster-service.js';
import { defaultClusterSettings, type ClusterSettings } from './cluster/settings.js';
import { Journal } from './journal/journal.js';
import type { Launcher } from './launch/launcher.js';
import { pageAccess } from './page/access.js';
import { livePage } from './page/page.js';
import { executeRun } from './runs/execute.js';
import { RunQueue } from './runs/run-queue.js';
import { hasEnded, type RunState } from './runs/state.js';
import type { PathPolicy } from './service/path-policy.js';
import { runHandlers } from './service/run-service.js';
import { toStatus } from './service/status.js';
import { Telemetry } from './telemetry/telemetry.js';
import { uploadHandlers } from './uploads/upload-service.js';
import { UploadStore } from './uploads/upload-store.js';
import { UploadTrees } from './uploads/upload-trees.js';

/** What watchers have to read their last events when the coordinator stops. */
const LAST_WORDS_MS = 1_000;

export interface CoordinatorOptions {
  readonly stateDir: string;
  /**
   * Where uploads are, and the outputs of runs that name no place; workers see it under the same path. Absent for the state
   * directory.
   */
  readonly storageDir?: string;
  /** Where the gRPC services listen, `host:port`; port 0 for any free one. */
  readonly listen: string;
  /** Where metrics and health are served over HTTP, `host:port`; null for nowhere. */
  readonly metricsListen: string | null;
  /** Opens the page where it is served to other machines; absent for a page that only this machine sees. */
  readonly pageToken?: string | null;
  /** Where the paths of submitted runs may lead. */
  readonly paths: PathPolicy;
  /** Makes the launcher, which tells workers the coordinator's address. */
  readonly makeLauncher: (coordinatorAddress: string) => Launcher | Promise<Launcher>;
  /** Of all runs together; Infinity where others queue runs; null for one run at a time, with as many as it wants. */
  readonly maxWorkers: number | null;
  readonly cluster?: Partial<ClusterSettings>;
  readonly log: Logger;
  /** Called where the coordinator cannot go on, because the journal cannot be written. */
  readonly onFatal: (error: unknown) => void;
}

export interface Coordinator {
  /** `host:port`. */
  readonly address: string;
  readonly metricsAddress: string | null;
  /** Where the live page is; null where nobody may see it. */
  readonly page: { readonly address: string; readonly needsToken: boolean } | null;
  /**
   * Suspends the current runs, after a checkpoint of the last committed step of each, and frees everything, once. A
   * coordinator that is started on the same state goes on with them, and with the queued ones.
   */
  stop(reason: string): Promise<void>;
}

/** Starts a coordinator in this process. Rejects with a UserError where its state or addresses are taken. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { log, onFatal, maxWorkers } = options;
  const journal = Journal.open(options.stateDir);
  for (const { id } of journal.requeueInterruptedRuns()) {
    log.warn({ runId: id }, 'the run was under way when the coordinator ended: it goes on');
  }

  const storageDir = options.storageDir ?? options.stateDir;
  const uploads = join(storageDir, 'uploads');
  const store = new UploadStore(uploads);
  const trees = new UploadTrees(join(uploads, 'trees'), store);
  const places = { paths: options.paths, trees, runsDir: join(storageDir, 'runs') };

  const crews: OpenCrews = new Map();
  const telemetry = new Telemetry(() => countStates(journal));
  const services = {
    journal,
    crews,
    telemetry,
    cluster: { ...defaultClusterSettings, ...options.cluster },
    log,
  };
  // The launcher needs the address that the server gets, and the server needs the queue, which needs the launcher.
  let launcher: Launcher | undefined;
  const queue = new RunQueue(
    journal,
    (run, control) => executeRun(run, { ...services, launcher: launcher! }, control),
    { maxWorkers, log, onFatal },
  );

  const server = new Server(channelOptions);
  let page: Coordinator['page'] = null;
  const about = () => ({
    version: packageVersion(),
    sharedRoots: options.paths.kind === 'shared' ? [...options.paths.roots] : [],
    maxWorkers: maxWorkers === Number.POSITIVE_INFINITY ? 0 : (maxWorkers ?? 0),
    workersInUse: queue.workersInUse,
    pageAddress: page?.address ?? '',
  });
  serve(server, runService, runHandlers(journal, queue, places, about), toStatus);
  serve(server, uploadService, uploadHandlers(store), toStatus);
  serve(server, clusterService, clusterHandlers(crews), toStatus);
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);

  let monitoring: MonitoringServer | undefined;
  let ready = false;
  const release = async () => {
    await shutDown(server);
    await monitoring?.close();
    await launcher?.close();
    journal.close();
  };
  try {
    await trees.removeLeftovers();
    const address = await bind(server, options.listen);
    launcher = await options.makeLauncher(address);
    await launcher.endLeftovers((runId) => {
      const run = journal.findRun(runId);
      return run !== undefined && !hasEnded(run.state);
    });
    if (options.metricsListen !== null) {
      const monitored = { metrics: () => telemetry.registry.metrics(), ready: () => ready };
      const access = pageAccess(parseListen(options.metricsListen).host, options.pageToken ?? null);
      monitoring = await MonitoringServer.start(options.metricsListen, monitored, livePage(journal, access));
      if (access.kind !== 'closed')
        page = { address: monitoring.address, needsToken: access.kind === 'token' };
    }
    ready = true;
    queue.wake();
    let stopped: Promise<void> | undefined;
    const stopOnce = async (reason: string) => {
      ready = false;
      health.setStatus('', 'NOT_SERVING');
      await queue.stop(reason);
      await release();
    };
    const stop = (reason: string) => (stopped ??= stopOnce(reason));
    return { address, metricsAddress: monitoring?.address ?? null, page, stop };
  } catch (error) {
    await release();
    throw error;
  }
}

function bind(server: Server, listen: string): Promise<string> {
  const { host, port } = parseListen(listen);
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(`${host}:${boundPort}`);
      else reject(new ConfigError(`cannot listen on ${listen}: ${error.message}`));
    });
  });
}

/**
 * Those who watch a run that has ended get its last events; whoever else is still connected is cut off. A connection whose
 * other end is gone without a word takes the system many minutes to close, so it is not waited for.
 */
async function shutDown(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  const cutOff = setTimeout(() => server.forceShutdown(), LAST_WORDS_MS);
  await Promise.race([closed, delay(2 * LAST_WORDS_MS, undefined, { ref: false })]);
  clearTimeout(cutOff);
}

function countStates(journal: Journal): Map<RunState, number> {
  const counts = new Map<RunState, number>();
  for (const { state } of journal.runs()) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
