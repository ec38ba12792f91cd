import { elementCount } from '../parameters/layout.js';
import { concat, gatherRows, reshape, zeros } from '../tensorflow/ops.js';
import { ints, type Tensor } from '../tensorflow/tensor.js';

/**
 * The two orders in which the activations of a batch lie. All but attention takes token after token, sequence after
 * sequence, without padding: [tokens, features]. Attention takes sequences side by side, each padded on the right to the
 * longest: [batch · heads, length, headDim]. A token's features are slices of `headDim`, of one head each.
 */
export class Arrangement {
  /** Sequences. */
  readonly batch: number;
  /** Positions that attention has for each sequence: those of the longest. */
  readonly length: number;
  readonly tokens: number;
  /** Where each token stands in its sequence, from 0. */
  readonly positions: Int32Array;
  /** Of each sequence, its first token. */
  private readonly starts: readonly number[];
  private readonly rowsOfHeads = new Map<string, Int32Array>();
  private readonly rowsOfTokens = new Map<string, Int32Array>();

  /**
   * @param lengths tokens of the sequences, each at least 1
   * @param offsets of each sequence, the position of its first token: what stands in front of it has been computed before
   */
  constructor(
    private readonly lengths: readonly number[],
    readonly offsets: readonly number[] = lengths.map(() => 0),
  ) {
    this.batch = lengths.length;
    this.length = Math.max(...lengths.map((length, sequence) => offsets[sequence]! + length));
    let tokens = 0;
    this.starts = lengths.map((length) => (tokens += length) - length);
    this.tokens = tokens;
    this.positions = Int32Array.from(
      lengths.flatMap((length, sequence) => Array.from({ length }, (_, token) => offsets[sequence]! + token)),
    );
  }

  /** The row of a sequence's token, counted from its first one here. */
  row(sequence: number, token: number): number {
    return this.starts[sequence]! + token;
  }

  /**
   * [tokens, slices of features] → [batch · heads, length, slice]. What stands in place of padding is of no sequence's
   * concern: no token sees it.
   *
   * @param slices which of a token's slices each head has
   */
  toHeads(x: Tensor, slices: readonly number[], sliceSize: number): Tensor {
    const perToken = x.shape[1]! / sliceSize;
    return this.headsOf(reshape(x, [this.tokens * perToken, sliceSize]), perToken, slices, 0);
  }

  /** The same with zeros in place of padding, as its gradient must be. */
  toZeroPaddedHeads(x: Tensor, slices: readonly number[], sliceSize: number): Tensor {
    const perToken = x.shape[1]! / sliceSize;
    const count = this.tokens * perToken;
    const rows = reshape(x, [count, sliceSize]);
    if (this.isFull) return this.headsOf(rows, perToken, slices, 0);
    return this.headsOf(concat([rows, zeros([1, sliceSize])], 0), perToken, slices, count);
  }

  /**
   * [.., length, slice], in whatever grouping → [tokens, slices of features]: the way back, for tokens only.
   *
   * @param groups of each slice of a token of the first sequence, which group it is in; the next sequence's are `heads` on
   */
  toTokens(x: Tensor, heads: number, groups: readonly number[]): Tensor {
    const sliceSize = x.shape.at(-1)!;
    const rows = reshape(x, [elementCount(x.shape) / sliceSize, sliceSize]);
    const gathered = gatherRows(rows, ints(this.tokenRows(heads, groups)));
    return reshape(gathered, [this.tokens, groups.length * sliceSize]);
  }

  /** Whether there is no padding. */
  private get isFull(): boolean {
    return this.tokens === this.batch * this.length;
  }

  private headsOf(rows: Tensor, perToken: number, slices: readonly number[], padding: number): Tensor {
    const gathered = gatherRows(rows, ints(this.headRows(perToken, slices, padding)));
    return reshape(gathered, [this.batch * slices.length, this.length, rows.shape[1]!]);
  }

  /** Of each place [sequence, head, position], the slice that stands there. */
  private headRows(perToken: number, slices: readonly number[], padding: number): Int32Array {
    return remembered(this.rowsOfHeads, `${perToken} ${padding} ${slices.join()}`, () => {
      const rows = new Int32Array(this.batch * slices.length * this.length).fill(padding);
      let place = 0;
      this.lengths.forEach((length, sequence) => {
        for (const slice of slices) {
          const first = this.row(sequence, 0) * perToken + slice;
          const offset = place + this.offsets[sequence]!;
          for (let token = 0; token < length; token++) rows[offset + token] = first + token * perToken;
          place += this.length;
        }
      });
      return rows;
    });
  }

  /** Of each slice of each token, the place that it stands in. */
  private tokenRows(heads: number, groups: readonly number[]): Int32Array {
    return remembered(this.rowsOfTokens, `${heads} ${groups.join()}`, () => {
      const rows = new Int32Array(this.tokens * groups.length);
      let row = 0;
      this.lengths.forEach((length, sequence) => {
        const offset = this.offsets[sequence]!;
        const places = groups.map((group) => (group + sequence * heads) * this.length + offset);
        for (let token = 0; token < length; token++) {
          for (const place of places) rows[row++] = place + token;
        }
      });
      return rows;
    });
  }
}

function remembered<T>(made: Map<string, T>, key: string, make: () => T): T {
  let value = made.get(key);
  if (value === undefined) made.set(key, (value = make()));
  return value;
}
