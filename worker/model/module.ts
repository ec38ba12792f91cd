import type { TensorSpec } from '../parameters/layout.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Arrangement } from './arrangement.js';
import type { AttentionMemory } from './key-value-cache.js';
import type { QueryBlock } from './query-blocks.js';
import type { RopeTables } from './rope.js';

/** What the modules share while one batch goes through the model. */
export interface Pass {
  /** How the tokens of the batch lie. */
  readonly arrangement: Arrangement;
  /** What attention made of the tokens in front of these, and keeps of these; null where nothing comes before or after. */
  readonly memory: AttentionMemory | null;
  /** The weight of that name. */
  weight(name: string): Tensor;
  /** Null where attention knows no rotary positions. */
  readonly rope: RopeTables | null;
  /** How attention cuts the positions, in order. */
  readonly queryBlocks: readonly QueryBlock[];
  /** By block, what is added to scores of attention that sees the last `window` keys, null for all: see attention-mask.ts. */
  masks(window: number | null): readonly Tensor[];
}

/**
 * Hands over the whole gradient of one parameter; called once for each. `compute` is called only where the parameter is
 * trained, so that a frozen one costs nothing; what it returns is used up.
 */
export type EmitGradient = (name: string, compute: () => Tensor) => void;

/**
 * A part of a model that maps activations [tokens, features] to activations.
 *
 * `forward` keeps in `saved` what `backward` will need, and nothing else of its results, so that the caller can free it;
 * `backward` maps the loss's gradient of the output to that of the input, and emits those of the parameters.
 */
export interface Module<Saved = unknown> {
  /** Names as in the Hugging Face file. */
  readonly parameters: readonly TensorSpec[];
  forward(pass: Pass, input: Tensor): { output: Tensor; saved: Saved };
  backward(pass: Pass, saved: Saved, gradient: Tensor, emit: EmitGradient): Tensor;
}
