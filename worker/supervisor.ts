import { ConfigError, ExitCode, messageOf } from '../lib/errors.js';
import { createLogger } from '../lib/log.js';
import { MonitoringServer } from '../lib/monitoring-server.js';
import { spawnChild, type Child } from '../lib/process/child.js';
import { announceFailure, announceReady, exitWithParent } from '../lib/process/lifeline.js';
import { isServing } from '../proto/health.js';
import { gpuEnvironments } from './supervisor/gpu.js';
import { NodeWorkers } from './supervisor/node-workers.js';
import { readNotice } from './supervisor/notices.js';
import { readOptions, type SupervisorOptions } from './supervisor/options.js';
import { PodMetrics } from './supervisor/pod-metrics.js';
import { WantedReference } from './supervisor/wanted-reference.js';

/** As a shell says it of a process that SIGTERM ended: Kubernetes then starts another pod where one is due. */
const TERMINATED = 143;

const HEALTH_CHECK_MS = 1_000;

const log = createLogger('supervisor');

/**
 * The main process of a run's pod, which runs the workers of one node:
 *
 *     node worker/supervisor.js --coordinator HOST:PORT --run-id ID --node N --workers W --threads T --listen-host IP
 *       --reference-socket PATH --reference-follow FILE --metrics-listen HOST:PORT
 *       [--tls-ca FILE --tls-cert FILE --tls-key FILE]
 *
 * Exit codes: 0 where the coordinator let all workers go, 2 for bad input, 143 after SIGTERM, else 1.
 */
async function supervise(options: SupervisorOptions): Promise<number> {
  const { workerIds, referenceSocket, referenceFollow, metricsListen } = options;
  const environments = gpuEnvironments(workerIds.length, process.env);
  const reference = new WantedReference(referenceFollow);
  const workers: NodeWorkers = new NodeWorkers({
    workerIds,
    log,
    start: (workerId, slot) =>
      startWorker(options, workerId, environments[slot]!, (message) =>
        heed(message, slot, reference, workers),
      ),
  });
  const metrics = new PodMetrics({
    sources: () => workers.metricsSources,
    referenceUp: async () =>
      reference.isWanted ? isServing(`unix:${referenceSocket}`, HEALTH_CHECK_MS) : null,
  });
  const monitoring = await MonitoringServer.start(metricsListen, {
    metrics: () => metrics.render(),
    ready: () => workers.ready,
  });
  process.once('SIGTERM', () => {
    log.info('told to end by SIGTERM');
    workers.end(TERMINATED);
    process.once('SIGTERM', () => workers.kill());
  });
  exitWithParent(() => workers.kill());
  announceReady({ metricsAddress: monitoring.address });
  workers.start();
  const code = await workers.ended;
  await monitoring.close();
  return code;
}

function startWorker(
  { coordinator, runId, threads, listenHost, referenceSocket, tls }: SupervisorOptions,
  workerId: string,
  env: Readonly<Record<string, string>>,
  onMessage: (message: unknown) => void,
): Child {
  const entry = new URL('./main.js', import.meta.url).pathname;
  const args = ['--coordinator', coordinator, '--run-id', runId, '--worker-id', workerId];
  args.push('--threads', String(threads), '--listen-host', listenHost);
  args.push('--metrics-listen', '127.0.0.1:0', '--reference-socket', referenceSocket);
  if (tls !== null) args.push('--tls-ca', tls.ca, '--tls-cert', tls.cert, '--tls-key', tls.key);
  return spawnChild({ name: workerId, entry, args, env, stdio: 'inherit', onMessage });
}

/** What a worker says of itself. */
function heed(message: unknown, slot: number, reference: WantedReference, workers: NodeWorkers): void {
  const notice = readNotice(message);
  if (notice?.kind === 'step-done') workers.stepDone(slot);
  if (notice?.kind !== 'reference-wanted') return;
  try {
    reference.want(notice.stage, notice.model);
  } catch (error) {
    log.fatal({ err: error }, messageOf(error));
    workers.end(ExitCode.failed);
  }
}

try {
  process.exit(await supervise(readOptions(process.argv.slice(2))));
} catch (error) {
  log.fatal({ err: error }, messageOf(error));
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
