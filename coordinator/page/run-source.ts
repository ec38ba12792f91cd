import type { v1 } from '../../proto/services.js';
import type { RunSummary } from './view/events.js';

export interface KnownRun extends RunSummary {
  /** What a queued run waits for; empty or absent for any other, and where nobody can tell. */
  readonly waitsFor?: string;
}

/** Where the page reads runs and their events: the journal, or what a test puts in its place. */
export interface RunSource {
  /** Oldest first. */
  runs(): readonly KnownRun[];
  findRun(id: string): KnownRun | undefined;
  /** The next events with a sequence number above `after`, at most `limit`. */
  eventsAfter(id: string, after: number, limit: number): readonly v1.WatchRunResponse[];
  /** Calls `listener` after every new event of a run, until the returned function is called. */
  subscribe(id: string, listener: () => void): () => void;
}
