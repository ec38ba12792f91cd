import { hasEnded } from '../../../coordinator/runs/state.js';
import type { v1 } from '../../../proto/services.js';
import { printable } from '../output/printable.js';
import { clipLine, formatTable } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { formatAge } from '../output/times.js';
import { stateOf } from '../runs/run-state.js';

/** Runs that have ended and are listed without --all. */
const lastEnded = 5;

/** Those that have not ended, and the last ones that have, or all; oldest first. */
export function listedRuns(runs: readonly v1.Run[], { all }: { readonly all: boolean }): readonly v1.Run[] {
  if (all) return runs;
  const ended = runs.filter((run) => hasEnded(stateOf(run)));
  const left = new Set(ended.slice(0, -lastEnded));
  return runs.filter((run) => !left.has(run));
}

/** A table for people. */
export function printQueue(
  listed: readonly v1.Run[],
  count: number,
  nowMs: number,
  { out, err }: Terminal,
): void {
  if (count === 0) {
    err.line('no runs yet: prospect submit RUN.yaml makes one');
    return;
  }
  for (const line of formatTable({ header, align, rows: listed.map((run) => cellsOf(run, nowMs)) })) {
    out.line(out.interactive ? clipLine(line, out.columns()) : line);
  }
  const left = count - listed.length;
  if (left > 0) err.line(err.style.dim(`${left} more have ended: --all lists them`));
}

const header = ['id', 'name', 'state', 'steps', 'workers', 'age', ''];
const align = ['left', 'left', 'left', 'right', 'right', 'right', 'left'] as const;

function cellsOf(run: v1.Run, nowMs: number): string[] {
  const { id, name, committedSteps, totalSteps, workers, createdAtMs, waitsFor, reason } = run;
  const state = stateOf(run);
  // How many there are to be is known once the data is read.
  const steps = totalSteps === 0 ? '' : `${committedSteps}/${totalSteps}`;
  const note = waitsFor === '' ? reason : `waits for ${waitsFor}`;
  return [id, name, state, steps, String(workers), formatAge(nowMs - createdAtMs), note].map(printable);
}
