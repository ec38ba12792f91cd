import { chain, parallel, residual } from './compose.js';
import type { Module } from './module.js';

/** The parts of a decoder layer. */
export interface BlockParts {
  readonly attentionNorm: Module;
  readonly attention: Module;
  readonly mlpNorm: Module;
  readonly mlp: Module;
}

/** Normalized before each part: h = x + attention(norm(x)), y = h + mlp(norm(h)). */
export function preNormBlock({ attentionNorm, attention, mlpNorm, mlp }: BlockParts): Module {
  return chain(residual(chain(attentionNorm, attention)), residual(chain(mlpNorm, mlp)));
}

/** Both parts from the same input: y = x + attention(norm(x)) + mlp(norm′(x)) (GPT-J; Black et al. 2022, arXiv:2204.06745). */
export function parallelBlock({ attentionNorm, attention, mlpNorm, mlp }: BlockParts): Module {
  return residual(parallel(chain(attentionNorm, attention), chain(mlpNorm, mlp)));
}
