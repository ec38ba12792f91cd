/** One thing that a group of processes does together, again and again. */
export interface Operation {
  readonly kind: 'allReduce' | 'allGather';
  /** Of the buffer that is reduced, or that each process gives. */
  readonly bytes: number;
}

/** Processes that do what they are told, of one side of the comparison. */
export interface Group {
  /** Does it `iterations` times; resolves to how long each took its slowest process, in milliseconds. */
  run(operation: Operation, iterations: number): Promise<number[]>;
  close(): Promise<void>;
}

/** By iteration, the slowest process. @param times by process and iteration */
export function slowest(times: readonly (readonly number[])[]): number[] {
  return times[0]!.map((_, iteration) => Math.max(...times.map((ofProcess) => ofProcess[iteration]!)));
}
