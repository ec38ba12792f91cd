/** How the next token is drawn from the model's distribution. */
export interface Sampling {
  /** Divides the logits; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Draws from the likeliest tokens that together reach this probability (Holtzman et al. 2019, arXiv:1904.09751). */
  readonly topP: number;
}

/**
 * @param uniform in [0, 1)
 * @returns a token id
 */
export function sampleToken(logits: Float32Array, { temperature, topP }: Sampling, uniform: number): number {
  const best = likeliest(logits);
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  const candidates = topP < 1 ? nucleusOf(weights, topP) : Uint32Array.from(weights.keys());
  let remaining = uniform * sum(candidates, weights);
  for (const token of candidates) {
    remaining -= weights[token]!;
    if (remaining < 0) return token;
  }
  return candidates.at(-1)!;
}

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token += 1) if (logits[token]! > logits[best]!) best = token;
  return best;
}

/** The likeliest tokens, in this order, until they hold `topP` of the whole; at least one. */
function nucleusOf(weights: Float64Array, topP: number): Uint32Array {
  const all = Uint32Array.from(weights.keys());
  const total = sum(all, weights);
  // Tokens that are less likely than this hold less than 1 − topP even if all but one are: no nucleus reaches them.
  const least = ((1 - topP) * total) / Math.max(1, weights.length - 1);
  const ranked = all.filter((token) => weights[token]! >= least);
  ranked.sort((a, b) => weights[b]! - weights[a]! || a - b);
  let reached = 0;
  const last = ranked.findIndex((token) => (reached += weights[token]!) >= topP * total);
  return last === -1 ? ranked : ranked.subarray(0, last + 1);
}

function sum(tokens: Uint32Array, weights: Float64Array): number {
  let total = 0;
  for (const token of tokens) total += weights[token]!;
  return total;
}
