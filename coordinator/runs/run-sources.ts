import type { RunConfig } from '../../lib/config/types.js';
import { fetchSources, type RunSource } from '../sources/run-sources.js';
import type { FetchOptions, SourceStore } from '../sources/source-store.js';
import type { ActiveRun } from './active-run.js';

/** From one line about a transfer to the next: each is an event in the journal. */
const TOLD_INTERVAL_MS = 30_000;

/** Has what the run is made from here; what is still to come is told as what the run waits for. */
export async function fetchRunSources(
  { journal, record, signal }: ActiveRun,
  config: RunConfig,
  sources: SourceStore,
): Promise<RunConfig> {
  const waitFor = (text: string) => journal.setWaitsFor(record.id, text);
  const fetched = await fetchSources(config, sources, (source) => toldTo(source, waitFor, signal));
  if (journal.findRun(record.id)?.waitsFor) journal.setWaitsFor(record.id, '');
  return fetched;
}

function toldTo({ text }: RunSource, waitFor: (text: string) => unknown, signal: AbortSignal): FetchOptions {
  let toldAtMs = -Infinity;
  return {
    signal,
    onWait: () => waitFor(`${text}, which is fetched for another run already`),
    onProgress: ({ heldBytes, totalBytes }) => {
      if (performance.now() - toldAtMs < TOLD_INTERVAL_MS) return;
      toldAtMs = performance.now();
      waitFor(`${text}: ${mebibytes(heldBytes)} of ${mebibytes(totalBytes)} MiB are there`);
    },
  };
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
