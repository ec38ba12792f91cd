import { serveEngine, type Engine } from '../../../worker/compute/engine-thread.js';
import type { NodePart } from '../../../worker/collective/collective.js';
import { FlatBuffer } from '../../../worker/parameters/flat-buffer.js';
import { layOut, ownedRange, type ParameterLayout, type Range } from '../../../worker/parameters/layout.js';
import { finishTree } from '../../../worker/reduction/finish-tree.js';

export interface OpenReducing {
  readonly elements: number;
  readonly rank: number;
  readonly worldSize: number;
}

export interface Reducing {
  readonly layout: ParameterLayout;
  /** What this rank gives, and where the sum goes. */
  readonly gradient: readonly SharedArrayBuffer[];
  readonly sum: readonly SharedArrayBuffer[];
}

/** The compute thread of a rank, which has nothing to compute but sums. Each rank holds one leaf. */
export class ReducingEngine implements Engine {
  private readonly layout: ParameterLayout;
  private readonly gradient: FlatBuffer;
  private readonly sum: FlatBuffer;
  private readonly owned: Range;

  constructor({ elements, rank, worldSize }: OpenReducing) {
    this.layout = layOut([{ name: 'weight', shape: [elements] }]);
    this.gradient = FlatBuffer.allocate(this.layout);
    this.sum = FlatBuffer.allocate(this.layout);
    this.owned = ownedRange(this.layout, rank, worldSize);
    for (const buffer of [this.gradient, this.sum]) buffer.named('weight').fill(1);
  }

  opened(): Reducing {
    return { layout: this.layout, gradient: this.gradient.memory, sum: this.sum.memory };
  }

  finish(parts: readonly NodePart[], leafCount: number): void {
    const [own] = this.gradient.slices(this.owned);
    const [into] = this.sum.slices(this.owned);
    if (own === undefined || into === undefined) return;
    const nodes = parts.map(({ node, memory }) => ({
      node,
      values: memory === null ? own : new Float32Array(memory, 0, own.length),
    }));
    finishTree(nodes, leafCount, into);
  }

  dispose(): void {
    // JavaScript's heap holds all.
  }
}

serveEngine((options: OpenReducing) => new ReducingEngine(options));
