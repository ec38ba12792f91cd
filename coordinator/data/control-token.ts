import type { Answer } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** Conditional SFT's marks of a desirable and an undesirable completion. */
export interface ControlTokens {
  readonly desirable: string;
  readonly undesirable: string;
}

/**
 * The answer with its control token as the beginning of the completion. It is text: a tokenizer that does not know it
 * as one token writes it as several, and no embedding is added.
 */
export function withControlToken(answer: Answer, token: string, tokenizer: TextTokenizer): Answer {
  switch (answer.kind) {
    case 'text':
      return { ...answer, completion: token + answer.completion };
    case 'chat': {
      const { completion } = answer;
      return { ...answer, completion: { ...completion, content: token + completion.content } };
    }
    case 'tokens': {
      const ids = tokenizer.encode(token, { specialTokens: false });
      return { ...answer, completionIds: Int32Array.from([...ids, ...answer.completionIds]) };
    }
  }
}
