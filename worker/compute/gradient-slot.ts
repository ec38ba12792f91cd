import type { GradientSink } from '../model/language-model.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace } from '../parameters/layout.js';
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

  /** Adds another slot's gradient, element by element. */
  add(other: GradientSlot): void {
    this.sums.forEach((sum, segment) => sum.addTo(sum.values, other.sums[segment]!.values));
  }

  dispose(): void {
    for (const accumulator of this.accumulators.values()) accumulator.dispose();
  }
}
