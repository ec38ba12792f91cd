import type { v1 } from '../../proto/services.js';
import type { MemberRecord } from '../journal/records.js';
import type { HeldState } from './held-state.js';
import type { Introduction } from './hello.js';

export type FromWorker = v1.JoinRequest.$Properties;
export type ToWorker = v1.JoinResponse.$Properties;

/** The coordinator's end of a worker's stream. */
export interface WorkerStream {
  send(message: ToWorker): void;
  end(): void;
}

/** Why a member is gone, as far as it is known. */
export interface Farewell {
  readonly reason: string;
  /** Resolves once there is no more to know. */
  readonly explained: Promise<void>;
}

/** A worker that has joined, for as long as its stream lives. */
export class CrewMember {
  readonly workerId: string;
  readonly sessionId: string;
  readonly record: MemberRecord;
  /** What it has of the state that is trained, as far as the coordinator knows. */
  held: HeldState | null;
  /** See Introduction. */
  proposedStep: number;
  /** The stage that it has open. */
  readyFor: number | null = null;
  /** Why it asked to be let go. */
  leaving: string | null = null;
  /** It was told how often to send heartbeats. */
  beating = false;
  silentIntervals = 0;
  /** Its peers cannot reach it. */
  suspected = false;
  /** Set once it is gone. */
  farewell: Farewell | null = null;
  readonly #stream: WorkerStream;
  #hungUp = false;

  constructor({ record, sessionId, held, proposedStep }: Introduction, stream: WorkerStream) {
    this.workerId = record.workerId;
    this.sessionId = sessionId;
    this.record = record;
    this.held = held;
    this.proposedStep = proposedStep;
    this.#stream = stream;
  }

  /** Does nothing once the stream is ended: whoever is gone need not know. */
  send(message: ToWorker): void {
    if (!this.#hungUp) this.#stream.send(message);
  }

  /** Tells the worker to end, and hangs up. */
  dismiss(reason: string): void {
    this.send({ stop: { reason } });
    this.hangUp();
  }

  hangUp(): void {
    if (!this.#hungUp) this.#stream.end();
    this.#hungUp = true;
  }
}
