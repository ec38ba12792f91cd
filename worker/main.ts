import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, RunError, messageOf } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/log.js';
import { MonitoringServer } from '../lib/monitoring-server.js';
import { announceReady, exitWithParent } from '../lib/process/lifeline.js';
import { channelCredentials } from '../lib/security/channel-credentials.js';
import { requireProtected } from '../lib/security/plain-text.js';
import { readTlsFlags, tlsFlags, type TlsFiles } from '../lib/security/tls-files.js';
import { v1 } from '../proto/services.js';
import { CheckpointWriter } from './checkpoint/checkpoint-writer.js';
import { Collective } from './collective/collective.js';
import { collectiveSecurities, type CollectiveSecurity } from './collective/curve.js';
import { EngineThread } from './compute/engine-thread.js';
import type { OpenPolicy, PolicyEngine, TensorFinal } from './compute/policy-engine.js';
import type { PolicyThreadData } from './compute/policy-thread.js';
import { WorkerMetrics } from './metrics.js';
import { startRecording } from '../lib/profile/recorder.js';
import type { ReferenceObserver } from './reference/client.js';
import { tellSupervisor } from './supervisor/notices.js';
import { configureThreads, readFingerprint } from './tensorflow/environment.js';
import { CoordinatorLink } from './trainer/coordinator-link.js';
import { Session } from './trainer/session.js';

/** How long this worker tries to reach a coordinator that is gone: long enough for a pod to come back on another node. */
const COORDINATOR_PATIENCE_MS = 600_000;

/** From SIGTERM until this worker goes, with or without leave: less than Kubernetes' 30 s. */
const LEAVE_TIMEOUT_MS = 25_000;

interface WorkerOptions {
  readonly coordinator: string;
  readonly runId: string;
  readonly workerId: string;
  readonly listenHost: string;
  readonly threads: number;
  /** No answer from a peer for this long ends a collective operation; far longer than the slowest leaf. */
  readonly collectiveTimeoutMs: number;
  readonly collectiveSecurity: CollectiveSecurity;
  /** host:port to serve /metrics on, or null. */
  readonly metricsListen: string | null;
  /** Of a replica that this node has anyway; null to use the one that the coordinator names. */
  readonly referenceSocket: string | null;
  /** For the connection to the coordinator; null for plain text. */
  readonly tls: TlsFiles | null;
}

function readOptions(): WorkerOptions {
  const { values } = parseArgs({
    options: {
      coordinator: { type: 'string' },
      'run-id': { type: 'string' },
      'worker-id': { type: 'string' },
      'listen-host': { type: 'string' },
      threads: { type: 'string' },
      'collective-timeout-ms': { type: 'string', default: '600000' },
      'collective-security': {
        type: 'string',
        default: process.env['PROSPECT_COLLECTIVE_SECURITY'] ?? 'curve',
      },
      'metrics-listen': { type: 'string' },
      'reference-socket': { type: 'string' },
      ...tlsFlags,
    },
  });
  const need = (
    name: Exclude<keyof typeof values, 'metrics-listen' | 'reference-socket' | keyof typeof tlsFlags>,
  ): string => {
    const value = values[name];
    if (value === undefined) throw new ConfigError(`worker: --${name} is missing`);
    return value;
  };
  const count = (name: 'threads' | 'collective-timeout-ms'): number => {
    const value = Number(need(name));
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`worker: --${name} must be a positive integer`);
    return value;
  };
  const coordinator = need('coordinator');
  const tls = readTlsFlags(values);
  if (tls === null) requireProtected('--coordinator', coordinator, process.env);
  return {
    coordinator,
    runId: need('run-id'),
    workerId: need('worker-id'),
    listenHost: need('listen-host'),
    threads: count('threads'),
    collectiveTimeoutMs: count('collective-timeout-ms'),
    collectiveSecurity: parseSecurity(values['collective-security']),
    metricsListen: values['metrics-listen'] ?? null,
    referenceSocket: values['reference-socket'] ?? null,
    tls,
  };
}

