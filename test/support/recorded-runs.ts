import type { KnownRun, RunSource } from '../../coordinator/page/run-source.js';
import { v1 } from '../../proto/services.js';

export type EventBody = Pick<
  v1.WatchRunResponse.$Properties,
  | 'run'
  | 'stageStarted'
  | 'stepCommitted'
  | 'notice'
  | 'membershipChanged'
  | 'checkpointWritten'
  | 'evaluated'
  | 'completionsSampled'
>;

/** Runs in memory in place of the journal: a recording, or what a test says. */
export class RecordedRuns implements RunSource {
  readonly #runs = new Map<string, KnownRun>();
  readonly #events = new Map<string, v1.WatchRunResponse[]>();
  readonly #listeners = new Map<string, Set<() => void>>();

  runs(): readonly KnownRun[] {
    return [...this.#runs.values()];
  }

  findRun(id: string): KnownRun | undefined {
    return this.#runs.get(id);
  }

  eventsAfter(id: string, after: number, limit: number): readonly v1.WatchRunResponse[] {
    const events = this.#events.get(id) ?? [];
    return events.slice(after, after + limit);
  }

  subscribe(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  listeners(id: string): number {
    return this.#listeners.get(id)?.size ?? 0;
  }

  /** Adds a run, or changes it, without an event. */
  set(run: KnownRun): void {
    this.#runs.set(run.id, run);
  }

  add(id: string, event: EventBody, timeMs: number): void {
    const events = this.#events.get(id) ?? [];
    // Through the wire format, as the journal's events come.
    const bytes = v1.WatchRunResponse.encode({ ...event, sequence: events.length + 1, timeMs }).finish();
    events.push(v1.WatchRunResponse.decode(bytes));
    this.#events.set(id, events);
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener();
  }
}
