import { bytesOf, type Tensor } from '../tensorflow/tensor.js';

/** What the backward of a block starts from. */
export interface KeptBlock {
  readonly input: Tensor;
  /** Null where the block goes forward again, from its input. */
  readonly whole: { readonly saved: unknown } | null;
}

/** What a pass would keep. */
interface Wishes {
  /** How many blocks are trained. */
  readonly blocks: number;
  /** Of what the head scores targets by. */
  readonly scoresBytes: number;
}

/**
 * What of a pass is kept for the backward, and what is computed again (Chen et al. 2016, arXiv:1604.06174): the head's scores,
 * which cost more to have again than any block as large, and as many of the uppermost blocks, which are needed first, as
 * there is room for. The result is the same to the bit.
 */
export class ActivationBudget {
  readonly keepsScores: boolean;
  private readonly blocks: number;
  private readonly bytesForBlocks: number;
  /** The lowest block that is kept whole; known from the first block on, as all are as large. */
  private wholeFrom: number | null = null;

  /** @param bytes of all that is kept, if the inputs of the blocks alone need not more */
  constructor(bytes: number, { blocks, scoresBytes }: Wishes) {
    this.blocks = blocks;
    this.keepsScores = scoresBytes <= bytes;
    this.bytesForBlocks = this.keepsScores ? bytes - scoresBytes : bytes;
  }

  /** @param index of the block among those that are trained, from the lowest on */
  keep(index: number, input: Tensor, saved: unknown): KeptBlock {
    this.wholeFrom ??= this.blocks - this.wholeBlocks(bytesOf(input), bytesOf([input, saved]));
    return { input, whole: index < this.wholeFrom ? null : { saved } };
  }

  private wholeBlocks(inputBytes: number, wholeBytes: number): number {
    const left = this.bytesForBlocks - this.blocks * inputBytes;
    return Math.min(this.blocks, Math.max(0, Math.floor(left / (wholeBytes - inputBytes))));
  }
}

const GIB = 2 ** 30;

/** @param activationMemoryGib null for as much as they take */
export function activationBytes(activationMemoryGib: number | null): number {
  return activationMemoryGib === null ? Infinity : activationMemoryGib * GIB;
}
