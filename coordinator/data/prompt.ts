import { ConfigError, messageOf } from '../../lib/errors.js';
import { BadRow } from './bad-row.js';
import type { Columns } from './columns.js';
import { isMessage } from './parse-row.js';
import type { ChatMessage } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** A prompt that an answer is still to be written to: text, or messages for the chat template. */
export type Prompt = string | readonly ChatMessage[];

/**
 * The prompt of a row as training has them; what else the row holds is ignored.
 * @throws BadRow
 */
export function parsePrompt({ prompt }: Columns): Prompt {
  if (prompt === undefined) throw new BadRow('prompt is missing');
  if (typeof prompt === 'string') return prompt;
  if (!Array.isArray(prompt)) throw new BadRow('prompt is neither text nor a list of messages');
  if (prompt.length === 0) throw new BadRow('prompt holds no message');
  if (!prompt.every(isMessage)) {
    throw new BadRow('prompt holds a message without a role or content that is text');
  }
  return prompt;
}

/** A prompt as the model reads it. */
export interface EncodedPrompt {
  /** With the marks of the chat template, where it is a conversation. */
  readonly text: string;
  /** As training has them in front of a completion; at least one. */
  readonly ids: Int32Array;
}

/**
 * @throws BadRow for messages that the chat template refuses, and for a prompt without a token; ConfigError for messages to
 * a model without a chat template
 */
export function encodePrompt(prompt: Prompt, tokenizer: TextTokenizer): EncodedPrompt {
  const isText = typeof prompt === 'string';
  const text = isText ? prompt : render(prompt, tokenizer);
  const ids = tokenizer.encode(text, { specialTokens: isText });
  // Some tokenizers end every text with EOS, which would stand behind the completion.
  if (isText && ids.at(-1) === tokenizer.eosId) ids.pop();
  if (ids.length === 0) throw new BadRow('prompt has no token, and a completion needs one in front of it');
  return { text, ids: Int32Array.from(ids) };
}

function render(messages: readonly ChatMessage[], tokenizer: TextTokenizer): string {
  try {
    return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new BadRow(`the chat template refuses the messages: ${messageOf(error)}`);
  }
}
