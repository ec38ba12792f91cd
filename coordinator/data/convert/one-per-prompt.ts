import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Answer } from '../row.js';
import { jsonAnswer } from './json-row.js';

/**
 * Chooses one answer of every prompt, each with the same chance, in two passes over the same answers: `observe` all of
 * them, then ask of each whether it `keeps` it. Holds some hundred bytes a prompt.
 */
export class OnePerPrompt {
  /** By the hash of a prompt: its answers so far, and the number of the chosen one, from 1. */
  readonly #prompts = new Map<string, { answers: number; chosen: number }>();
  readonly #random;

  constructor(seed: number) {
    this.#random = xoroshiro128plus(seed);
    // Similar seeds begin alike.
    this.#random.jump();
  }

  /** The chosen one of n answers is the n-th with a chance of 1/n, or else that of the n − 1 before (Vitter's R). */
  observe(answer: Answer): void {
    const key = hashPrompt(answer);
    const prompt = this.#prompts.get(key);
    if (prompt === undefined) {
      this.#prompts.set(key, { answers: 1, chosen: 1 });
      return;
    }
    prompt.answers += 1;
    if (uniformInt(this.#random, 1, prompt.answers) === 1) prompt.chosen = prompt.answers;
  }

  /** In the second pass, true for the one chosen answer of a prompt. */
  keeps(answer: Answer): boolean {
    const prompt = this.#prompts.get(hashPrompt(answer));
    if (prompt === undefined) return false;
    prompt.chosen -= 1;
    return prompt.chosen === 0;
  }
}

function hashPrompt(answer: Answer): string {
  const { prompt, suffix } = jsonAnswer(answer);
  return createHash('sha256').update(suffix).update(prompt).digest().toString('latin1', 0, 16);
}
