import type { GradientSink } from '../model/language-model.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace } from '../parameters/layout.js';
import { Accumulator } from '../tensorflow/in-place.js';

/** A gradient over the flat parameter space that leaves are summed in: one open level of the summation tree. */
export class GradientSlot {
  readonly buffer: FlatBuffer;
  private readonly accumulators: ReadonlyMap<TensorPlace, Accumulator>;

  constructor(private readonly layout: ParameterLayout) {
    this.buffer = FlatBuffer.allocate(layout);
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
    const whole = { start: 0, end: this.layout.size };
    const right = other.buffer.slices(whole);
    this.buffer.slices(whole).forEach((left, segment) => {
      const values = right[segment]!;
      for (let i = 0; i < left.length; i++) left[i]! += values[i]!;
    });
  }

  dispose(): void {
    for (const accumulator of this.accumulators.values()) accumulator.dispose();
  }
}
