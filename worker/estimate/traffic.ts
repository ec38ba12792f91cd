import { BLOCK_SIZE, type ParameterLayout } from '../parameters/layout.js';
import {
  backedUpRank,
  BYTES_PER_FLOAT,
  othersPartialSums,
  ownedSize,
  partialSums,
  type StepSplit,
} from './split.js';

/** Bytes of one optimizer step between one worker and all others, without the frames around them. */
export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * P parameters, W workers, of which this one owns p; n partial sums here, N at all others:
 *
 *     sent     = 4·(n·(P − p) + (W − 1)·p + p)        received = 4·(N·p + (P − p) + p′)
 *
 * partial sums of the gradient to their owners, new weights from their owners, and the owned part's gradient to its second
 * owner (p′: of the part that this worker is the second owner of). With them go the norm's block sums, of 8 bytes each. What
 * the examples of a batch share (a few bytes each) is left out.
 */
export function stepTraffic(layout: ParameterLayout, split: StepSplit, rank: number): Traffic {
  const worldSize = split.runs.length;
  const backedUp = backedUpRank(rank, worldSize);
  if (backedUp === null) return { sentBytes: 0, receivedBytes: 0 };
  const owned = ownedSize(layout, rank, worldSize);
  const others = layout.size - owned;
  const sentFloats = partialSums(split, rank) * others + (worldSize - 1) * owned + owned;
  const receivedFloats =
    othersPartialSums(split, rank) * owned + others + ownedSize(layout, backedUp, worldSize);
  return {
    sentBytes: BYTES_PER_FLOAT * sentFloats + blockSumBytes((worldSize - 1) * owned),
    receivedBytes: BYTES_PER_FLOAT * receivedFloats + blockSumBytes(others),
  };
}

const blockSumBytes = (elements: number) => (elements / BLOCK_SIZE) * Float64Array.BYTES_PER_ELEMENT;
