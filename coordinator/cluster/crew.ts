import { RunError } from '../../lib/errors.js';
import { v1 } from '../../proto/services.js';
import type { MemberRecord } from '../journal/records.js';
import type { WorkerExit } from '../launch/launcher.js';
import { CrewMember, type Farewell, type FromWorker, type WorkerStream } from './crew-member.js';
import { Departure } from './departure.js';
import { Generation } from './generation.js';
import { isOf, type HeldGroup, type HeldState } from './held-state.js';
import { differenceFrom, encryptionDifference, readHello } from './hello.js';
import type { Evidence, Loss } from './loss.js';
import { News } from './news.js';
import type { ClusterSettings } from './settings.js';

/** The run does not want this worker, or not yet: it may end, and nothing is wrong. */
export class NoPlace extends RunError {}

/** Who keeps the crew's processes going. */
export interface CrewKeeper {
  /** True for a worker that is to be part of the crew. */
  expects(workerId: string): boolean;
  /** A worker is gone, and it is known why. */
  lost(loss: Loss): void;
  /** A worker was let go: it is about to end by itself. */
  released(workerId: string): void;
}

/** The stage that is trained now. */
export interface OpenStage {
  readonly start: v1.StageStart.$Properties;
  /** How a step of the stage was committed; undefined where it was not. */
  readonly commitOf: (step: number) => { readonly skipped: boolean } | undefined;
  readonly onCheckpointPart: (from: CrewMember, part: v1.CheckpointPart.$Properties) => void;
  readonly onGone: (member: CrewMember) => void;
}

/** One worker's stream, from its Hello on. */
export interface Session {
  received(message: FromWorker): void;
  closed(): void;
}

const byWorkerId = new Intl.Collator('en', { numeric: true });

/** The workers that have joined a run: their streams, what they are ready for, what they hold, and whether they live. */
export class Crew {
  readonly #members = new Map<string, CrewMember>();
  /** In rank order, until one comes or goes. */
  #inOrder: readonly CrewMember[] | null = null;
  readonly #departures = new Map<string, Departure>();
  /** Let go, and not gone yet: worker id and why. */
  readonly #released = new Map<string, string>();
  /** Sessions that are lost for good: what comes of them later is refused. */
  readonly #condemned = new Set<string>();
  readonly #settings: ClusterSettings;
  readonly #keeper: CrewKeeper;
  readonly #news = new News();
  readonly #heartbeatTimer: NodeJS.Timeout;
  #first: MemberRecord | undefined;
  #stage: OpenStage | null = null;
  #generation: Generation | null = null;
  #closed = false;

  /** `first`: the worker that the run began with, where it has begun; all others must be like it. */
  constructor(settings: ClusterSettings, first: MemberRecord | undefined, keeper: CrewKeeper) {
    this.#settings = settings;
    this.#first = first;
    this.#keeper = keeper;
    this.#heartbeatTimer = setInterval(() => this.#checkHeartbeats(), settings.heartbeatIntervalMs);
  }

  // ---- told by the streams' handler and by the launcher ----

