import { serveEngine, type Engine } from '../../worker/compute/engine-thread.js';
import { FlatBuffer } from '../../worker/parameters/flat-buffer.js';
import type { LeafStep } from '../../worker/reduction/tree.js';
import { LARGE_LAYOUT, leavesOf } from '../support/collective-work.js';
import { computeTensor } from '../support/collectives.js';

export interface OpenSumming {
  readonly slotCount: number;
  readonly step: number;
  /** One Int32: the last leaf blocks before its last tensor until this is not zero. */
  readonly gate: SharedArrayBuffer;
}

/** A compute thread whose leaves are made up: writes them tensor by tensor, from the last one down, and tells of each. */
export class SummingEngine implements Engine {
  private readonly slots: readonly FlatBuffer[];
  private readonly leaves: readonly Float32Array[];
  private readonly gate: Int32Array;

  constructor(
    { slotCount, step, gate }: OpenSumming,
    private readonly onFinal: (offset: number) => void,
  ) {
    this.slots = Array.from({ length: slotCount }, () => FlatBuffer.allocate(LARGE_LAYOUT));
    this.leaves = leavesOf(step, LARGE_LAYOUT);
    this.gate = new Int32Array(gate);
  }

  memory(): readonly (readonly SharedArrayBuffer[])[] {
    return this.slots.map(({ memory }) => memory);
  }

  leaf(leafStep: LeafStep, isLast: boolean): void {
    for (const place of [...LARGE_LAYOUT.tensors].reverse()) {
      if (isLast && place.offset === 0) Atomics.wait(this.gate, 0, 0);
      computeTensor(place, this.leaves[leafStep.leaf]!, leafStep, this.slots);
      if (leafStep.completes !== null) this.onFinal(place.offset);
    }
  }

  dispose(): void {
    // JavaScript's heap holds all.
  }
}

serveEngine((options: OpenSumming, emit) => new SummingEngine(options, emit));
