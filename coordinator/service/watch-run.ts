import type { ServerWritableStream } from '@grpc/grpc-js';
import type { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import { News } from '../cluster/news.js';
import type { WatchedRuns } from './run-events.js';
import { toStatus } from './status.js';

type WatchStream = ServerWritableStream<v1.WatchRunRequest, v1.WatchRunResponse.$Properties | Uint8Array>;

/**
 * Streams a run's events until it has ended. They are always pulled, at the client's pace: a slow client holds up neither
 * the run nor this process's memory.
 */
export function watchRun(call: WatchStream, watched: WatchedRuns): void {
  const gone = new AbortController();
  call.once('cancelled', () => gone.abort());
  streamEvents(call, watched, gone.signal).then(
    () => call.end(),
    (error: unknown) => {
      if (!gone.signal.aborted) call.emit('error', toStatus(error));
    },
  );
}

async function streamEvents(call: WatchStream, watched: WatchedRuns, gone: AbortSignal): Promise<void> {
  const { runId, historyOnly } = call.request;
  let sequence = call.request.afterSequence;
  const news = new News();
  const events = watched.eventsOf(runId);
  const unsubscribe = events.subscribe(() => news.tell());
  try {
    for (;;) {
      const { next } = news;
      const isOver = historyOnly || events.over;
      const found = events.after(sequence);
      for (const event of found) {
        await write(call, event, gone);
        sequence += 1;
      }
      if (found.length > 0) continue;
      if (isOver) return;
      await untilAborted(next, gone);
    }
  } finally {
    unsubscribe();
  }
}

async function write(call: WatchStream, event: Uint8Array, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  if (call.write(event)) return;
  await untilAborted(new Promise<void>((resolve) => call.once('drain', resolve)), gone);
}
