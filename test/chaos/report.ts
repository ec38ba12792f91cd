import type { Commit } from '../support/run-watch.js';
import type { Strike } from './injector.js';

/** A table of what was done to a run, when, and how long it took to its next step. */
export function formatStrikes(strikes: readonly Strike[], commits: readonly Commit[]): string {
  const startMs = strikes[0]?.atMs ?? 0;
  const rows = strikes.map(({ fault, target, atMs, committed }) => [
    `${((atMs - startMs) / 1000).toFixed(1)} s`,
    `${committed}`,
    fault.kind,
    fault.kind === 'pause-worker' ? `${target} for ${fault.durationMs} ms` : target,
    untilNextCommit(atMs, commits),
  ]);
  return columns([['time', 'after step', 'fault', 'target', 'next commit'], ...rows]);
}

function untilNextCommit(atMs: number, commits: readonly Commit[]): string {
  const next = commits.find((commit) => commit.atMs > atMs);
  return next === undefined ? 'none' : `${((next.atMs - atMs) / 1000).toFixed(1)} s later`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
