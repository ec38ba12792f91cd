import { remotesOf } from '../../coordinator/sources/open-remote.js';
import { fetchSources, pinSources, type RunSource } from '../../coordinator/sources/run-sources.js';
import {
  SourceStore,
  type FetchOptions,
  type FetchProgress,
} from '../../coordinator/sources/source-store.js';
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
  const display = new FetchDisplay(err);
  return interruptible(interruption, async (signal) => {
    try {
      const pinned = await pinSources(run, store, signal);
      return await fetchSources(pinned, store, (source) => display.ofSource(source, signal));
    } finally {
      display.end();
    }
  });
}

/** Shows what is fetched, one source after the other. */
class FetchDisplay {
  private text = '';
  private transfer: TransferDisplay | null = null;

  constructor(private readonly err: Output) {}

  ofSource({ text }: RunSource, signal: AbortSignal): FetchOptions {
    return {
      signal,
      onWait: () => this.err.line(`another process is fetching ${text}: waiting for it`),
      onProgress: (progress) => this.show(text, progress),
    };
  }

  end(): void {
    this.transfer?.end();
    this.transfer = null;
  }

  private show(text: string, { heldBytes, totalBytes }: FetchProgress): void {
    if (text !== this.text) {
      this.end();
      this.err.line(`fetching ${text}`);
      this.text = text;
      this.transfer = new TransferDisplay(this.err, 'fetching', heldBytes, totalBytes);
    }
    this.transfer?.update(heldBytes);
  }
}
