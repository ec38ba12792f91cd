import { bytesOf, type Tensor } from '../tensorflow/tensor.js';

/** What the backward of a block starts from. */
export interface KeptBlock {
  readonly input: Tensor;
  /** Null where the block goes forward again, from its input. */
  readonly whole: { readonly saved: unknown } | null;
}

/**
 * Which blocks of a pass are kept whole for the backward, and which go forward again (Chen et al. 2016, arXiv:1604.06174):
 * as many of the uppermost, which are needed first, as the budget has room for. The result is the same to the bit.
 */
export class ActivationBudget {
  /** The lowest block that is kept whole; known from the first block on, as all are as large. */
  private wholeFrom: number | null = null;

  /** @param blocks that are trained; @param bytes of all that is kept of them, if the inputs alone need not more */
  constructor(
    private readonly blocks: number,
    private readonly bytes: number,
  ) {}

  /** @param index of the block among those that are trained, from the lowest on */
  keep(index: number, input: Tensor, saved: unknown): KeptBlock {
    this.wholeFrom ??= this.blocks - this.wholeBlocks(bytesOf(input), bytesOf([input, saved]));
    return { input, whole: index < this.wholeFrom ? null : { saved } };
  }

  private wholeBlocks(inputBytes: number, wholeBytes: number): number {
    const left = this.bytes - this.blocks * inputBytes;
    return Math.min(this.blocks, Math.max(0, Math.floor(left / (wholeBytes - inputBytes))));
  }
}

const GIB = 2 ** 30;

/** @param activationMemoryGib null for as much as they take */
export function activationBytes(activationMemoryGib: number | null): number {
  return activationMemoryGib === null ? Infinity : activationMemoryGib * GIB;
}
