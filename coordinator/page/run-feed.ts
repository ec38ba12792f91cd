import { setImmediate as nextTurn } from 'node:timers/promises';
import { summaryOf, toRunEvent } from './messages.js';
import type { RunSource } from './run-source.js';
import type { RunEvent } from './view/events.js';
import { applyEvent, beginView, type RunView } from './view/run-view.js';

/** Events read from the journal at once: a long history must not hold up the training that this process steers. */
const PAGE_EVENTS = 256;

/** Latest events kept for those who watch live; whoever is further behind reads from the journal. */
const KEPT_EVENTS = 512;

/** News is passed on at most this often, however fast steps are. */
const NEWS_INTERVAL_MS = 100;

/** A run's view and its latest events, kept up to date from the journal once for all who watch. */
export class RunFeed {
  readonly #source: RunSource;
  readonly #id: string;
  readonly #view: RunView;
  #kept: RunEvent[] = [];
  readonly #listeners = new Set<() => void>();
  #unsubscribe: (() => void) | undefined;
  #newsTimer: NodeJS.Timeout | undefined;
  #catchingUp: Promise<void> | undefined;

  /** Undefined where there is no such run. */
  static of(source: RunSource, id: string): RunFeed | undefined {
    const run = source.findRun(id);
    return run === undefined ? undefined : new RunFeed(source, id, beginView(summaryOf(run)));
  }

  private constructor(source: RunSource, id: string, view: RunView) {
    this.#source = source;
    this.#id = id;
    this.#view = view;
  }

  /** Whether nobody watches. */
  get idle(): boolean {
    return this.#listeners.size === 0;
  }

  /** The view with all that the journal holds now. It goes on changing. */
  async current(): Promise<RunView> {
    this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = undefined));
    await this.#catchingUp;
    return this.#view;
  }

  /** The next events with a sequence number above `after`; none for no more. */
  async eventsAfter(after: number): Promise<readonly RunEvent[]> {
    await this.current();
    const oldest = this.#kept[0]?.sequence;
    if (oldest !== undefined && after >= oldest - 1)
      return this.#kept.filter(({ sequence }) => sequence > after);
    return this.#read(after).events;
  }

  /** Calls `listener` when there may be more events, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#unsubscribe ??= this.#source.subscribe(this.#id, () => this.#scheduleNews());
    return () => {
      this.#listeners.delete(listener);
      if (!this.idle) return;
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
      clearTimeout(this.#newsTimer);
      this.#newsTimer = undefined;
    };
  }

  #scheduleNews(): void {
    this.#newsTimer ??= setTimeout(() => {
      this.#newsTimer = undefined;
      for (const listener of [...this.#listeners]) listener();
    }, NEWS_INTERVAL_MS);
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const { events, last } = this.#read(this.#view.sequence);
      for (const event of events) applyEvent(this.#view, event);
      this.#kept = [...this.#kept, ...events].slice(-KEPT_EVENTS);
      if (last === null) return;
      this.#view.sequence = last;
      await nextTurn();
    }
  }

  /** `last` is the sequence number of the last event, known to this page or not; null for no more. */
  #read(after: number): { readonly events: readonly RunEvent[]; readonly last: number | null } {
    const messages = this.#source.eventsAfter(this.#id, after, PAGE_EVENTS);
    const events = messages.map(toRunEvent).filter((event) => event !== null);
    return { events, last: messages.at(-1)?.sequence ?? null };
  }
}
