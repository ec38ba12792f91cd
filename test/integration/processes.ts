import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again and again until the answer is yes; fails with `what` once `withinMs` are over. */
export async function until(what: string, ask: () => boolean, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!ask()) {
    if (Date.now() > deadline) throw new Error(`after ${withinMs / 1000} s still not so: ${what}`);
    await sleep(50);
  }
}

export interface RunningProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes that carry `tag` in their environment: a test's own and all that they started. */
export function processesTagged(tag: string): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const environment = readProc(name, 'environ');
      const command = readProc(name, 'cmdline').replaceAll('\0', ' ');
      // A process that has ended and is not yet reaped has an empty command.
      return environment.includes(tag) && command !== '' ? [{ pid: Number(name), command }] : [];
    });
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
