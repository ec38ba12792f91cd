import { BadRow } from '../bad-row.js';
import type { Answer } from '../row.js';

/** An answer as JSON text. */
export interface JsonAnswer {
  readonly prompt: string;
  readonly completion: string;
  /** Behind the names of its columns. */
  readonly suffix: '' | '_ids';
}

/** @throws BadRow for messages that hold more than can be written. */
export function jsonAnswer(answer: Answer): JsonAnswer {
  switch (answer.kind) {
    case 'text':
      return { prompt: toJson(answer.prompt), completion: toJson(answer.completion), suffix: '' };
    case 'chat':
      return { prompt: toJson(answer.prompt), completion: toJson([answer.completion]), suffix: '' };
    case 'tokens':
      return {
        prompt: toJson([...answer.promptIds]),
        completion: toJson([...answer.completionIds]),
        suffix: '_ids',
      };
  }
}

/** What a row of one answer says beside it. */
export type Judgement = { readonly label: boolean } | { readonly score: number };

export function judgedJson(answer: Answer, judgement: Judgement): string {
  const { prompt, completion, suffix } = jsonAnswer(answer);
  const judged = toJson(judgement).slice(1);
  return `{"prompt${suffix}":${prompt},"completion${suffix}":${completion},${judged}`;
}

/** @param chosen and `rejected` answer the same prompt */
export function pairJson(chosen: JsonAnswer, rejected: JsonAnswer): string {
  const { prompt, suffix } = chosen;
  return `{"prompt${suffix}":${prompt},"chosen${suffix}":${chosen.completion},"rejected${suffix}":${rejected.completion}}`;
}

/** JSON can be parsed deeper than it can be written. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw new BadRow('a message is nested too deeply');
    throw error;
  }
}
