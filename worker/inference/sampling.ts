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
  if (temperature === 0) return likeliest(logits);
  const weights = unnormalizedProbabilities(logits, temperature);
  const ranked = Uint32Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const nucleus = nucleusOf(ranked, weights, topP);
  let remaining = uniform * sum(nucleus, weights);
  for (const token of nucleus) {
    remaining -= weights[token]!;
    if (remaining < 0) return token;
  }
  return nucleus.at(-1)!;
}

function likeliest(logits: Float32Array): number {
  return logits.reduce((best, logit, token) => (logit > logits[best]! ? token : best), 0);
}

function unnormalizedProbabilities(logits: Float32Array, temperature: number): Float64Array {
  const highest = logits[likeliest(logits)]!;
  return Float64Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
}

/** The shortest prefix of `ranked` that holds `topP` of the whole, at least one token. */
function nucleusOf(ranked: Uint32Array, weights: Float64Array, topP: number): Uint32Array {
  const wanted = topP * sum(ranked, weights);
  let reached = 0;
  const last = ranked.findIndex((token) => (reached += weights[token]!) >= wanted);
  return last === -1 ? ranked : ranked.subarray(0, last + 1);
}

function sum(tokens: Uint32Array, weights: Float64Array): number {
  return tokens.reduce((total, token) => total + weights[token]!, 0);
}
