import type { ServerWritableStream } from '@grpc/grpc-js';
import type { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import { News } from '../cluster/news.js';
import type { WatchedRuns } from './run-events.js';
import { streamTo } from './stream-to.js';

type WatchStream = ServerWritableStream<v1.WatchRunRequest, v1.WatchRunResponse.$Properties | Uint8Array>;

/** Streams a run's events until it has ended. They are always pulled, at the client's pace. */
export function watchRun(call: WatchStream, watched: WatchedRuns): void {
  const { runId, historyOnly } = call.request;
  let sequence = call.request.afterSequence;
  streamTo(call, async (send, gone) => {
    const news = new News();
    const events = watched.eventsOf(runId);
    const unsubscribe = events.subscribe(() => news.tell());
    try {
      for (;;) {
        const { next } = news;
        const isOver = historyOnly || events.over;
        const found = events.after(sequence);
        for (const event of found) {
          await send(event);
          sequence += 1;
        }
        if (found.length > 0) continue;
        if (isOver) return;
        await untilAborted(next, gone);
      }
    } finally {
      unsubscribe();
    }
  });
}
