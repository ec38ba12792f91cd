import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Ids of all processes below one, as the system lists them now. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const { id, parent } of runningProcesses()) {
    children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const below = (id: number): number[] =>
    (children.get(id) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

/** Resolves once none of the processes is there any more; rejects after `timeoutMs`, naming those that are. */
export async function allGone(pids: readonly number[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const running = new Set(runningProcesses().map(({ id }) => id));
    const left = pids.filter((pid) => running.has(pid));
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`processes left behind: ${left.join(', ')}`);
    await setTimeout(50);
  }
}

/** Zombies, which only wait to be counted by their parent, have ended. */
function runningProcesses(): { id: number; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        // The name, in parentheses, may hold anything; state and parent come after it.
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state === 'Z' ? [] : [{ id: Number(name), parent: Number(parent) }];
      } catch {
        return []; // It ended between the listing and here.
      }
    });
}
