import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, RunError, messageOf } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/log.js';
import { MonitoringServer } from '../lib/monitoring-server.js';
import { exitWithParent } from '../lib/process/lifeline.js';
import { v1 } from '../proto/services.js';
import { Collective } from './collective/collective.js';
import { PeerLostError } from './peer-lost-error.js';
import { EngineThread } from './compute/engine-thread.js';
import type { OpenPolicy, PolicyEngine } from './compute/policy-engine.js';
import { WorkerMetrics } from './metrics.js';
import { configureThreads, readFingerprint } from './tensorflow/environment.js';
import { CoordinatorLink } from './trainer/coordinator-link.js';
import { Session } from './trainer/session.js';

/** No answer from a peer for this long ends a collective operation: far longer than the slowest leaf. */
const COLLECTIVE_TIMEOUT_MS = 600_000;

interface WorkerOptions {
  readonly coordinator: string;
  readonly runId: string;
  readonly workerId: string;
  readonly listenHost: string;
  readonly threads: number;
  /** host:port to serve /metrics on, or null. */
  readonly metricsListen: string | null;
}

function readOptions(): WorkerOptions {
  const { values } = parseArgs({
    options: {
      coordinator: { type: 'string' },
      'run-id': { type: 'string' },
      'worker-id': { type: 'string' },
      'listen-host': { type: 'string' },
      threads: { type: 'string' },
      'metrics-listen': { type: 'string' },
    },
  });
  const need = (name: Exclude<keyof typeof values, 'metrics-listen'>): string => {
    const value = values[name];
    if (value === undefined) throw new ConfigError(`worker: --${name} is missing`);
    return value;
  };
  const threads = Number(need('threads'));
  if (!Number.isInteger(threads) || threads < 1)
    throw new ConfigError('worker: --threads must be a positive integer');
  return {
    coordinator: need('coordinator'),
    runId: need('run-id'),
    workerId: need('worker-id'),
    listenHost: need('listen-host'),
    threads,
    metricsListen: values['metrics-listen'] ?? null,
  };
}

function originOf(error: unknown): v1.FailureOrigin {
  if (error instanceof ConfigError) return v1.FailureOrigin.FAILURE_ORIGIN_CONFIG;
  if (error instanceof PeerLostError) return v1.FailureOrigin.FAILURE_ORIGIN_PEER;
  return v1.FailureOrigin.FAILURE_ORIGIN_RUNTIME;
}

/** Joins the run and trains until the coordinator says stop. Returns the exit code. */
async function work(options: WorkerOptions, log: Logger): Promise<number> {
  configureThreads(options.threads);
  // Loads TensorFlow: where that fails, nothing is open yet that would keep the process.
  const fingerprint = readFingerprint(options.threads);
  const metrics = new WorkerMetrics();
  const monitoring =
    options.metricsListen === null
      ? null
      : await MonitoringServer.start(options.metricsListen, {
          metrics: () => metrics.render(),
          ready: () => true,
        });
  const { runId, workerId, listenHost } = options;
  const collective = await Collective.bind({ runId, host: listenHost, timeoutMs: COLLECTIVE_TIMEOUT_MS });
  const policy = new EngineThread<OpenPolicy, PolicyEngine>(
    new URL('./compute/policy-thread.js', import.meta.url),
  );
  const link = new CoordinatorLink(options.coordinator, (received) => session.prepare(received));
  const session = new Session(
    link,
    policy,
    collective,
    (task, outcome) => metrics.observeStep(task, outcome),
    {
      answered: (cached) => metrics.observeReference(cached),
      lost: (reason) => log.warn({ reason }, 'the reference replica is gone: waiting for it'),
      back: () => log.info('the reference replica is back'),
    },
  );
  link.send({
    hello: {
      runId,
      workerId,
      collectiveEndpoint: collective.endpoint,
      fingerprint,
    },
  });
  try {
    const reason = await Promise.race([session.run(), link.stopped]);
    log.info({ reason }, 'stopped by the coordinator');
    return ExitCode.done;
  } catch (error) {
    log.error({ err: error }, messageOf(error));
    link.send({ failure: { reason: messageOf(error), origin: originOf(error) } });
    return error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed;
  } finally {
    await link.close();
    await collective.close();
    await policy.terminate();
    await monitoring?.close();
  }
}

const log = createLogger('worker');
exitWithParent(() => process.exit(ExitCode.failed));
try {
  process.exitCode = await work(readOptions(), log);
} catch (error) {
  log.error({ err: error }, messageOf(error));
  process.exitCode = error instanceof RunError ? ExitCode.failed : ExitCode.badInput;
}
