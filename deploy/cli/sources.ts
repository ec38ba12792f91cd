import { remotesOf } from '../../coordinator/sources/open-remote.js';
import { fetchSources, pinSources, type RunSource } from '../../coordinator/sources/run-sources.js';
import { SourceStore, type FetchOptions } from '../../coordinator/sources/source-store.js';
import { sourcesCache } from '../../lib/cache-root.js';
import type { RunConfig } from '../../lib/config/types.js';
import { Interrupted } from './exit.js';
import { interruptible } from './interrupts.js';
import type { Output } from './output/terminal.js';
import { TransferDisplay } from './progress/transfer.js';

/**
 * The same run with paths of this machine alone: what it names elsewhere is fetched into the user's cache.
 * @throws ConfigError or RunError where something is not to be had; Interrupted
 */
export async function fetchHere(run: RunConfig, err: Output): Promise<RunConfig> {
  const store = new SourceStore(sourcesCache(process.env), remotesOf(process.env));
  const interruption = () => new Interrupted('interrupted: what has been fetched is kept for the next time');
  return interruptible(interruption, async (signal) => {
    const displays = new Set<TransferDisplay>();
    try {
      const pinned = await pinSources(run, store, signal);
      return await fetchSources(pinned, store, (source) => shownTo(err, source, displays, signal));
    } finally {
      for (const display of displays) display.end();
    }
  });
}

function shownTo(
  err: Output,
  { text }: RunSource,
  displays: Set<TransferDisplay>,
  signal: AbortSignal,
): FetchOptions {
  let display: TransferDisplay | undefined;
  return {
    signal,
    onWait: () => err.line(`another process is fetching ${text}: waiting for it`),
    onProgress: ({ heldBytes, totalBytes }) => {
      if (display === undefined) {
        err.line(`fetching ${text}`);
        display = new TransferDisplay(err, 'fetching', heldBytes, totalBytes);
        displays.add(display);
      }
      display.update(heldBytes);
    },
  };
}