/** @throws ConfigError */
function parseSecurity(text: string): CollectiveSecurity {
  const security = collectiveSecurities.find((one) => one === text);
  if (security !== undefined) return security;
  throw new ConfigError(
    `worker: --collective-security, or PROSPECT_COLLECTIVE_SECURITY, must be ${collectiveSecurities.join(' or ')}, not ${text}`,
  );
}

function originOf(error: unknown): v1.FailureOrigin {
  return error instanceof ConfigError
    ? v1.FailureOrigin.FAILURE_ORIGIN_CONFIG
    : v1.FailureOrigin.FAILURE_ORIGIN_RUNTIME;
}

/** At SIGTERM asks the coordinator to let this worker go. It goes without leave where that takes too long, or at once. */
function leaveOnSignal(link: CoordinatorLink, log: Logger): void {
  const go = () => process.kill(process.pid, 'SIGKILL');
  process.once('SIGTERM', () => {
    log.info('told to end by SIGTERM');
    if (!link.isOpen) go();
    link.send({ leaving: { reason: 'SIGTERM' } });
    setTimeout(go, LEAVE_TIMEOUT_MS).unref();
    process.once('SIGTERM', go);
  });
}

function observeReference(metrics: WorkerMetrics, log: Logger): ReferenceObserver {
  return {
    wanted: (stage, model) => tellSupervisor({ kind: 'reference-wanted', stage, model }),
    answered: (cached) => metrics.observeReference(cached),
    lost: (reason) => log.warn({ reason }, 'the reference replica does not answer: waiting for it'),
    back: () => log.info('the reference replica answers again'),
  };
}

/** Joins the run and trains until the coordinator says stop. Returns the exit code. */
async function work(options: WorkerOptions, log: Logger): Promise<number> {
  configureThreads(options.threads);
  startRecording(() => ({ process: options.workerId, thread: 'main', peakFlops: null }));
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
  const { runId, workerId, listenHost, collectiveTimeoutMs, collectiveSecurity, referenceSocket } = options;
  const collective = await Collective.bind({
    runId,
    host: listenHost,
    timeoutMs: collectiveTimeoutMs,
    security: collectiveSecurity,
  });
  metrics.watch(collective.traffic);
  const policy = new EngineThread<OpenPolicy, PolicyEngine, TensorFinal>(
    new URL('./compute/policy-thread.js', import.meta.url),
    { threads: options.threads } satisfies PolicyThreadData,
  );
  const checkpoints = new CheckpointWriter();
  const link = new CoordinatorLink(
    options.coordinator,
    () => channelCredentials(options.tls),
    COORDINATOR_PATIENCE_MS,
  );
  leaveOnSignal(link, log);
  const { endpoint: collectiveEndpoint, publicKey: collectivePublicKey } = collective;
  const session = new Session({
    identity: {
      runId,
      workerId,
      sessionId: randomUUID(),
      collectiveEndpoint,
      collectivePublicKey,
      fingerprint,
    },
    link,
    policy,
    collective,
    checkpoints,
    onJoined: () => announceReady(monitoring === null ? {} : { metricsAddress: monitoring.address }),
    onStep: (task, outcome) => {
      metrics.observeStep(task, outcome);
      tellSupervisor({ kind: 'step-done' });
    },
    referenceSocket,
    referenceObserver: observeReference(metrics, log),
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
    await checkpoints.close();
    await policy.terminate();
    await monitoring?.close();
  }
}

const log = createLogger('worker');
exitWithParent(() => process.exit(ExitCode.failed));
try {
  const options = readOptions();
  process.exitCode = await work(options, log.child({ workerId: options.workerId }));
} catch (error) {
  log.error({ err: error }, messageOf(error));
  process.exitCode = error instanceof RunError ? ExitCode.failed : ExitCode.badInput;
}
