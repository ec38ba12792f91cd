import { RunError } from '../../lib/errors.js';
import type { ProcessExit } from '../../lib/process/child.js';
import { v1 } from '../../proto/services.js';
import type { MemberRecord } from '../journal/records.js';
import { readHello } from './admission.js';
import { FailureWatch, type WatchedWorker } from './failure-watch.js';
import { Inbox } from './inbox.js';
import type { FailureOrigin } from './root-cause.js';
import type { ClusterSettings } from './settings.js';

type FromWorker = v1.JoinRequest.$Properties;
export type ToWorker = v1.JoinResponse.$Properties;

/** What the run waits for; heartbeats and failures arrive beside it. */
type ReplyKind = 'hello' | 'stageReady' | 'stepReport' | 'modelSaved';

/** The coordinator's end of a worker's stream. */
export interface WorkerStream {
  send(message: ToWorker): void;
}

interface Place {
  readonly workerId: string;
  readonly inbox: Inbox<FromWorker>;
  member: MemberRecord | undefined;
  stream: WorkerStream | undefined;
  silentIntervals: number;
}

/**
 * The workers of one run, by rank: their streams, their answers, and the watch over their lives. A failure is told
 * through `onFailure` once, with its root cause; the run then aborts the signals that it waits with.
 */
export class WorkerGroup {
  readonly #places: readonly Place[];
  readonly #settings: ClusterSettings;
  readonly #watch: FailureWatch;
  readonly #onFailure: (error: Error) => void;
  #heartbeatTimer: NodeJS.Timeout | undefined;

  /** `workers` in rank order. */
  constructor(
    workers: readonly WatchedWorker[],
    settings: ClusterSettings,
    onFailure: (error: Error) => void,
  ) {
    this.#places = workers.map(({ workerId }) => ({
      workerId,
      inbox: new Inbox(),
      member: undefined,
      stream: undefined,
      silentIntervals: 0,
    }));
    this.#settings = settings;
    this.#watch = new FailureWatch(workers, settings.failureSettleMs, onFailure);
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#places.length;
  }

  workerId(rank: number): string {
    return this.#places[rank]!.workerId;
  }

  // ---- told by the stream's handler and by the launcher ----

  /** Takes a worker in. Throws a RunError that says why not; a worker that differs from the others fails the run. */
  admit(hello: v1.Hello.$Properties, stream: WorkerStream): void {
    const place = this.#places.find(({ workerId }) => workerId === hello.workerId);
    if (place === undefined) throw new RunError(`this run has no worker ${hello.workerId ?? ''}`);
    if (place.member !== undefined) throw new RunError(`${place.workerId} has already joined`);
    try {
      place.member = readHello(hello, this.#places.find(({ member }) => member !== undefined)?.member);
    } catch (error) {
      this.#onFailure(error as Error);
      throw error;
    }
    place.stream = stream;
    this.#watch.note(place.workerId, { stream: 'open' });
    place.inbox.put({ hello });
  }

  received(workerId: string, message: FromWorker): void {
    const place = this.#place(workerId);
    place.silentIntervals = 0;
    if (message.failure) {
      const { reason, origin } = message.failure;
      this.#watch.note(workerId, { report: { reason: reason ?? '', origin: originOf(origin) } });
    } else if (!message.heartbeat) {
      place.inbox.put(message);
    }
  }

  disconnected(workerId: string): void {
    this.#place(workerId).stream = undefined;
    this.#watch.note(workerId, { stream: 'closed' });
  }

  exited(workerId: string, exit: ProcessExit): void {
    this.#watch.note(workerId, { exit });
  }

  // ---- used by the run ----

  /** Waits until every worker has said hello; then all are members, told so, and expected to send heartbeats. */
  async form(generation: number, signal: AbortSignal): Promise<readonly MemberRecord[]> {
    const { joinTimeoutMs, heartbeatIntervalMs } = this.#settings;
    const late = setTimeout(() => this.#onFailure(this.#absence()), joinTimeoutMs);
    try {
      await this.collect('hello', signal);
    } finally {
      clearTimeout(late);
    }
    const members = this.#places.map(({ member }) => member!);
    for (let rank = 0; rank < this.size; rank++) {
      this.send(rank, { membership: { generation, rank, members } });
    }
    this.#heartbeatTimer = setInterval(() => this.#checkHeartbeats(), heartbeatIntervalMs);
    return members;
  }

  /** Queues a message on a worker's stream. The run has at most two steps under way, which bounds what is queued. */
  send(rank: number, message: ToWorker): void {
    this.#places[rank]!.stream?.send(message);
  }

  broadcast(message: ToWorker): void {
    for (let rank = 0; rank < this.size; rank++) this.send(rank, message);
  }

  /** The next message of every worker, by rank; each must be of this kind. */
  collect<Kind extends ReplyKind>(kind: Kind, signal: AbortSignal): Promise<NonNullable<FromWorker[Kind]>[]> {
    return Promise.all(this.#places.map((_, rank) => this.receive(rank, kind, signal)));
  }

  /** The next message of one worker. Throws a RunError where it is not of this kind. */
  async receive<Kind extends ReplyKind>(
    rank: number,
    kind: Kind,
    signal: AbortSignal,
  ): Promise<NonNullable<FromWorker[Kind]>> {
    const { workerId, inbox } = this.#places[rank]!;
    const message = await inbox.take(signal);
    const reply = message[kind];
    if (reply) return reply;
    throw new RunError(
      `${workerId} sent ${Object.keys(message).join(', ') || 'nothing'} where ${kind} was due`,
    );
  }

  /** From now on workers may go: the run is over. */
  close(): void {
    clearInterval(this.#heartbeatTimer);
    this.#watch.close();
  }

  #place(workerId: string): Place {
    return this.#places.find((place) => place.workerId === workerId)!;
  }

  #absence(): RunError {
    const absent = this.#places.filter(({ member }) => member === undefined).map(({ workerId }) => workerId);
    return new RunError(`${absent.join(', ')} did not join within ${this.#settings.joinTimeoutMs / 1000} s`);
  }

  /**
   * Counts intervals without a message instead of comparing clocks: where this process itself was stopped (a suspended
   * machine), no interval passes for the workers either.
   */
  #checkHeartbeats(): void {
    const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#settings;
    for (const place of this.#places) {
      place.silentIntervals += 1;
      const silentMs = place.silentIntervals * heartbeatIntervalMs;
      if (silentMs >= heartbeatTimeoutMs) this.#watch.note(place.workerId, { silentMs });
    }
  }
}

function originOf(origin: v1.FailureOrigin | null | undefined): FailureOrigin {
  if (origin === v1.FailureOrigin.FAILURE_ORIGIN_CONFIG) return 'config';
  return origin === v1.FailureOrigin.FAILURE_ORIGIN_PEER ? 'peer' : 'runtime';
}
