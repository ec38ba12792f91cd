import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

import type { InferenceModel } from './open.js';
import { sampleToken, type Sampling } from './sampling.js';

export interface GenerateOptions extends Sampling {
  readonly maxNewTokens: number;
  /** The same seed draws the same tokens; prompt i draws from a stream of its own. */
  readonly seed: number;
}

interface Reply {
  /** Prompt and reply. */
  readonly ids: number[];
  readonly draw: () => number;
}

/**
 * Continues each prompt until the model ends its reply or `maxNewTokens` are reached. Runs the whole sequences through
 * the model for every token: meant for a few short samples.
 *
 * @returns the tokens after each prompt, without the one that ends a reply
 */
export function generate(
  { model, weights, description }: InferenceModel,
  prompts: readonly Int32Array[],
  { maxNewTokens, seed, ...sampling }: GenerateOptions,
): Int32Array[] {
  const replies = prompts.map((prompt, index): Reply => {
    const generator = xoroshiro128plus(seed + index);
    return { ids: [...prompt], draw: () => uniformFloat64(generator) };
  });
  let open = replies;
  for (let step = 0; step < maxNewTokens && open.length > 0; step += 1) {
    const logits = model.logits(
      weights,
      open.map(({ ids }) => Int32Array.from(ids)),
      open.map(({ ids }, sequence) => ({ sequence, token: ids.length - 1 })),
    );
    open = open.filter(({ ids, draw }, index) => {
      const token = sampleToken(logits[index]!, sampling, draw());
      if (description.eosTokenIds.includes(token)) return false;
      ids.push(token);
      return true;
    });
  }
  return replies.map(({ ids }, index) => Int32Array.from(ids.slice(prompts[index]!.length)));
}
