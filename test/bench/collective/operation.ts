/** One thing that a group of processes does together, again and again. */
export interface Operation {
  readonly kind: 'allReduce' | 'allGather';
  /** Of the buffer that is reduced, or that each process gives. */
  readonly bytes: number;
}

/** What a group of processes took for the same operation, again and again. */
export interface Taken {
  /** How long each took its slowest process. */
  readonly milliseconds: readonly number[];
  /** What all processes and their threads computed for one, waiting for the next included, on average. */
  readonly cpuMilliseconds: number;
}

/** What one process took. */
export interface RankTaken {
  readonly milliseconds: readonly number[];
  /** For all together. */
  readonly cpuMilliseconds: number;
}

/** Processes that do what they are told, of one side of the comparison. */
export interface Group {
  run(operation: Operation, iterations: number): Promise<Taken>;
  close(): Promise<void>;
}

export function together(ranks: readonly RankTaken[]): Taken {
  const milliseconds = ranks[0]!.milliseconds.map((_, iteration) =>
    Math.max(...ranks.map((rank) => rank.milliseconds[iteration]!)),
  );
  const cpu = ranks.reduce((sum, { cpuMilliseconds }) => sum + cpuMilliseconds, 0);
  return { milliseconds, cpuMilliseconds: cpu / milliseconds.length };
}
