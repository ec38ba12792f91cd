import { randomBytes } from 'node:crypto';
import { renderRunFile } from '../../lib/config/render.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import type { Handlers } from '../../proto/calls.js';
import type { runService, v1 } from '../../proto/services.js';
import type { Journal } from '../journal/journal.js';
import { runMessage } from '../journal/messages.js';
import { claimOutputDirectory } from '../runs/output-directory.js';
import { readRunFile } from '../runs/run-file.js';
import type { RunQueue } from '../runs/run-queue.js';
import { pinSources } from '../sources/run-sources.js';
import type { SourceStore } from '../sources/source-store.js';
import { readLog } from './read-log.js';
import { requireRun } from './require-run.js';
import { WatchedRuns } from './run-events.js';
import { readSubmission, type RunPlaces } from './submission.js';
import { watchRun } from './watch-run.js';

/** Of all sources of a run: the submitter waits that long. */
const PIN_TIMEOUT_MS = 60_000;

/**
 * What a person may ask of the coordinator.
 * @param about what is known of it by now, for whoever asks
 */
export function runHandlers(
  journal: Journal,
  queue: RunQueue,
  places: RunPlaces & { readonly sources: SourceStore },
  about: () => v1.GetCoordinatorResponse.$Properties,
): Handlers<typeof runService> {
  const watched = new WatchedRuns(journal);
  const find = (id: string) => requireRun(journal, id);
  return {
    submitRun: async (request) => {
      const id = `run-${randomBytes(4).toString('hex')}`;
      const submission = await readSubmission(request, id, places);
      const { name, outputDir } = submission;
      queue.requirePossible(submission.config.workers);
      // Now, and not when its turn comes: the run is made from what its submitter sees.
      const config = await pinInTime(submission.config, places.sources);
      const { skipBadRows } = request;
      const { workers } = config;
      const runYaml = renderRunFile(config);
      const claim = await claimOutputDirectory(outputDir, runYaml);
      try {
        for (const upload of submission.uploads) await places.trees.keep(upload);
        queue.add({ id, name, runYaml, outputDir, skipBadRows, workers });
        return { run: runMessage(find(id)) };
      } catch (error) {
        await claim.undo();
        throw error;
      }
    },
    getRun: ({ runId }) => ({ run: runMessage(find(runId)) }),
    listRuns: () => ({ runs: journal.runs().map(runMessage) }),
    cancelRun: ({ runId, save }) => {
      queue.cancel(find(runId), 'cancelled by request', { save });
      return { run: runMessage(find(runId)) };
    },
    resumeRun: ({ runId }) => {
      queue.resume(find(runId));
      return { run: runMessage(find(runId)) };
    },
    resizeRun: ({ runId, workers }) => {
      const run = find(runId);
      requireEnough(workers, readRunFile(run.runYaml, run.outputDir));
      queue.resize(run, workers);
      return { run: runMessage(find(runId)) };
    },
    watchRun: (call) => watchRun(call, watched),
    readLog: (call) => readLog(call, journal),
    getCoordinator: () => about(),
  };
}

function requireEnough(workers: number, { minWorkers }: RunConfig): void {
  if (workers >= minWorkers) return;
  throw new ConfigError(`the run needs at least ${minWorkers} workers (min_workers), not ${workers}`);
}

async function pinInTime(config: RunConfig, sources: SourceStore): Promise<RunConfig> {
  const signal = AbortSignal.timeout(PIN_TIMEOUT_MS);
  try {
    return await pinSources(config, sources, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new RunError(
      `the sources of the run could not be looked up within ${PIN_TIMEOUT_MS / 1000} s: submit it again later`,
    );
  }
}
