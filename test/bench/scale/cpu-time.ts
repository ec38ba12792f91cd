import { readFileSync } from 'node:fs';

/** Linux counts in ticks of 1/100 s towards programs, whatever it does inside. */
const MS_PER_TICK = 10;

/** What a process, with all its threads, has computed so far, in milliseconds. */
export function cpuMilliseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [fields[11], fields[12]].map(Number) as [number, number];
  return (user + system) * MS_PER_TICK;
}
