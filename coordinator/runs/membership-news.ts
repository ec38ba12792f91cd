import { setTimeout as delay } from 'node:timers/promises';
import type { CrewMember } from '../cluster/crew-member.js';
import type { Generation } from '../cluster/generation.js';
import type { ActiveRun } from './active-run.js';

/** Tells those who watch a run who trains now, and who has come and gone. */
export class MembershipNews {
  readonly #run: ActiveRun;
  /** Of the generation told of last. */
  #members: readonly CrewMember[] = [];

  constructor(run: ActiveRun) {
    this.#run = run;
  }

  /** Waits a moment for the reason why a worker is gone: its stream often breaks before its exit is known. */
  async announce(
    generation: Generation,
    after: { readonly stage: number; readonly step: number },
  ): Promise<void> {
    const { members, number } = generation;
    const lost = this.#members.filter(({ sessionId }) => !hasSession(members, sessionId));
    const joined = members.filter(({ sessionId }) => !hasSession(this.#members, sessionId));
    this.#members = members;
    const explained = Promise.all(lost.flatMap(({ farewell }) => farewell?.explained ?? []));
    await within(this.#run.cluster.explanationMs, explained);
    const workers = members.map(({ workerId }) => workerId);
    this.#run.measured.formed(number, workers);
    this.#run.journal.addEvent(this.#run.record.id, {
      membershipChanged: {
        ...after,
        generation: number,
        workers,
        joined: joined.map(({ workerId }) => ({ workerId, reason: '' })),
        lost: lost.map(({ workerId, farewell }) => ({ workerId, reason: farewell?.reason ?? '' })),
      },
    });
  }
}

function hasSession(members: readonly CrewMember[], sessionId: string): boolean {
  return members.some((member) => member.sessionId === sessionId);
}

/** Waits for `promise`, but not for longer than this. */
async function within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  const timeout = delay(timeoutMs, undefined, { signal: done.signal }).catch(() => undefined);
  await Promise.race([promise, timeout]);
  done.abort();
}
