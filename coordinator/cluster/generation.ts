import { setMaxListeners } from 'node:events';
import { RunError } from '../../lib/errors.js';
import { untilAborted } from '../../lib/abort.js';
import type { CrewMember, FromWorker, ToWorker } from './crew-member.js';
import { Inbox } from './inbox.js';

/** What a generation waits for; everything else arrives beside it. */
export type ReplyKind = 'generationReady' | 'stepReport' | 'evaluationReport' | 'samples' | 'modelSaved';

/** What a member says of a collective operation that failed. */
export interface Complaint {
  readonly workerId: string;
  readonly reason: string;
  /** Worker ids. */
  readonly suspects: readonly string[];
}

/** Why a generation ended before its work was done. Not a failure of the run: the next generation goes on. */
export class Disturbance extends Error {
  override readonly name = 'Disturbance';
  constructor(
    readonly kind: 'member-lost' | 'member-leaving' | 'collective-failed' | 'newcomer',
    /** All that have come, and will come, of this generation. */
    readonly complaints: readonly Complaint[],
  ) {
    super(`the generation ended: ${kind}`);
  }
}

interface Place {
  readonly member: CrewMember;
  readonly inbox: Inbox<FromWorker>;
  /** It has said GenerationReady: what it said before is of an older generation. */
  current: boolean;
}

/** A fixed list of members, by rank, that train together until something disturbs them. */
export class Generation {
  readonly number: number;
  readonly members: readonly CrewMember[];
  /** Aborted with the Disturbance, or with the run's own end: everything that waits for the members waits with it. */
  readonly signal: AbortSignal;
  readonly #places: readonly Place[];
  readonly #placeOf: ReadonlyMap<CrewMember, Place>;
  readonly #complaints: Complaint[] = [];
  readonly #end = new AbortController();

  /** `members` in rank order. */
  constructor(number: number, members: readonly CrewMember[], runSignal: AbortSignal) {
    this.number = number;
    this.members = members;
    this.signal = AbortSignal.any([runSignal, this.#end.signal]);
    // All members' answers are waited for with it at once.
    setMaxListeners(0, this.signal);
    this.#places = members.map((member) => ({ member, inbox: new Inbox(), current: false }));
    this.#placeOf = new Map(this.#places.map((place) => [place.member, place]));
  }

  get size(): number {
    return this.members.length;
  }

  includes(member: CrewMember): boolean {
    return this.#placeOf.has(member);
  }

  workerId(rank: number): string {
    return this.members[rank]!.workerId;
  }

  // ---- told by the crew ----

  /** Ends the generation; the first reason counts. */
  disturb(kind: Disturbance['kind']): void {
    this.#end.abort(new Disturbance(kind, this.#complaints));
  }

  complain(complaint: Complaint): void {
    this.#complaints.push(complaint);
    this.disturb('collective-failed');
  }

  deliver(from: CrewMember, message: FromWorker): void {
    const place = this.#placeOf.get(from);
    if (place === undefined) return;
    if (message.generationReady) place.current ||= message.generationReady.generation === this.number;
    if (place.current) place.inbox.put(message);
  }

  // ---- used by the run ----

  /** Queues a message on a member's stream. The run has at most two steps under way, which bounds what is queued. */
  send(rank: number, message: ToWorker): void {
    this.members[rank]!.send(message);
  }

  broadcast(message: ToWorker): void {
    for (const member of this.members) member.send(message);
  }

  /**
   * From the first work on, the members hold the state after `step` in this generation's partition; before it, they hold
   * what they held, whatever they have been given since.
   */
  hold(stage: number, step: number): void {
    this.members.forEach((member, rank) => {
      member.held = { stage, step, rank, worldSize: this.size };
    });
  }

  /** Tells the members that a step is committed, which is true however the generation ends. */
  commit({
    stage,
    step,
    skipped,
    checkpoint,
  }: {
    readonly stage: number;
    readonly step: number;
    readonly skipped: boolean;
    /** Where to write the checkpoint of the step; empty for none. */
    readonly checkpoint: string;
  }): void {
    this.broadcast({ stepCommit: { stage, step, skipped, checkpoint } });
    for (const member of this.members) {
      if (member.held !== null) member.held = { ...member.held, step };
      member.suspected = false;
    }
  }

  /** The next message of every member, by rank; each must be of this kind. */
  collect<Kind extends ReplyKind>(kind: Kind): Promise<NonNullable<FromWorker[Kind]>[]> {
    return Promise.all(this.members.map((_, rank) => this.receive(rank, kind)));
  }

  /**
   * The next message of one member. Rejects with the Disturbance, with the reason that the run ends for, or with a
   * RunError where the message is not of this kind.
   */
  async receive<Kind extends ReplyKind>(rank: number, kind: Kind): Promise<NonNullable<FromWorker[Kind]>> {
    const { member, inbox } = this.#places[rank]!;
    const message = await untilAborted(inbox.take(), this.signal);
    const reply = message[kind];
    if (reply) return reply;
    throw new RunError(
      `${member.workerId} sent ${Object.keys(message).join(', ') || 'nothing'} where ${kind} was due`,
    );
  }
}
