import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Journal } from '../journal/journal.js';
import { hasEnded } from '../runs/state.js';
import { requireRun } from './require-run.js';

/** Events read from the journal at once. */
const PAGE_EVENTS = 256;

/** Latest events kept for those who watch live; whoever is further behind reads from the journal. */
const KEPT_EVENTS = 512;

/** News is passed on at most this often, however fast steps are. */
const NEWS_INTERVAL_MS = 200;

/** A run's latest events as they travel, read from the journal once for all who watch it. */
export class RunEvents {
  readonly #journal: Journal;
  readonly #id: string;
  readonly #onIdle: () => void;
  readonly #unsubscribe: () => void;
  readonly #listeners = new Set<() => void>();
  /** Those with the sequence numbers after `#before`, without a gap. */
  #kept: Uint8Array[] = [];
  #before: number;
  #stale = true;
  #over = false;
  #newsTimer: NodeJS.Timeout | undefined;

  /** `onIdle` is called when the last one has ceased to watch. Throws a NotFoundError where there is no such run. */
  constructor(journal: Journal, id: string, onIdle: () => void) {
    requireRun(journal, id);
    this.#journal = journal;
    this.#id = id;
    this.#onIdle = onIdle;
    this.#before = journal.lastSequence(id);
    this.#unsubscribe = journal.subscribe(id, () => this.#changed());
  }

  /** The next events with a sequence number above `sequence`, which follow without a gap; none for no more. */
  after(sequence: number): readonly Uint8Array[] {
    this.#catchUp();
    return sequence >= this.#before
      ? this.#kept.slice(sequence - this.#before)
      : this.#journal.encodedEventsAfter(this.#id, sequence, PAGE_EVENTS);
  }

  /** Whether the run has ended: the events that are there are all. */
  get over(): boolean {
    this.#catchUp();
    return this.#over;
  }

  /** Calls `listener` when there may be more events, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#newsTimer);
      this.#unsubscribe();
      this.#onIdle();
    };
  }

  /** Called in the middle of a commit, which must not wait for those who watch. */
  #changed(): void {
    this.#stale = true;
    this.#newsTimer ??= setTimeout(() => {
      this.#newsTimer = undefined;
      void this.#tell();
    }, NEWS_INTERVAL_MS);
  }

  /** Each of them has a turn of the event loop of its own: a worker's report need not wait behind all of them. */
  async #tell(): Promise<void> {
    for (const listener of [...this.#listeners]) {
      listener();
      await nextTurn();
    }
  }

  #catchUp(): void {
    if (!this.#stale) return;
    // The state first: where the run has ended, all its events are there.
    this.#over = hasEnded(this.#journal.findRun(this.#id)?.state ?? 'failed');
    for (;;) {
      const last = this.#before + this.#kept.length;
      const events = this.#journal.encodedEventsAfter(this.#id, last, PAGE_EVENTS);
      this.#kept.push(...events);
      if (events.length < PAGE_EVENTS) break;
    }
    const excess = Math.max(0, this.#kept.length - KEPT_EVENTS);
    this.#kept.splice(0, excess);
    this.#before += excess;
    this.#stale = false;
  }
}

/** The events of the runs that are watched. */
export class WatchedRuns {
  readonly #journal: Journal;
  readonly #runs = new Map<string, RunEvents>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Whoever takes them subscribes to them at once. Throws a NotFoundError where there is no such run. */
  eventsOf(id: string): RunEvents {
    const events = this.#runs.get(id) ?? new RunEvents(this.#journal, id, () => this.#runs.delete(id));
    this.#runs.set(id, events);
    return events;
  }
}
