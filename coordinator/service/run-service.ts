import { randomBytes } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { renderRunFile } from '../../lib/config/render.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import type { Handlers } from '../../proto/calls.js';
import type { runService } from '../../proto/services.js';
import type { Journal } from '../journal/journal.js';
import { runMessage } from '../journal/messages.js';
import type { RunRecord } from '../journal/records.js';
import { claimOutputDirectory } from '../runs/output-directory.js';
import { readRunFile } from '../runs/run-file.js';
import { requireEvaluable } from '../runs/evaluable.js';
import type { RunQueue } from '../runs/run-queue.js';
import { NotFoundError } from './status.js';
import { readLog } from './read-log.js';
import { WatchedRuns } from './run-events.js';
import { watchRun } from './watch-run.js';

/** What a person may ask of the coordinator. */
export function runHandlers(journal: Journal, queue: RunQueue): Handlers<typeof runService> {
  const watched = new WatchedRuns(journal);
  const find = (id: string): RunRecord => {
    const run = journal.findRun(id);
    if (run === undefined) throw new NotFoundError(`no run ${id}`);
    return run;
  };
  return {
    submitRun: async ({ runYaml, outputDir, skipBadRows, name }) => {
      if (!isAbsolute(outputDir)) throw new ConfigError(`output_dir must be an absolute path: ${outputDir}`);
      const config = readRunFile(runYaml, outputDir);
      requireEvaluable(config);
      queue.requirePossible(config.workers);
      const resolved = renderRunFile(config);
      await claimOutputDirectory(outputDir, resolved);
      const id = `run-${randomBytes(4).toString('hex')}`;
      const { workers } = config;
      queue.add({ id, name: name || id, runYaml: resolved, outputDir, skipBadRows, workers });
      return { run: runMessage(find(id)) };
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
    getCoordinator: () => ({ maxWorkers: queue.maxWorkers ?? 0, workersInUse: queue.workersInUse }),
  };
}

function requireEnough(workers: number, { minWorkers }: RunConfig): void {
  if (workers >= minWorkers) return;
  throw new ConfigError(`the run needs at least ${minWorkers} workers (min_workers), not ${workers}`);
}
