import type { CheckpointStore, FinishedPart } from '../checkpoints/checkpoint-store.js';
import { messageOf } from '../../lib/errors.js';
import { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import type { Crew } from '../cluster/crew.js';
import type { CrewMember } from '../cluster/crew-member.js';
import { isComplete, newestGroup } from '../cluster/held-state.js';
import { notify, type ActiveRun } from './active-run.js';

interface StepId {
  readonly stage: number;
  readonly step: number;
}

/** A checkpoint whose parts the members are writing. */
interface Draft extends StepId {
  readonly directory: string;
  readonly begunMs: number;
  readonly waitingFor: Set<CrewMember>;
  readonly parts: FinishedPart[];
  /** Resolves once it stands, or has been abandoned. */
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

/** Has the workers write checkpoints, one at a time, beside training or at a stop. Training never fails by one. */
export class CheckpointWriter {
  readonly #run: ActiveRun;
  readonly #store: CheckpointStore;
  readonly #saveSteps: number;
  #due = false;
  #draft: Draft | null = null;
  #newest: StepId | null = null;
  /** The last attempt failed, and the user knows. */
  #failing = false;

  /** `saveSteps`: steps from one checkpoint to the next; 0 for none but those that a stop asks for. */
  constructor(run: ActiveRun, store: CheckpointStore, saveSteps: number) {
    this.#run = run;
    this.#store = store;
    this.#saveSteps = saveSteps;
  }

  /**
   * Begins a checkpoint of the step that has just been committed, where one is due and none is being written. Returns
   * the directory for the members' parts; empty for no checkpoint.
   */
  async atCommit(id: StepId, members: readonly CrewMember[]): Promise<string> {
    if (this.#saveSteps > 0 && id.step % this.#saveSteps === 0) this.#due = true;
    if (!this.#due || this.#draft !== null) return '';
    return (await this.#begin(id, members))?.directory ?? '';
  }

  /**
   * Has the newest state written that the workers hold completely, unless it is written already. Ends their generation.
   * Resolves once it stands, or cannot be written, or the signal is aborted.
   */
  async writeNow(
    crew: Crew,
    { stage, atMostStep }: { readonly stage: number; readonly atMostStep: number },
    signal: AbortSignal,
  ): Promise<void> {
    const group = newestGroup(crew.holdings, { stage, atMostStep }, isComplete);
    if (group === null || group.step === 0) return;
    const id = { stage, step: group.step };
    if (isSame(this.#draft, id)) await untilAborted(this.#draft.settled, signal).catch(() => undefined);
    if (isSame(this.#newest, id) || signal.aborted) return;
    await this.close();
    const members = crew.holdersOf(stage, group);
    const draft = await this.#begin(id, members);
    if (draft === null) return;
    const { directory } = draft;
    for (const member of members) member.send({ writeCheckpoint: { ...id, directory } });
    try {
      await untilAborted(draft.settled, signal);
    } catch {
      await this.close();
    }
  }

  /** A member has written its part, or could not. */
  received(from: CrewMember, message: v1.CheckpointPart.$Properties): void {
    const draft = this.#draft;
    const part = v1.CheckpointPart.create(message);
    if (draft === null || !isSame(draft, part) || !draft.waitingFor.has(from)) return;
    if (part.error !== '') {
      this.#inBackground(this.#abandon(draft, `${from.workerId}: ${part.error}`));
      return;
    }
    draft.waitingFor.delete(from);
    draft.parts.push(readPart(part));
    if (draft.waitingFor.size === 0) this.#inBackground(this.#finish(draft));
  }

  /** A worker whose part is missing will not write it any more. */
  gone(member: CrewMember): void {
    if (this.#draft?.waitingFor.has(member) === true) this.#inBackground(this.#abandon(this.#draft));
  }

  /** Resolves once nothing is being written. */
  async idle(): Promise<void> {
    await this.#draft?.settled;
  }

  /** Ends what is being written, unless all parts are there. */
  async close(): Promise<void> {
    const draft = this.#draft;
    if (draft === null) return;
    if (draft.waitingFor.size > 0) await this.#abandon(draft);
    else await draft.settled;
  }

  /** Only the journal can fail it, and with that the run. */
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => this.#run.fail(error as Error));
  }

  async #begin(id: StepId, members: readonly CrewMember[]): Promise<Draft | null> {
    let directory: string;
    try {
      directory = await this.#store.begin(id);
    } catch (error) {
      this.#warn(id, messageOf(error));
      return null;
    }
    let settle: () => void = () => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const waitingFor = new Set(members);
    const draft = { ...id, directory, begunMs: performance.now(), waitingFor, parts: [], settled, settle };
    this.#draft = draft;
    this.#due = false;
    if (members.every(({ farewell }) => farewell === null)) return draft;
    await this.#abandon(draft);
    return null;
  }

  async #finish(draft: Draft): Promise<void> {
    const { stage, step, parts, begunMs } = draft;
    const { journal, record, measured } = this.#run;
    try {
      const updates = journal.updatesThrough(record.id, stage, step);
      const written = await this.#store.finish(draft.directory, { stage, step, updates, parts });
      const durationMs = performance.now() - begunMs;
      journal.addCheckpoint(record.id, { stage, step, ...written, durationMs });
      measured.checkpointWritten(durationMs);
      this.#newest = { stage, step };
      this.#failing = false;
    } catch (error) {
      this.#due = true;
      this.#warn(draft, messageOf(error));
    } finally {
      this.#settle(draft);
    }
  }

  /** Removes what there is of it; it is due again at the next commit. */
  async #abandon(draft: Draft, why: string | null = null): Promise<void> {
    if (this.#draft !== draft) return;
    this.#due = true;
    if (why !== null) this.#warn(draft, why);
    this.#settle(draft);
    await this.#store
      .abandon(draft.directory)
      .catch((error: unknown) => this.#run.log.warn({ err: error }, 'an abandoned checkpoint stays behind'));
  }

  #settle(draft: Draft): void {
    if (this.#draft === draft) this.#draft = null;
    draft.settle();
  }

  /** Once, until one has been written again: at every commit it may fail in the same way. */
  #warn({ stage, step }: StepId, why: string): void {
    const text = `the checkpoint of stage ${stage}, step ${step} was not written: ${why}`;
    this.#run.log.warn(text);
    if (!this.#failing) notify(this.#run, `${text}; training goes on without it`, { warning: true });
    this.#failing = true;
  }
}

function isSame<Id extends StepId>(a: Id | null, b: StepId): a is Id {
  return a !== null && a.stage === b.stage && a.step === b.step;
}

function readPart(part: v1.CheckpointPart): FinishedPart {
  const { file, start, end, size, bytes, sha256 } = part;
  return { file, start, end, size, bytes, sha256 };
}
