/** How much slower than the others a worker may be, and for how many steps in a row, until someone is told. */
const SLOW_RATIO = 2;
const SLOW_STEPS = 3;
/** Nobody minds waiting for less: a busy machine makes tiny steps uneven. */
const NOTICEABLE_WAIT_MS = 100;

/** What a worker computed in a step, and in what time. */
export interface WorkerPace {
  readonly workerId: string;
  readonly computeMs: number;
  readonly leaves: number;
}

/** Finds workers that keep the others waiting. One that is slow is shown, and never counted as lost. */
export class StragglerWatch {
  readonly #slowSteps = new Map<string, number>();
  readonly #told = new Set<string>();

  /** Returns each worker's time for a leaf over the median of the others', and those to warn of, each once. */
  observe(paces: readonly WorkerPace[]): {
    readonly ratios: ReadonlyMap<string, number>;
    readonly stragglers: readonly string[];
  } {
    const busy = paces.filter(({ leaves, computeMs }) => leaves > 0 && computeMs > 0);
    const ratios = new Map<string, number>();
    const stragglers: string[] = [];
    for (const pace of busy) {
      const { workerId, computeMs } = pace;
      const others = busy.filter((other) => other !== pace).map(perLeaf);
      if (others.length === 0) continue;
      const ratio = perLeaf(pace) / median(others);
      const waitMs = computeMs - computeMs / ratio;
      ratios.set(workerId, ratio);
      stragglers.push(...this.#judge(workerId, ratio > SLOW_RATIO && waitMs >= NOTICEABLE_WAIT_MS));
    }
    return { ratios, stragglers };
  }

  #judge(workerId: string, isSlow: boolean): string[] {
    const slowSteps = isSlow ? (this.#slowSteps.get(workerId) ?? 0) + 1 : 0;
    this.#slowSteps.set(workerId, slowSteps);
    if (slowSteps < SLOW_STEPS || this.#told.has(workerId)) return [];
    this.#told.add(workerId);
    return [workerId];
  }
}

function perLeaf({ computeMs, leaves }: WorkerPace): number {
  return computeMs / leaves;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
