import { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { interruptible } from '../interrupts.js';
import type { Output } from '../output/terminal.js';
import { requireEnded, requireSuccess } from '../runs/outcome.js';
import { readLog, watchRun } from '../runs/run-client.js';
import type { Coordinator } from './coordinator.js';
import { Patience, type Announcer } from './patience.js';

export type Events = AsyncIterable<v1.WatchRunResponse>;

/** Follows what a coordinator tells, over as many of its lives as it takes. */
export interface Watch {
  /** The events of a run after one of them, or all, until it ends, each once. */
  readonly events: (runId: string, afterSequence?: number) => Events;
  /** What a process of a run logs, until the run ends. */
  readonly log: (runId: string, process: string) => AsyncIterable<Uint8Array>;
  readonly patience: Patience;
  readonly signal: AbortSignal;
}

export function startWatch(coordinator: Coordinator, announcer: Announcer, signal: AbortSignal): Watch {
  const { client } = coordinator;
  const patience = new Patience(coordinator, announcer, signal);
  return {
    patience,
    signal,
    events: (runId, afterSequence = 0) => {
      let last = afterSequence;
      return patience.stream(async function* () {
        for await (const event of watchRun(client, runId, { afterSequence: last, signal })) {
          last = event.sequence;
          yield event;
        }
      });
    },
    log: (runId, process) => {
      let offset = 0;
      return patience.stream(async function* () {
        for await (const data of readLog(client, runId, { process, offset, follow: true, signal })) {
          offset += data.length;
          yield data;
        }
      });
    },
  };
}

/** Has `body` watch a run that goes on when the user leaves. @throws Interrupted with how to come back, on Ctrl-C */
export function watching<T>(
  run: v1.Run,
  coordinator: Coordinator,
  announcer: Announcer,
  body: (watch: Watch) => Promise<T>,
): Promise<T> {
  return interruptible(
    () => detachment(run, coordinator),
    (signal) => body(startWatch(coordinator, announcer, signal)),
  );
}

export function detachment({ id }: v1.Run, { flag }: Pick<Coordinator, 'flag'>): Interrupted {
  return new Interrupted(
    `detached: ${id} goes on; prospect logs ${id} -f${flag} follows it again, prospect cancel ${id}${flag} ends it`,
  );
}

/** The same values, until nobody reads any more what is printed of them. */
export async function* whileRead<T>(values: AsyncIterable<T>, output: Output): AsyncGenerator<T> {
  for await (const value of values) {
    yield value;
    if (!(await output.ready())) return;
  }
}

/** A run as the events that have passed tell of it. */
export class RunMemory {
  constructor(private known: v1.Run) {}

  get run(): v1.Run {
    return this.known;
  }

  async *watch(events: Events): AsyncGenerator<v1.WatchRunResponse> {
    for await (const event of events) {
      if (event.run) this.known = v1.Run.create(event.run);
      yield event;
    }
  }
}

/** The outcome of a run that was followed to its end. @throws ConfigError, RunError or Interrupted */
export function requireCompleted(run: v1.Run, { flag }: Pick<Coordinator, 'flag'>): void {
  const { id } = requireEnded(run);
  requireSuccess(run, { name: id, hint: `; it goes on by prospect resume ${id}${flag}` });
}
