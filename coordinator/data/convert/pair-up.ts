import type { Answer } from '../row.js';
import { jsonAnswer, pairJson } from './json-row.js';

/**
 * Makes pairs of the desirable and the undesirable answers to one prompt, in the order of the file, each answer in one
 * pair at the most. Answers that wait for one of the other label are held in memory.
 */
export class PairUp {
  /** By prompt; all of one label. */
  readonly #waiting = new Map<string, { readonly desirable: boolean; readonly completions: string[] }>();
  #count = 0;

  /** Answers that wait. */
  get waiting(): number {
    return this.#count;
  }

  /** The pair that an answer makes, as JSON; null where it waits. */
  add(answer: Answer, desirable: boolean): string | null {
    const json = jsonAnswer(answer);
    const key = json.suffix + json.prompt;
    const others = this.#waiting.get(key);
    if (others === undefined || others.desirable === desirable) {
      if (others === undefined) this.#waiting.set(key, { desirable, completions: [json.completion] });
      else others.completions.push(json.completion);
      this.#count += 1;
      return null;
    }
    const other = others.completions.shift()!;
    if (others.completions.length === 0) this.#waiting.delete(key);
    this.#count -= 1;
    const [chosen, rejected] = desirable ? [json.completion, other] : [other, json.completion];
    return pairJson({ ...json, completion: chosen }, { ...json, completion: rejected });
  }
}
