import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { RunFeed } from './run-feed.js';

/** So that proxies keep a quiet connection, and both ends notice a dead one. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Sends a run's events with a sequence number above `after` as server-sent events, then live ones, until the client goes.
 * They are always pulled, at the client's pace: a slow one holds up neither the run nor this process's memory.
 */
export async function streamEvents(response: ServerResponse, feed: RunFeed, after: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('retry: 2000\n\n');
  const gone = new AbortController();
  const keepAlive = setInterval(() => response.write(':\n\n'), KEEP_ALIVE_MS);
  let news = true;
  let wake = (): void => undefined;
  const unsubscribe = feed.subscribe(() => {
    news = true;
    wake();
  });
  response.once('close', () => {
    gone.abort();
    wake();
  });
  const isNews = () => news || gone.signal.aborted;
  try {
    let sequence = after;
    while (!gone.signal.aborted) {
      news = false;
      const events = await feed.eventsAfter(sequence);
      if (events.length > 0) {
        sequence = events.at(-1)!.sequence;
        const frames = events.map((event) => `id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`);
        if (!response.write(frames.join(''))) await once(response, 'drain', { signal: gone.signal });
      } else if (!isNews()) await new Promise<void>((resolve) => (wake = resolve));
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    unsubscribe();
    clearInterval(keepAlive);
  }
}
