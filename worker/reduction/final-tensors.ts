import type { Readiness } from '../collective/readiness.js';
import type { ParameterLayout, Range } from '../parameters/layout.js';

/** The tensors of a partial sum that nothing will be added to any more. */
export class FinalTensors implements Readiness {
  /** By tensor, in flat order. */
  private readonly final: boolean[];
  private missing: number;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly layout: ParameterLayout) {
    this.missing = layout.tensors.length;
    this.final = layout.tensors.map(() => false);
  }

  get complete(): boolean {
    return this.missing === 0;
  }

  /** The tensor that starts at `offset` is final. */
  add(offset: number): void {
    const index = this.tensorAt(offset);
    if (this.layout.tensors[index]?.offset !== offset) throw new RangeError(`no tensor starts at ${offset}`);
    if (this.final[index] === true) return;
    this.final[index] = true;
    this.missing--;
    this.grown();
  }

  addAll(): void {
    if (this.complete) return;
    this.final.fill(true);
    this.missing = 0;
    this.grown();
  }

  /** The gaps between tensors, which nothing is ever written to, follow the tensor before them. */
  covers({ start, end }: Range): boolean {
    for (let index = Math.max(0, this.tensorAt(start)); index < this.final.length; index++) {
      if (this.layout.tensors[index]!.offset >= end) return true;
      if (this.final[index] === false) return false;
    }
    return true;
  }

  onGrowth(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private grown(): void {
    for (const listener of this.listeners) listener();
  }

  /** The last tensor that starts at `offset` or before; -1 where none does. */
  private tensorAt(offset: number): number {
    let [low, high] = [0, this.layout.tensors.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.layout.tensors[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
