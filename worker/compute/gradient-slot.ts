import type { GradientSink } from '../model/language-model.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace } from '../parameters/layout.js';
import type { SlotMerge } from '../reduction/tree.js';
import { SumMemory } from '../simd/sum-memory.js';
import { Accumulator } from '../tensorflow/in-place.js';

/** A gradient over the flat parameter space that leaves are summed in: one open level of the summation tree. */
export class GradientSlot {
  readonly buffer: FlatBuffer;
  /** By segment: the memory of the buffer. */
  private readonly sums: readonly SumMemory[];
  private readonly accumulators: ReadonlyMap<TensorPlace, Accumulator>;

  constructor(layout: ParameterLayout) {
    this.sums = layout.segments.map(({ start, end }) => new SumMemory(end - start));
    this.buffer = FlatBuffer.wrap(
      layout,
      this.sums.map(({ values }) => values.buffer),
    );
    this.accumulators = new Map(
      layout.tensors.map((place) => [place, new Accumulator(this.buffer.tensor(place))]),
    );
  }

  /** Takes a leaf's gradients: in place of what the slot holds, or added to it. */
  sink(accumulate: boolean): GradientSink {
    return {
      add: (place, gradient) => {
        const accumulator = this.accumulators.get(place);
        if (accumulator === undefined) throw new Error(`${place.name} is not in this slot's layout`);
        if (accumulate) accumulator.add(gradient);
        else accumulator.store(gradient);
      },
    };
  }

  /** Adds another slot's gradient of one tensor. */
  addTensor(place: TensorPlace, other: GradientSlot): void {
    const into = this.buffer.tensor(place);
    this.sums.find(({ values }) => values.buffer === into.buffer)!.addTo(into, other.buffer.tensor(place));
  }

  dispose(): void {
    for (const accumulator of this.accumulators.values()) accumulator.dispose();
  }
}

/** Where a leaf's gradients go: to a slot, and on to others that it completes the sum of. */
export interface LeafTarget {
  readonly slot: number;
  /** Add to what the slot holds instead of replacing it. */
  readonly accumulate: boolean;
  /** Done in order, tensor by tensor: each is final as soon as its own gradient is there. */
  readonly merges?: readonly SlotMerge[];
  /** The node that this leaf is the last of, if it is: its tensors are told of as they become final. */
  readonly completes?: number | null;
}

/** @param onFinal called with each tensor of the node that this leaf completes */
export function leafSink(
  slot: (index: number) => GradientSlot,
  { slot: index, accumulate, merges = [], completes = null }: LeafTarget,
  onFinal: (place: TensorPlace) => void,
): GradientSink {
  const own = slot(index).sink(accumulate);
  const pairs = merges.map(({ from, into }) => ({ from: slot(from), into: slot(into) }));
  return {
    add(place, gradient) {
      own.add(place, gradient);
      for (const { from, into } of pairs) into.addTensor(place, from);
      if (completes !== null) onFinal(place);
    },
  };
}
