import { join } from 'node:path';

import { readManifest, type Manifest } from '../../lib/checkpoint/manifest.js';
import type { Range } from '../parameters/layout.js';
import { PartFile } from './part-file.js';
import type { Plane } from './part-format.js';

/** The training state of one committed step, read in whatever ranges its reader needs, not as they were written. */
export interface Checkpoint {
  readonly stage: number;
  readonly step: number;
  /** Steps up to it that changed the weights: the optimizer's exponent. */
  readonly updates: number;
  /** Elements of the flat parameter space. */
  readonly size: number;
  /**
   * Fills `into`, one view after the other, with a plane's values of a range; reads that range only. Memory: `into`.
   *
   * @param into as many elements as the range; may lie in shared memory. Half filled where it fails.
   * @throws RunError that names the file: missing, cut short, or another one than the manifest says.
   */
  read(plane: Plane, range: Range, into: readonly Float32Array[]): Promise<void>;
}

/**
 * Opens a complete checkpoint. The checksums of its parts are the coordinator's business: it offers sound ones only.
 *
 * @throws RunError that names the manifest and what is wrong with it.
 */
export async function openCheckpoint(directory: string): Promise<Checkpoint> {
  const manifest = await readManifest(directory);
  const { stage, step, updates, size } = manifest;
  return {
    stage,
    step,
    updates,
    size,
    read: (plane, range, into) => readRange(directory, manifest, plane, range, into),
  };
}

async function readRange(
  directory: string,
  { parts, size }: Manifest,
  plane: Plane,
  range: Range,
  into: readonly Float32Array[],
): Promise<void> {
  checkTarget(range, size, into);
  for (const part of parts) {
    const start = Math.max(range.start, part.start);
    const end = Math.min(range.end, part.end);
    if (start >= end) continue;
    const file = await PartFile.open(join(directory, part.file), part, size);
    try {
      for (const { at, view } of viewsWithin({ start, end }, range.start, into)) {
        await file.read(plane, at, view);
      }
    } finally {
      await file.close();
    }
  }
}

function checkTarget({ start, end }: Range, size: number, into: readonly Float32Array[]): void {
  if (start < 0 || start > end || end > size) {
    throw new RangeError(`elements ${start} to ${end} do not lie in a space of ${size}`);
  }
  const length = into.reduce((sum, view) => sum + view.length, 0);
  if (length !== end - start)
    throw new RangeError(`the target has ${length} elements, the range ${end - start}`);
}

/** The pieces of `into` that take the elements of `range`, where the first view begins at element `origin`. */
function viewsWithin(
  range: Range,
  origin: number,
  into: readonly Float32Array[],
): { readonly at: number; readonly view: Float32Array }[] {
  const found: { at: number; view: Float32Array }[] = [];
  let viewStart = origin;
  for (const view of into) {
    const at = Math.max(range.start, viewStart);
    const end = Math.min(range.end, viewStart + view.length);
    if (at < end) found.push({ at, view: view.subarray(at - viewStart, end - viewStart) });
    viewStart += view.length;
  }
  return found;
}
