import { join } from 'node:path';
import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from '../lib/log.js';
import { parseListen } from '../lib/listen.js';
import { MonitoringServer } from '../lib/monitoring-server.js';
import { packageVersion } from '../lib/package.js';
import { serve } from '../proto/calls.js';
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
import { Listeners } from './security/listeners.js';
import type { SecurityOptions } from './security/options.js';
import { Refusals } from './security/refusals.js';
import type { PathPolicy } from './service/path-policy.js';
import { runHandlers } from './service/run-service.js';
import { toStatus } from './service/status.js';
import { remotesOf } from './sources/open-remote.js';
import { SourceStore } from './sources/source-store.js';
import { Telemetry } from './telemetry/telemetry.js';
import { uploadHandlers } from './uploads/upload-service.js';
import { UploadStore } from './uploads/upload-store.js';
import { UploadTrees } from './uploads/upload-trees.js';

export interface CoordinatorOptions {
  readonly stateDir: string;
  /**
   * Where uploads are, and the outputs of runs that name no place; workers see it under the same path. Absent for the state
   * directory.
   */
  readonly storageDir?: string;
  /** Where fetched models and data are, as above; absent for a folder there. Several coordinators may share it. */
  readonly sourcesDir?: string;
  /** Where the gRPC services listen, `host:port`; port 0 for any free one. */
  readonly listen: string;
  /** Absent for plain text on `listen`. */
  readonly security?: SecurityOptions | null;
  /** Where health checks, and nothing else, are answered in plain text, `host:port`; absent for nowhere else. */
  readonly healthListen?: string | null;
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
  readonly tokenAddress: string | null;
  readonly healthAddress: string | null;
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
  const sources = new SourceStore(options.sourcesDir ?? join(storageDir, 'sources'), remotesOf(process.env));
  const places = { paths: options.paths, trees, runsDir: join(storageDir, 'runs'), sources };

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
    (run, control) => executeRun(run, { ...services, launcher: launcher! }, sources, control),
    { maxWorkers, log, onFatal },
  );

  let page: Coordinator['page'] = null;
  const about = () => ({
    version: packageVersion(),
    sharedRoots: options.paths.kind === 'shared' ? [...options.paths.roots] : [],
    maxWorkers: maxWorkers === Number.POSITIVE_INFINITY ? 0 : (maxWorkers ?? 0),
    workersInUse: queue.workersInUse,
    pageAddress: page?.address ?? '',
  });
  const health = new HealthImplementation({ '': 'SERVING' });
  const addHealth = (server: Server) => health.addToServer(server);
  const [ofRuns, ofUploads] = [runHandlers(journal, queue, places, about), uploadHandlers(store)];
  const forWorkers = (server: Server) => {
    serve(server, clusterService, clusterHandlers(crews), toStatus);
    addHealth(server);
  };
  const all = (server: Server) => {
    serve(server, runService, ofRuns, toStatus);
    serve(server, uploadService, ofUploads, toStatus);
    forWorkers(server);
  };
  const refusals = new Refusals(telemetry.registry, log);
  const listeners = new Listeners({ all, forWorkers, health: addHealth }, refusals, log);

  let monitoring: MonitoringServer | undefined;
  let ready = false;
  const release = async () => {
    await listeners.close();
    await monitoring?.close();
    await launcher?.close();
    journal.close();
  };
  try {
    await trees.removeLeftovers();
    const { listen, security = null, healthListen = null } = options;
    await listeners.open({ listen, security, healthListen });
    launcher = await options.makeLauncher(listeners.localAddress);
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
    const { address, tokenAddress, healthAddress } = listeners;
    return { address, tokenAddress, healthAddress, metricsAddress: monitoring?.address ?? null, page, stop };
  } catch (error) {
    await release();
    throw error;
  }
}

function countStates(journal: Journal): Map<RunState, number> {
  const counts = new Map<RunState, number>();
  for (const { state } of journal.runs()) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
