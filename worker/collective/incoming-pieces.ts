import type { TreeNode } from '../reduction/tree.js';
import { FrameError } from './frame.js';
import type { Piece } from './pieces.js';

/** What one peer must send, each piece exactly once, in the order that suits it. */
export class IncomingPieces {
  /** Null where it has come. */
  private readonly pieces = new Map<string, Piece | null>();
  /** How many are still to come. */
  left = 0;

  expect(pieces: Iterable<Piece>): void {
    for (const piece of pieces) this.pieces.set(describe(piece.node, piece.offset), piece);
    this.left = this.pieces.size;
  }

  /**
   * A piece of this length has come.
   * @returns where its bytes go
   * @throws FrameError where no such piece is to come
   */
  take(node: TreeNode, offset: number, byteLength: number): Uint8Array {
    const place = describe(node, offset);
    const piece = this.pieces.get(place);
    if (piece === null) throw new FrameError(`the values at ${place} twice`);
    if (!piece) throw new FrameError(`values at ${place}, where this operation has none`);
    const { bytes } = piece;
    if (byteLength !== bytes.byteLength)
      throw new FrameError(`${byteLength} bytes at ${place} instead of ${bytes.byteLength}`);
    this.pieces.set(place, null);
    this.left--;
    return bytes;
  }
}

const describe = ({ firstLeaf, span }: TreeNode, offset: number) => `${offset} of node ${firstLeaf}+${span}`;
