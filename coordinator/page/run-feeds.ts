import { RunFeed } from './run-feed.js';
import type { RunSource } from './run-source.js';

/** Feeds that are kept though nobody watches: to make one means to read a run's whole history. */
const KEPT_FEEDS = 16;

/** The feeds of the runs that were looked at last. */
export class RunFeeds {
  readonly #source: RunSource;
  /** The one that was asked for last comes last. */
  readonly #feeds = new Map<string, RunFeed>();

  constructor(source: RunSource) {
    this.#source = source;
  }

  /** Undefined where there is no such run. */
  find(id: string): RunFeed | undefined {
    const feed = this.#feeds.get(id) ?? RunFeed.of(this.#source, id);
    if (feed === undefined) return undefined;
    this.#feeds.delete(id);
    this.#feeds.set(id, feed);
    this.#dropOldest();
    return feed;
  }

  #dropOldest(): void {
    for (const [id, feed] of this.#feeds) {
      if (this.#feeds.size <= KEPT_FEEDS) return;
      if (feed.idle) this.#feeds.delete(id);
    }
  }
}
