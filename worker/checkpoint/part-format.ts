import type { Range } from '../parameters/layout.js';

/** What a checkpoint holds of every parameter. */
export type Plane = 'weights' | 'mean' | 'variance';

/** Planes in the order of the file, and the tensor that holds each. */
export const PLANE_TENSORS: Readonly<Record<Plane, string>> = {
  weights: 'weights',
  mean: 'adam.mean',
  variance: 'adam.variance',
};

export const PLANES = Object.keys(PLANE_TENSORS) as readonly Plane[];

/** What a part's file says about itself: which elements, of a flat parameter space of which size. */
export function partMetadata({ start, end }: Range, size: number): Readonly<Record<string, string>> {
  return { format: 'prospect-checkpoint-1', start: String(start), end: String(end), size: String(size) };
}
