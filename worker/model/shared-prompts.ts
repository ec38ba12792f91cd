import { concat, gatherRows, reshape } from '../tensorflow/ops.js';
import { ints, type Tensor } from '../tensorflow/tensor.js';
import type { Arrangement } from './arrangement.js';
import type { BranchBatch } from './batch.js';
import type { AttentionMemory, KeysAndValues } from './key-value-cache.js';

/**
 * Computes a prompt once for two completions: what attention made of the trunks' tokens, a first pass, is what the tokens of
 * their branches, a second one, see in front of them. Each layer goes through the first pass before it goes through the second.
 */
export class SharedPrompts {
  private readonly layers = new Map<object, KeysAndValues>();
  private readonly rowsByHeads = new Map<number, Int32Array>();

  constructor(
    private readonly trunks: Arrangement,
    private readonly branches: BranchBatch,
  ) {}

  /** The memory of the first pass. Whoever runs it keeps its keys and values until the second has gone through the layer. */
  readonly ofTrunks: AttentionMemory = {
    length: 0,
    extend: (layer, added) => {
      this.layers.set(layer, added);
      return added;
    },
  };

  /** The memory of the second pass. */
  readonly ofBranches: AttentionMemory = {
    length: 0,
    extend: (layer, added) => {
      const before = this.layers.get(layer);
      if (before === undefined) throw new Error('the branches are ahead of their trunks');
      return { key: this.join(before.key, added.key), value: this.join(before.value, added.value) };
    },
  };

  /** Prompts from the trunks, completions from the branches: [branches · heads, length, headDim]. */
  private join(ofTrunks: Tensor, ofBranches: Tensor): Tensor {
    const headDim = ofTrunks.shape[2]!;
    const all = concat(
      [ofTrunks, ofBranches].map((x) => reshape(x, [x.shape[0]! * x.shape[1]!, headDim])),
      0,
    );
    const heads = ofBranches.shape[0]! / this.branches.arrangement.batch;
    return reshape(gatherRows(all, ints(this.rows(heads))), ofBranches.shape);
  }

  /** Of each place of the branches, its row: among the trunks' where that is in front of the branch. */
  private rows(heads: number): Int32Array {
    const known = this.rowsByHeads.get(heads);
    if (known !== undefined) return known;
    const { arrangement, trunks } = this.branches;
    const rows = new Int32Array(arrangement.batch * heads * arrangement.length);
    const behindTrunks = this.trunks.batch * heads * this.trunks.length;
    let place = 0;
    trunks.forEach((trunk, branch) => {
      for (let head = 0; head < heads; head++) {
        const first = (trunk * heads + head) * this.trunks.length;
        for (let position = 0; position < arrangement.length; position++, place++) {
          const isPrompt = position < arrangement.offsets[branch]!;
          rows[place] = isPrompt ? first + position : behindTrunks + place;
        }
      }
    });
    this.rowsByHeads.set(heads, rows);
    return rows;
  }
}
