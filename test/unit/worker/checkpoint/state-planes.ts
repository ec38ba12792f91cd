import type { Plane } from '../../../../worker/checkpoint/part-format.js';
import type { WritePart } from '../../../../worker/checkpoint/part-writer.js';
import { allocateShared } from '../../../../worker/tensorflow/shared-memory.js';
import type { Range } from '../../../../worker/parameters/layout.js';
import type { TestRandom } from '../random.js';

/** Random bits as float32 of all kinds, NaNs with payloads and subnormals among them, over a whole flat space. */
export type StatePlanes = Readonly<Record<Plane, Uint32Array>>;

export function randomPlanes(random: TestRandom, size: number): StatePlanes {
  const bits = () => Uint32Array.from({ length: size }, () => ((random.next() + 1) / 2) * 2 ** 32);
  return { weights: bits(), mean: bits(), variance: bits() };
}

/** The snapshot of a range, in shared memory as its owner has it. */
export function snapshot(planes: StatePlanes, range: Range): Record<Plane, SharedArrayBuffer> {
  const copy = (plane: Plane) => {
    const values = planes[plane].subarray(range.start, range.end);
    const memory = allocateShared(values.byteLength);
    new Uint32Array(memory).set(values);
    return memory;
  };
  return { weights: copy('weights'), mean: copy('mean'), variance: copy('variance') };
}

export function partOf(planes: StatePlanes, range: Range, file: string): WritePart {
  return { file, range, size: planes.weights.length, ...snapshot(planes, range) };
}

/** `count` ranges from 0 to `size`, cut anywhere; some may be empty. */
export function randomPartition(random: TestRandom, size: number, count: number): Range[] {
  const cuts = [...random.integers(count - 1, size + 1)].sort((a, b) => a - b);
  const edges = [0, ...cuts, size];
  return Array.from({ length: count }, (_, rank) => ({ start: edges[rank]!, end: edges[rank + 1]! }));
}
