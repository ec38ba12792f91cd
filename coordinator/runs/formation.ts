import { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import type { CrewMember } from '../cluster/crew-member.js';
import { actionFor } from '../cluster/failure-policy.js';
import type { Generation } from '../cluster/generation.js';
import { isOf } from '../cluster/held-state.js';
import { notify } from './active-run.js';
import type { StageContext } from './stage-context.js';
import { findStartingState, type StartingState } from './starting-state.js';

/** Forms the generations of a stage, one after the other. */
export class Formation {
  readonly #context: StageContext;
  readonly #patience: Patience;

  constructor(context: StageContext) {
    this.#context = context;
    this.#patience = new Patience(context.fleet.begun, context.run.cluster.joinTimeoutMs);
  }

  /**
   * Waits for enough members with a state to start from, and until all of them hold it. Rejects with a Disturbance where
   * something disturbs them in between.
   */
  async next(): Promise<Generation> {
    const { run, stage, progress, news } = this.#context;
    const { members, state } = await this.#gather();
    this.#patience.end();
    this.#tellOfStepsLost(state);
    progress.goTo(state.step);
    const generation = this.#assemble(members);
    // Encoded once: it grows with the members, and so would the time for all of them with their square.
    const common = v1.Membership.encode({
      generation: generation.number,
      members: members.map((member) => memberOf(member, stage.number, state)),
      state: {
        stage: stage.number,
        step: state.step,
        updates: progress.updates,
        source: state.source,
        checkpoint: state.checkpoint,
      },
    }).finish();
    members.forEach((_, rank) => generation.send(rank, { membership: { rank, $unknowns: [common] } }));
    await generation.collect('generationReady');
    if (run.journal.findRun(run.record.id)?.state !== 'running') {
      run.journal.transition(run.record.id, 'running');
    }
    await news.announce(generation, { stage: stage.number, step: state.step });
    return generation;
  }

  close(): void {
    this.#patience.end();
  }

  async #gather(): Promise<{ members: readonly CrewMember[]; state: StartingState }> {
    const { run, fleet } = this.#context;
    for (;;) {
      const { change } = fleet.crew;
      run.signal.throwIfAborted();
      await this.#letLeaversGo();
      const members = fleet.crew.eligible;
      const state = this.#isEnough(members) ? await findStartingState(this.#context, members) : null;
      if (state !== null && isStill(members, fleet.crew.eligible)) return { members, state };
      const wake = this.#patience.lasts ? Promise.race([change, this.#patience.over]) : change;
      await untilAborted(wake, run.signal);
    }
  }

  /** Throws a RunError where there will never be enough. */
  #isEnough(members: readonly CrewMember[]): boolean {
    const { run, fleet, config } = this.#context;
    const { toCome } = fleet;
    if (members.length < config.minWorkers) {
      const enoughMayCome = members.length + toCome.length >= config.minWorkers;
      if (actionFor({ kind: 'too-few-workers', enoughMayCome }) === 'fail-run') {
        throw fleet.tooFew(members.length);
      }
      const isRunning = run.journal.findRun(run.record.id)?.state === 'running';
      if (isRunning && !this.#patience.lasts) run.journal.transition(run.record.id, 'recovering');
      return false;
    }
    if (toCome.length === 0) return true;
    if (this.#patience.lasts) return false;
    if (this.#patience.timedOut) {
      const time = `${run.cluster.joinTimeoutMs / 1000} s`;
      notify(run, `not ready after ${time}: ${toCome.join(', ')}; training goes on without`, {
        warning: true,
      });
      this.#patience.timedOut = false;
    }
    return true;
  }

  /** Whoever asked to leave goes once what it holds is safe. */
  async #letLeaversGo(): Promise<void> {
    const { run, stage, fleet, writer, progress } = this.#context;
    const { crew } = fleet;
    if (crew.leavers.length === 0) return;
    const deadline = AbortSignal.timeout(run.cluster.lastCheckpointMs);
    const wanted = { stage: stage.number, atMostStep: progress.committed };
    await writer.writeNow(crew, wanted, AbortSignal.any([run.signal, deadline]));
    for (const leaver of crew.leavers) crew.release(leaver);
  }

  #assemble(members: readonly CrewMember[]): Generation {
    const { run, fleet } = this.#context;
    const { journal, record } = run;
    // In the journal first: no number is used twice, whatever happens.
    const number = journal.lastGeneration(record.id) + 1;
    journal.addMembership(
      record.id,
      number,
      members.map((member) => member.record),
    );
    return fleet.crew.assemble(number, members, run.signal);
  }

  #tellOfStepsLost({ step, checkpoint }: StartingState): void {
    const { run, progress } = this.#context;
    const { committed } = progress;
    if (step === committed) return;
    const from = checkpoint === '' ? `step ${step}` : checkpoint;
    const steps = step + 1 === committed ? `step ${committed}` : `steps ${step + 1} to ${committed}`;
    notify(run, `training goes on from ${from}: ${steps} will be computed again`);
  }
}

/** How long the first generation waits for all workers, from when the first one was started. */
class Patience {
  /** Resolves when the time is over. */
  readonly over: Promise<void>;
  timedOut = false;
  #lasts = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(begun: Promise<void>, timeoutMs: number) {
    let finish: () => void = () => undefined;
    this.over = new Promise((resolve) => (finish = resolve));
    const expire = () => {
      this.timedOut = this.#lasts;
      this.#lasts = false;
      finish();
    };
    void begun.then(() => {
      if (this.#lasts) this.#timer = setTimeout(expire, timeoutMs);
    });
  }

  get lasts(): boolean {
    return this.#lasts;
  }

  end(): void {
    this.#lasts = false;
    clearTimeout(this.#timer);
  }
}

function memberOf(member: CrewMember, stage: number, { holders }: StartingState): v1.Member.$Properties {
  const { workerId, collectiveEndpoint, collectivePublicKey } = member.record;
  const known = { workerId, collectiveEndpoint, collectivePublicKey };
  const { held } = member;
  if (held === null || holders === null || !isOf(held, stage, holders)) return known;
  return { ...known, held: { rank: held.rank, worldSize: held.worldSize } };
}

function isStill(before: readonly CrewMember[], now: readonly CrewMember[]): boolean {
  const there = new Set(now);
  return before.every((member) => there.has(member));
}
