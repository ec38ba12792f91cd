import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, Range } from '../parameters/layout.js';
import type { TreeNode } from '../reduction/tree.js';
import { MAX_PAYLOAD_BYTES } from './frame.js';

/** What one data frame carries, where it lies in memory: read by its sender, written by its receiver. */
export interface Piece {
  readonly node: TreeNode;
  /** As in the frame: the first element in the flat space, or the first byte of a gathered payload. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const CHUNK_ELEMENTS = MAX_PAYLOAD_BYTES / Float32Array.BYTES_PER_ELEMENT;

/** Cuts a range of the flat space into chunks of at most one payload; none crosses a segment. In order. */
export function* chunksOf(layout: ParameterLayout, range: Range): Generator<Range> {
  for (const segment of layout.segments) {
    const segmentEnd = Math.min(range.end, segment.end);
    for (let start = Math.max(range.start, segment.start); start < segmentEnd; start += CHUNK_ELEMENTS)
      yield { start, end: Math.min(start + CHUNK_ELEMENTS, segmentEnd) };
  }
}

/** The chunks of a range of `values`, in place. */
export function* piecesOf(values: FlatBuffer, range: Range, node: TreeNode): Generator<Piece> {
  for (const chunk of chunksOf(values.layout, range)) {
    const [view] = values.slices(chunk);
    yield {
      node,
      offset: chunk.start,
      bytes: new Uint8Array(view!.buffer, view!.byteOffset, view!.byteLength),
    };
  }
}
