import type { ServerWritableStream } from '@grpc/grpc-js';
import type { v1 } from '../../proto/services.js';
import { untilAborted } from '../../lib/abort.js';
import { News } from '../cluster/news.js';
import type { Journal } from '../journal/journal.js';
import { hasEnded } from '../runs/state.js';
import { requireRun } from './require-run.js';
import { streamTo } from './stream-to.js';

type WatchStream = ServerWritableStream<v1.WatchRunRequest, v1.WatchRunResponse.$Properties>;

/** Events read from the journal at once. */
const PAGE_EVENTS = 256;

/** Streams a run's events until it has ended. They are always pulled from the journal, at the client's pace. */
export function watchRun(call: WatchStream, journal: Journal): void {
  const { runId, historyOnly } = call.request;
  let sequence = call.request.afterSequence;
  streamTo(call, async (send, gone) => {
    const news = new News();
    const unsubscribe = journal.subscribe(runId, () => news.tell());
    try {
      for (;;) {
        const { next } = news;
        const { state } = requireRun(journal, runId);
        const events = journal.eventsAfter(runId, sequence, PAGE_EVENTS);
        for (const event of events) {
          await send(event);
          sequence = event.sequence;
        }
        if (events.length > 0) continue;
        if (historyOnly || hasEnded(state)) return;
        await untilAborted(next, gone);
      }
    } finally {
      unsubscribe();
    }
  });
}