  /** Takes a worker in. @throws NoPlace; RunError that says why it cannot have one */
  admit(hello: v1.Hello.$Properties, stream: WorkerStream): Session {
    const introduction = readHello(hello);
    const { record, sessionId } = introduction;
    const { workerId } = record;
    if (this.#closed || !this.#keeper.expects(workerId) || this.#released.has(workerId)) {
      throw new NoPlace(`this run has no place for ${workerId}`);
    }
    if (this.#condemned.has(sessionId)) throw new RunError(`${workerId} was given up already`);
    this.#first ??= record;
    const there = this.#sorted().find((member) => member.workerId !== workerId)?.record;
    const difference = differenceFrom(this.#first, record) ?? encryptionDifference(there ?? record, record);
    if (difference !== null) {
      this.#condemned.add(sessionId);
      this.#keeper.lost({ workerId, kind: 'unlike', reason: difference });
      this.#news.tell();
      throw new RunError(`${workerId} ${difference}`);
    }
    const member = new CrewMember(introduction, stream);
    this.#replace(workerId, sessionId);
    this.#members.set(workerId, member);
    this.#inOrder = null;
    if (this.#stage !== null) this.#startStage(member, this.#stage);
    this.#news.tell();
    return {
      received: (message) => this.#received(member, message),
      closed: () => this.#depart(member, { stream: 'closed' }),
    };
  }

  exited(workerId: string, exit: WorkerExit): void {
    if (this.#closed) return;
    const leaving = this.#released.get(workerId);
    this.#released.delete(workerId);
    const member = this.#members.get(workerId);
    if (member !== undefined) {
      this.#depart(member, { exit });
      return;
    }
    const departure =
      this.#departures.get(workerId) ?? this.#beginDeparture(workerId, { leaving: leaving ?? null });
    departure.note({ exit });
  }

  /** A process that was started has not said hello in time. */
  neverJoined(workerId: string): void {
    if (this.#closed || this.#members.has(workerId) || this.#departures.has(workerId)) return;
    const verdict = {
      kind: 'never-joined',
      reason: `did not join within ${this.#settings.joinTimeoutMs / 1000} s`,
    } as const;
    this.#beginDeparture(workerId, {}).note({ verdict });
  }

  // ---- used by the run ----

  /** From now on this stage is trained: every worker opens it, those that join later too. */
  openStage(stage: OpenStage): void {
    this.#stage = stage;
    for (const member of this.#members.values()) this.#startStage(member, stage);
  }

  closeStage(): void {
    this.#stage = null;
    this.#generation = null;
  }

  hasJoined(workerId: string): boolean {
    return this.#members.has(workerId);
  }

  /** Those who may be members of a generation, in rank order. */
  get eligible(): readonly CrewMember[] {
    const stage = this.#stage?.start.stage;
    return this.#sorted().filter(({ readyFor, leaving }) => readyFor === stage && leaving === null);
  }

  get leavers(): readonly CrewMember[] {
    return this.#sorted().filter(({ leaving }) => leaving !== null);
  }

  /** True where one is about to be eligible that may hold what the eligible ones lack. */
  get holderMayCome(): boolean {
    const stage = this.#stage?.start.stage;
    return (
      [...this.#departures.values()].some((departure) => departure.mayReturn) ||
      this.#sorted().some(({ held, readyFor }) => held?.stage === stage && readyFor !== stage)
    );
  }

  /** What everyone holds who is here. */
  get holdings(): readonly (HeldState | null)[] {
    return this.#sorted().map(({ held }) => held);
  }

  /** Those who hold this. */
  holdersOf(stage: number, group: HeldGroup): readonly CrewMember[] {
    return this.#sorted().filter(({ held }) => isOf(held, stage, group));
  }

  /** True where someone could join the generation. */
  hasNewcomers(generation: Generation): boolean {
    return this.eligible.some((member) => !generation.includes(member));
  }

  /** Resolves at the next change of anything that is said here. */
  get change(): Promise<void> {
    return this.#news.next;
  }

  /** What the keeper expects has changed: whoever waits looks again. */
  expectationsChanged(): void {
    this.#news.tell();
  }

  /** Makes these workers the members of the next generation. */
  assemble(number: number, members: readonly CrewMember[], runSignal: AbortSignal): Generation {
    this.#generation = new Generation(number, members, runSignal);
    return this.#generation;
  }

  /** Asks a worker to leave as if it had asked itself. */
  askToLeave(workerId: string, reason: string): void {
    const member = this.#members.get(workerId);
    if (member !== undefined) this.#leave(member, reason);
  }

  /** Lets a worker go that asked for it. */
  release(member: CrewMember): void {
    const { workerId, leaving } = member;
    this.#released.set(workerId, leaving ?? '');
    this.#members.delete(workerId);
    this.#inOrder = null;
    member.farewell = known(leaving === null || leaving === '' ? 'left' : `left: ${leaving}`);
    member.dismiss('it may go');
    this.#keeper.released(workerId);
    this.#news.tell();
  }

  /** Counts a worker as lost because the others cannot work with it. */
  evict(workerId: string, reason: string): void {
    const member = this.#members.get(workerId);
    if (member !== undefined) this.#depart(member, { verdict: { kind: 'evicted', reason } });
  }

  /** From now on workers may go. Those that are here are told to. */
  close(reason: string): void {
    this.#end((member) => member.dismiss(reason));
  }

  /** Leaves those that are here to the next coordinator, which they look for. */
  hangUp(): void {
    this.#end((member) => member.hangUp());
  }

  // ---- inside ----

  #end(part: (member: CrewMember) => void): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#heartbeatTimer);
    for (const departure of this.#departures.values()) departure.callOff();
    for (const member of this.#members.values()) part(member);
  }

  #received(member: CrewMember, message: FromWorker): void {
    if (this.#members.get(member.workerId) !== member) return;
    member.silentIntervals = 0;
    const { stageReady, failure, leaving, collectiveFailure, checkpointPart, heartbeat } = message;
    if (heartbeat) return;
    if (stageReady) this.#ready(member, stageReady);
    else if (failure) this.#depart(member, { report: readFailure(failure) });
    else if (leaving) this.#leave(member, leaving.reason ?? '');
    else if (collectiveFailure) this.#complain(member, collectiveFailure);
    else if (checkpointPart) this.#stage?.onCheckpointPart(member, checkpointPart);
    else this.#generation?.deliver(member, message);
  }

  #ready(member: CrewMember, { stage = 0 }: v1.StageReady.$Properties): void {
    if (stage !== this.#stage?.start.stage) return;
    member.readyFor = stage;
    this.#news.tell();
  }

  #leave(member: CrewMember, reason: string): void {
    member.leaving = reason;
    if (this.#generation?.includes(member) === true) this.#generation.disturb('member-leaving');
    this.#news.tell();
  }

  #complain(
    { workerId }: CrewMember,
    { generation, reason, suspects }: v1.CollectiveFailure.$Properties,
  ): void {
    if (this.#generation === null || this.#generation.number !== generation) return;
    for (const suspect of suspects ?? []) {
      const member = this.#members.get(suspect);
      if (member !== undefined) member.suspected = true;
    }
    this.#generation.complain({ workerId, reason: reason ?? '', suspects: suspects ?? [] });
  }

  /** Puts a member on the stage, after the commit that it may have missed. */
  #startStage(member: CrewMember, { start, commitOf }: OpenStage): void {
    this.#catchUp(member, start.stage ?? 0, commitOf);
    member.readyFor = null;
    member.beating = true;
    member.send({ stageStart: start });
  }

  #catchUp(member: CrewMember, stage: number, commitOf: OpenStage['commitOf']): void {
    const { held, proposedStep } = member;
    member.proposedStep = 0;
    if (held?.stage !== stage || proposedStep !== held.step + 1) return;
    const commit = commitOf(proposedStep);
    if (commit === undefined) return;
    member.send({ stepCommit: { stage, step: proposedStep, skipped: commit.skipped } });
    member.held = { ...held, step: proposedStep };
  }

  /** Makes room for a worker's new session: the one before is over, whatever has become of it. */
  #replace(workerId: string, sessionId: string): void {
    this.#departures.get(workerId)?.callOff();
    this.#departures.delete(workerId);
    const before = this.#members.get(workerId);
    if (before === undefined) return;
    this.#remove(before, known('was replaced by a newer connection'));
    if (before.sessionId !== sessionId) before.dismiss('another process has taken this place');
    else before.hangUp();
  }

  /** A first, or a further, sign that a member is gone: it takes no part from now on, unless it comes back. */
  #depart(member: CrewMember, news: Partial<Evidence>): void {
    const { workerId, leaving } = member;
    if (this.#closed) return;
    if (this.#members.get(workerId) === member) {
      this.#remove(member, this.#beginDeparture(workerId, { stream: 'open', leaving }, member));
    }
    const departure = this.#departures.get(workerId);
    if (departure !== undefined && departure === member.farewell) departure.note(news);
  }

  #remove(member: CrewMember, farewell: Farewell): void {
    this.#members.delete(member.workerId);
    this.#inOrder = null;
    member.farewell = farewell;
    if (this.#generation?.includes(member) === true) this.#generation.disturb('member-lost');
    this.#stage?.onGone(member);
    this.#news.tell();
  }

  #beginDeparture(workerId: string, evidence: Partial<Evidence>, member?: CrewMember): Departure {
    const { failureSettleMs } = this.#settings;
    const departure = new Departure(workerId, { ...nothing, ...evidence }, failureSettleMs, (loss) => {
      this.#departures.delete(workerId);
      if (member !== undefined) {
        this.#condemned.add(member.sessionId);
        member.hangUp();
      }
      this.#keeper.lost(loss);
      this.#news.tell();
    });
    this.#departures.set(workerId, departure);
    return departure;
  }

  /**
   * Counts intervals without a message instead of comparing clocks: where this process itself was stopped (a suspended
   * machine), no interval passes for the workers either.
   */
  #checkHeartbeats(): void {
    const { heartbeatIntervalMs, heartbeatTimeoutMs, suspectTimeoutMs } = this.#settings;
    for (const member of this.#sorted()) {
      if (!member.beating) continue;
      member.silentIntervals += 1;
      const silentMs = member.silentIntervals * heartbeatIntervalMs;
      if (silentMs < (member.suspected ? suspectTimeoutMs : heartbeatTimeoutMs)) continue;
      const reason =
        `has not been heard of for ${Math.round(silentMs / 1000)} s: it hangs, or its machine or ` +
        'network is gone';
      this.#depart(member, { verdict: { kind: 'worker-silent', reason } });
    }
  }

  #sorted(): readonly CrewMember[] {
    this.#inOrder ??= [...this.#members.values()].sort((a, b) => byWorkerId.compare(a.workerId, b.workerId));
    return this.#inOrder;
  }
}

const nothing: Evidence = { stream: 'none', report: null, exit: null, leaving: null, verdict: null };

function known(reason: string): Farewell {
  return { reason, explained: Promise.resolve() };
}

function readFailure({ reason, origin }: v1.WorkerFailure.$Properties): NonNullable<Evidence['report']> {
  return { reason: reason ?? '', config: origin === v1.FailureOrigin.FAILURE_ORIGIN_CONFIG };
}
