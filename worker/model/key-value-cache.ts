import { concat, gatherRows, reshape } from '../tensorflow/ops.js';
import { dispose, ints, keep, scope, type Tensor } from '../tensorflow/tensor.js';

/** Of one attention layer, as attention works on them: [batch · heads, tokens, headDim]. */
export interface KeysAndValues {
  readonly key: Tensor;
  readonly value: Tensor;
}

/** What attention made of tokens that a pass does not compute: they stand in front of those that it does. */
export interface AttentionMemory {
  /** Tokens in front of each sequence's first position. */
  readonly length: number;
  /** Takes in a layer's keys and values of the pass's tokens; returns those of all tokens. */
  extend(layer: object, added: KeysAndValues): KeysAndValues;
}

/**
 * What the attention layers made of the tokens of a few sequences, so that tokens behind them can be computed without
 * computing those again. All sequences have as many tokens.
 */
export class KeyValueCache implements AttentionMemory {
  /** By attention layer. */
  private readonly layers = new Map<object, KeysAndValues>();
  private size: number;
  private tokens = 0;

  /** @param size number of sequences */
  constructor(size: number) {
    this.size = size;
  }

  /** Sequences. */
  get batch(): number {
    return this.size;
  }

  /** Tokens of each sequence. */
  get length(): number {
    return this.tokens;
  }

  /** Takes in a layer's keys and values of further tokens; returns those of all tokens. They are the cache's own. */
  extend(layer: object, added: KeysAndValues): KeysAndValues {
    const before = this.layers.get(layer);
    const all =
      before === undefined
        ? added
        : { key: concat([before.key, added.key], 1), value: concat([before.value, added.value], 1) };
    keep(all);
    dispose(before);
    this.layers.set(layer, all);
    return all;
  }

  /** Call it when tokens have gone through all layers. */
  advance(tokens: number): void {
    this.tokens += tokens;
  }

  /** Goes on with some of the sequences, in this order, and forgets the others. */
  select(sequences: readonly number[]): void {
    for (const [layer, all] of this.layers) {
      const selected = scope(() => {
        const rows = ints(sequences);
        const select = (x: Tensor) => {
          const heads = x.shape[0]! / this.size;
          const [, length, headDim] = x.shape as [number, number, number];
          const bySequence = gatherRows(reshape(x, [this.size, heads * length * headDim]), rows);
          return reshape(bySequence, [sequences.length * heads, length, headDim]);
        };
        return keep({ key: select(all.key), value: select(all.value) });
      });
      dispose(all);
      this.layers.set(layer, selected);
    }
    this.size = sequences.length;
  }

  /** Frees everything; nothing can go on from here. */
  dispose(): void {
    for (const all of this.layers.values()) dispose(all);
    this.layers.clear();
  }
}
