import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import { News } from '../cluster/news.js';
import type { WatchedRuns } from './run-events.js';
import { streamTo } from './stream-to.js';

type WatchStream = ServerWritableStream<v1.WatchRunRequest, v1.WatchRunResponse.$Properties | Uint8Array>;

/** Streams a run's events until it has ended. They are always pulled, at the client's pace. */
export function watchRun(call: WatchStream, watched: WatchedRuns): void {
  const { runId, historyOnly, latestSteps } = call.request;
  let sequence = call.request.afterSequence;
  streamTo(call, async (send, gone) => {
    const news = new News();
    const events = watched.eventsOf(runId);
    const unsubscribe = events.subscribe(() => news.tell());
    const isWanted = events.filterOf(latestSteps);
    try {
      for (;;) {
        const { next } = news;
        const isOver = historyOnly || events.over;
        const found = events.after(sequence);
        for (const event of found) {
          if (isWanted(event)) await send(event);
          sequence += 1;
        }
        // Even where nothing of it was sent, others have their turn.
        if (found.length > 0) {
          await nextTurn();
          continue;
        }
        if (isOver) return;
        await untilAborted(next, gone);
      }
    } finally {
      unsubscribe();
    }
  });
}
