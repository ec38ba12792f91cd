import { setTimeout as delay } from 'node:timers/promises';
import { referenceModelOf } from '../../lib/config/reference-model.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError, messageOf, RunError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';
import { describeExit } from '../../lib/process/child.js';
import { restartDelayMs } from '../../lib/process/restart-delay.js';
import { untilAborted } from '../../lib/abort.js';
import type { ClusterSettings } from '../cluster/settings.js';
import type { LaunchedReference, ReferenceSpec, ReplicaLauncher } from '../launch/launcher.js';
import { notify, type ActiveRun } from './active-run.js';
import { logFileOf } from './output-directory.js';
import type { PreparedStage } from './prepare.js';

/** A replica that ends so often without a step in between would do so for ever. */
const MAX_FAILURES_IN_A_ROW = 5;

/** A replica is dead when it misses as many health checks in a row: one that is late may be busy. */
const MISSES_OF_THE_DEAD = 4;

/** Stands for the socket of the replica that every node has of its own: workers there were told its path. */
const NODE_REPLICA = 'node';

/** The replica that serves now, whichever process that is. */
export interface ServingReference {
  /** Unix socket path; it stays the same when the replica is started again. */
  readonly socket: string;
}

/**
 * Runs `body` beside the frozen reference that the stage's method needs, once it serves; at once where nodes have one each. A replica that dies or hangs is
 * started again on the same socket; its clients ask again, and nothing else notices. The run fails where it keeps dying.
 */
export async function withReference(
  run: ActiveRun,
  config: RunConfig,
  stage: PreparedStage,
  body: (reference: ServingReference | null) => Promise<void>,
): Promise<void> {
  if (!needsOf(stage.config.objective).reference) return body(null);
  const { replicas } = run.launcher;
  if (replicas === null) return body({ socket: NODE_REPLICA });
  const stageEnd = new AbortController();
  const signal = AbortSignal.any([run.signal, stageEnd.signal]);
  let tellServing!: (reference: ServingReference) => void;
  const serving = new Promise<ServingReference>((resolve) => (tellServing = resolve));
  const kept = keepServing(run, replicas, specOf(run, config, stage), signal, tellServing).catch(
    (error: unknown) =>
      // Everyone who waits in this run is told, `body` and this function too.
      run.fail(error as Error),
  );
  try {
    await body(await untilAborted(serving, run.signal));
  } finally {
    stageEnd.abort(new Error('the stage is over'));
    await kept;
  }
}

/**
 * Has one replica serving until the signal, and stops it then.
 * @throws ConfigError where the replica says that it cannot start; RunError where it fails too often in a row
 */
async function keepServing(
  run: ActiveRun,
  replicas: ReplicaLauncher,
  spec: ReferenceSpec,
  signal: AbortSignal,
  onServing: (reference: ServingReference) => void,
): Promise<void> {
  let failures = 0;
  let steps = committedSteps(run);
  while (!signal.aborted) {
    const reference = replicas.launchReference(spec);
    const cause = await causeOfEnd(reference, run.cluster, signal, onServing).finally(() =>
      reference.stop({ graceMs: signal.aborted ? run.cluster.stopGraceMs : 0 }),
    );
    if (cause === null) return;
    failures = committedSteps(run) > steps ? 1 : failures + 1;
    steps = committedSteps(run);
    const what = `the reference replica ${cause}`;
    if (failures >= MAX_FAILURES_IN_A_ROW) {
      throw new RunError(
        `${what}, for the ${failures}th time without a step in between; see ${spec.logFile}`,
      );
    }
    notify(run, `${what}: it is started again`, { warning: true });
    await delay(restartDelayMs(failures, run.cluster), undefined, { signal }).catch(() => undefined);
  }
}

/** How a replica ended, as a predicate; null where the signal came first. @throws ConfigError that it announced */
async function causeOfEnd(
  reference: LaunchedReference,
  cluster: ClusterSettings,
  signal: AbortSignal,
  onServing: (reference: ServingReference) => void,
): Promise<string | null> {
  const over = new AbortController();
  const watching = AbortSignal.any([signal, over.signal]);
  try {
    return await untilAborted(
      Promise.race([death(reference, onServing), hang(reference, cluster, watching)]),
      signal,
    );
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    over.abort();
  }
}

async function death(
  reference: LaunchedReference,
  onServing: (reference: ServingReference) => void,
): Promise<string> {
  try {
    await reference.ready;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return `could not start (${messageOf(error)})`;
  }
  onServing({ socket: reference.socket });
  return describeExit(await reference.exited);
}

/**
 * Resolves once the replica hangs, and never otherwise. It computes on another thread than it answers on, so one that is
 * busy, or loads its model, passes. Misses are counted and not time, which this process may have spent elsewhere.
 */
async function hang(
  reference: LaunchedReference,
  { heartbeatIntervalMs, heartbeatTimeoutMs }: ClusterSettings,
  signal: AbortSignal,
): Promise<string> {
  const timeoutMs = heartbeatTimeoutMs / MISSES_OF_THE_DEAD;
  for (let misses = 0; misses < MISSES_OF_THE_DEAD;) {
    const since = performance.now();
    const healthy = await reference.isServing(timeoutMs);
    misses = healthy ? 0 : misses + 1;
    // A socket that refuses says so at once; it may not be there yet.
    const restMs = healthy ? heartbeatIntervalMs : timeoutMs - (performance.now() - since);
    await delay(Math.max(0, restMs), undefined, { signal });
  }
  return `has not answered for ${heartbeatTimeoutMs / 1000} s`;
}

function committedSteps({ journal, record }: ActiveRun): number {
  return journal.findRun(record.id)?.committedSteps ?? 0;
}

function specOf(run: ActiveRun, config: RunConfig, stage: PreparedStage): ReferenceSpec {
  const { id: runId, outputDir } = run.record;
  const name = `reference-${stage.number}`;
  return {
    runId,
    name,
    ...referenceModelOf(stage.config),
    threads: config.threadsPerWorker,
    logFile: logFileOf(outputDir, name),
  };
}
