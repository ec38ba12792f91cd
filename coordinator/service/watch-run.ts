import type { ServerWritableStream } from '@grpc/grpc-js';
import type { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import { News } from '../cluster/news.js';
import type { Journal } from '../journal/journal.js';
import { hasEnded } from '../runs/state.js';
import { NotFoundError, toStatus } from './status.js';

type WatchStream = ServerWritableStream<v1.WatchRunRequest, v1.WatchRunResponse.$Properties>;

/** Events read from the journal at once. */
const PAGE_EVENTS = 256;

/**
 * Streams a run's events until it has ended. They are always pulled from the journal, at the client's pace: a slow
 * client holds up neither the run nor this process's memory.
 */
export function watchRun(call: WatchStream, journal: Journal): void {
  const gone = new AbortController();
  call.once('cancelled', () => gone.abort());
  streamEvents(call, journal, gone.signal).then(
    () => call.end(),
    (error: unknown) => {
      if (!gone.signal.aborted) call.emit('error', toStatus(error));
    },
  );
}

async function streamEvents(call: WatchStream, journal: Journal, gone: AbortSignal): Promise<void> {
  const { runId, historyOnly } = call.request;
  let sequence = call.request.afterSequence;
  const news = new News();
  const unsubscribe = journal.subscribe(runId, () => news.tell());
  try {
    for (;;) {
      const { next } = news;
      const run = journal.findRun(runId);
      if (run === undefined) throw new NotFoundError(`no run ${runId}`);
      const events = journal.eventsAfter(runId, sequence, PAGE_EVENTS);
      for (const event of events) {
        await write(call, event, gone);
        sequence = event.sequence;
      }
      if (events.length > 0) continue;
      if (historyOnly || hasEnded(run.state)) return;
      await untilAborted(next, gone);
    }
  } finally {
    unsubscribe();
  }
}

async function write(call: WatchStream, event: v1.WatchRunResponse, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  if (call.write(event)) return;
  await untilAborted(new Promise<void>((resolve) => call.once('drain', resolve)), gone);
}
