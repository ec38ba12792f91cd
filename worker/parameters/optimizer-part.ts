import { ownedRange, type ParameterLayout, type Range } from './layout.js';

/** One of `worldSize` ranks, among which the parameters are shared out. */
export interface Place {
  readonly rank: number;
  readonly worldSize: number;
}

export const samePlace = (a: Place, b: Place) => a.rank === b.rank && a.worldSize === b.worldSize;

/** The optimizer's state over one range of the parameters. Float32, of equal length. */
export interface OptimizerPart {
  readonly range: Range;
  readonly mean: SharedArrayBuffer;
  readonly variance: SharedArrayBuffer;
}

/** Another rank's part, and the batch's gradient there, which that rank sends. */
export interface BackupPart extends OptimizerPart {
  readonly gradient: SharedArrayBuffer;
}

/**
 * What a rank holds of the optimizer, in memory that the main and the compute thread share: the part that it updates the
 * weights with, and the part of the rank before it, whose moments it moves too, so that no part is lost with its owner.
 */
export interface HeldParts {
  readonly owned: OptimizerPart;
  /** Null where there is no other rank. */
  readonly backup: BackupPart | null;
}

/** The rank whose part this one is the second owner of. */
export const predecessorOf = ({ rank, worldSize }: Place) => (rank + worldSize - 1) % worldSize;

/** The rank that is the second owner of this one's part. */
export const successorOf = ({ rank, worldSize }: Place) => (rank + 1) % worldSize;

/** The ranges that a rank holds: its own, then, where there is another rank, the one that it is the second owner of. */
export function heldRanges(layout: ParameterLayout, place: Place): readonly Range[] {
  const { rank, worldSize } = place;
  const owned = ownedRange(layout, rank, worldSize);
  return worldSize === 1 ? [owned] : [owned, ownedRange(layout, predecessorOf(place), worldSize)];
}

/** Parts of an optimizer that has not seen a gradient yet. */
export function emptyParts(layout: ParameterLayout, place: Place): HeldParts {
  const [owned, backup] = heldRanges(layout, place);
  return {
    owned: emptyPart(owned!),
    backup: backup === undefined ? null : { ...emptyPart(backup), gradient: memoryOf(backup) },
  };
}

export function partsOf({ owned, backup }: HeldParts): readonly OptimizerPart[] {
  return backup === null ? [owned] : [owned, backup];
}

/** What of memory over a part lies in a range within it, in place. */
export function pieceOf({ range }: OptimizerPart, memory: SharedArrayBuffer, piece: Range): Float32Array {
  const byteOffset = (piece.start - range.start) * Float32Array.BYTES_PER_ELEMENT;
  return new Float32Array(memory, byteOffset, piece.end - piece.start);
}

/** A part's moments in a range within it, in place. */
export const momentsOf = (part: OptimizerPart, piece: Range) => ({
  mean: pieceOf(part, part.mean, piece),
  variance: pieceOf(part, part.variance, piece),
});

function emptyPart(range: Range): OptimizerPart {
  return { range, mean: memoryOf(range), variance: memoryOf(range) };
}

/** For as many float32 values as a range has elements: zeros. */
export const memoryOf = ({ start, end }: Range) =>
  new SharedArrayBuffer((end - start) * Float32Array.BYTES_PER_ELEMENT);
