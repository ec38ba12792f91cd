import { allocateShared } from '../tensorflow/shared-memory.js';
import { intersect, type ParameterLayout, type Range, type TensorPlace } from './layout.js';

/**
 * float32 values over the flat parameter space (weights, or a partial sum of gradients), in memory that the main and the
 * compute thread share. Passing `memory` to the other thread and wrapping it again there gives the same values.
 */
export class FlatBuffer {
  private readonly views: readonly Float32Array[];

  private constructor(
    readonly layout: ParameterLayout,
    readonly memory: readonly SharedArrayBuffer[],
  ) {
    this.views = memory.map((shared) => new Float32Array(shared));
  }

  /** New, all zeros. */
  static allocate(layout: ParameterLayout): FlatBuffer {
    const bytes = (range: Range) => (range.end - range.start) * Float32Array.BYTES_PER_ELEMENT;
    return new FlatBuffer(
      layout,
      layout.segments.map((segment) => allocateShared(bytes(segment))),
    );
  }

  /** Wraps memory that another thread allocated. */
  static wrap(layout: ParameterLayout, memory: readonly SharedArrayBuffer[]): FlatBuffer {
    return new FlatBuffer(layout, memory);
  }

  /** The values of one tensor, in place. A tensor never crosses a segment. */
  tensor(place: TensorPlace): Float32Array {
    const [view] = this.slices({ start: place.offset, end: place.offset + place.size });
    if (view?.length !== place.size) throw new Error(`${place.name} crosses a segment of the flat space`);
    return view;
  }

  /** The values of the tensor of that name, in place. */
  named(name: string): Float32Array {
    const place = this.layout.tensors.find((tensor) => tensor.name === name);
    if (place === undefined) throw new Error(`there is no tensor ${name} in this flat space`);
    return this.tensor(place);
  }

  /** The values of a range, in place: one view per segment that it touches, in order. Empty for an empty range. */
  slices(range: Range): Float32Array[] {
    return bySegment(this.layout, range).map(({ segment, start, end }) => {
      const first = this.layout.segments[segment]!.start;
      return this.views[segment]!.subarray(start - first, end - first);
    });
  }
}

/** A range, cut where segments end; with the index of each piece's segment. */
export function bySegment(
  { segments }: ParameterLayout,
  range: Range,
): readonly (Range & { readonly segment: number })[] {
  return segments
    .map((each, segment) => ({ segment, ...intersect(range, each) }))
    .filter(({ start, end }) => start < end);
}
