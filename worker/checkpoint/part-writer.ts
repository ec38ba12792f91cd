import { createHash } from 'node:crypto';

import { writeSafetensors } from '../../lib/safetensors/write.js';
import type { Engine } from '../compute/engine-thread.js';
import type { Range } from '../parameters/layout.js';
import { partMetadata, PLANE_TENSORS, PLANES, type Plane } from './part-format.js';

/** One worker's part of a checkpoint, and where to write it. */
export interface WritePart extends Readonly<Record<Plane, SharedArrayBuffer>> {
  /** Absolute path, in a directory that exists. */
  readonly file: string;
  /** The elements whose float32 values the planes' memory starts with; may be none. */
  readonly range: Range;
  /** Elements of the whole flat parameter space. */
  readonly size: number;
}

export interface WrittenPart {
  /** Length of the file. */
  readonly bytes: number;
  /** Of the file, in hexadecimal digits. */
  readonly sha256: string;
}

/** Writes parts, on a thread of its own: its calls block for as long as the disk takes. */
export class PartWriter implements Engine {
  /** Straight from the shared memory. @throws RunError if the file cannot be written; then nothing of it stays behind. */
  write({ file, range, size, ...memory }: WritePart): WrittenPart {
    const length = range.end - range.start;
    const tensors = PLANES.map((plane) => ({
      name: PLANE_TENSORS[plane],
      shape: [length],
      values: () => new Float32Array(memory[plane], 0, length),
    }));
    const hash = createHash('sha256');
    let bytes = 0;
    const observe = (piece: Uint8Array) => {
      hash.update(piece);
      bytes += piece.length;
    };
    writeSafetensors(file, tensors, { dtype: 'F32', metadata: partMetadata(range, size), observe });
    return { bytes, sha256: hash.digest('hex') };
  }

  dispose(): void {
    // Holds nothing between two calls.
  }
}
