/** Rows that were left out for one reason. */
export interface ReasonCount {
  readonly count: number;
  /** Where the first one stands; null where that is not known. */
  readonly first: string | null;
}

/** Counts rows by the reason that they were left out for. */
export class Reasons {
  readonly #counts = new Map<string, ReasonCount>();

  get byReason(): ReadonlyMap<string, ReasonCount> {
    return this.#counts;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, { count }) => sum + count, 0);
  }

  add(reason: string, first: string | null, count = 1): void {
    const before = this.#counts.get(reason);
    this.#counts.set(reason, { count: (before?.count ?? 0) + count, first: before ? before.first : first });
  }

  /** In one line, for an error; empty where there are none. */
  toString(): string {
    const reasons = [...this.#counts].map(([reason, { count }]) => `${count}: ${reason}`);
    return reasons.join('; ');
  }
}
