import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CoordinatorProcess } from '../support/coordinator-process.js';
import { waitUntil } from '../support/wait-until.js';

const endingMs = 15_000;

/** What a run that has ended, with its coordinator, should not have left behind; one line for each thing. */
export async function findLeftovers(coordinator: CoordinatorProcess, outputDir: string): Promise<string[]> {
  return [
    ...(await processesLeft(coordinator)),
    ...[coordinator.stateDir, coordinator.temporaryDir, outputDir].flatMap(socketsIn),
    ...unfinishedIn(outputDir),
    ...unfinishedIn(coordinator.stateDir),
    ...readdirSync(coordinator.temporaryDir).map(
      (name) => `left in the temporary directory: ${join(coordinator.temporaryDir, name)}`,
    ),
  ];
}

/** Those that are just ending have a while for it. */
async function processesLeft(coordinator: CoordinatorProcess): Promise<string[]> {
  try {
    await waitUntil(() => coordinator.processes().length === 0, 'no process is left', endingMs);
    return [];
  } catch {
    return coordinator.processes().map(({ pid, command }) => `process left: ${pid} ${command}`);
  }
}

export function socketsIn(dir: string): string[] {
  return entriesOf(dir)
    .filter((entry) => entry.isSocket() || entry.name.startsWith('sockets-'))
    .map(({ path }) => `socket left: ${path}`);
}

/** Things with a temporary name, which is what anything has while it is being written. */
export function unfinishedIn(dir: string): string[] {
  return entriesOf(dir)
    .filter(({ path }) => /^\.|\.tmp\b|\.old$|\.partial$/.test(basename(path)))
    .map(({ path }) => `unfinished thing left: ${path}`);
}

function entriesOf(dir: string) {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).map((entry) => ({
    name: entry.name,
    path: join(entry.parentPath, entry.name),
    isSocket: () => entry.isSocket(),
  }));
}
