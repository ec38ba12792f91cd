import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Journal } from '../../../coordinator/journal/journal.js';
import { v1 } from '../../../proto/services.js';

/** What a run's events tell, for comparisons. */

export function nameOf({ state }: v1.Run.$Properties): string {
  return String(v1.RunState[state ?? 0])
    .replace('RUN_STATE_', '')
    .toLowerCase();
}

export function statesOf(events: readonly v1.WatchRunResponse[]): string[] {
  return events.flatMap(({ run }) => (run ? [nameOf(run)] : []));
}

export function noticesOf(events: readonly v1.WatchRunResponse[]): string[] {
  return events.flatMap(({ notice }) => (notice ? [notice.text ?? ''] : []));
}

export function warningsOf(events: readonly v1.WatchRunResponse[]): string[] {
  return events.flatMap(({ notice }) => (notice?.warning === true ? [notice.text ?? ''] : []));
}

/** `worker-0 worker-1 after 3: +worker-1 -worker-2 (was killed by SIGKILL)` per generation that went on. */
export function generationsOf(events: readonly v1.WatchRunResponse[]): string[] {
  return events.flatMap(({ membershipChanged: change }) => {
    if (!change) return [];
    const joined = (change.joined ?? []).map(({ workerId }) => ` +${workerId ?? ''}`);
    const lost = (change.lost ?? []).map(({ workerId, reason }) => ` -${workerId ?? ''} (${reason ?? ''})`);
    const workers = (change.workers ?? []).join(' ');
    return [`${workers} after ${change.step ?? 0}:${joined.join('')}${lost.join('')}`];
  });
}

export function checkpointsOf(events: readonly v1.WatchRunResponse[]): number[] {
  return events.flatMap(({ checkpointWritten }) =>
    checkpointWritten ? [v1.CheckpointWritten.create(checkpointWritten).step] : [],
  );
}

/** The lines of metrics.jsonl without the time, which alone may differ between two runs of the same file. */
export async function metricsOf(outputDir: string): Promise<unknown[]> {
  const lines = (await readFile(join(outputDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    delete row['step_time_s'];
    return row;
  });
}

/** Every row of every step was computed by exactly one worker. `rows` by step, ascending. Call it with nobody running. */
export function auditWork(stateDir: string, runId: string, rows: readonly (readonly number[])[]): void {
  const journal = Journal.open(stateDir);
  try {
    const found = journal
      .committedSteps(runId)
      .map(({ work }) => work.flatMap((share) => share.rows).sort((a, b) => a - b));
    assert.deepEqual(found, rows);
  } finally {
    journal.close();
  }
}
