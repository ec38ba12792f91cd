import type { TensorSpec } from '../parameters/layout.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { RopeTables } from './rope.js';

/** What the modules share while one batch goes through the model. */
export interface Pass {
  /** Sequences. */
  readonly batch: number;
  /** Tokens of each sequence, padding included. */
  readonly length: number;
  /** The weight of that name. */
  weight(name: string): Tensor;
  readonly rope: RopeTables;
  /** Added to attention scores, [length, length]: 0 where a query may see a key, −∞ above the diagonal. */
  readonly causalMask: Tensor;
}

/** Takes over the whole gradient of one parameter; called once for each. */
export type EmitGradient = (name: string, gradient: Tensor) => void;

/**
 * A part of a model that maps activations [tokens, features] to activations.
 *
 * `forward` keeps in `saved` what `backward` will need, each tensor once, so that the caller can free it; `backward`
 * maps the loss's gradient of the output to that of the input, and emits those of the parameters.
 */
export interface Module<Saved> {
  /** Names as in the Hugging Face file. */
  readonly parameters: readonly TensorSpec[];
  forward(pass: Pass, input: Tensor): { output: Tensor; saved: Saved };
  backward(pass: Pass, saved: Saved, gradient: Tensor, emit: EmitGradient): Tensor;
}
