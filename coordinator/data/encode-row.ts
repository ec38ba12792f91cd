import { ConfigError, messageOf } from '../../lib/errors.js';
import { BadRow, type ChatRow, type Row, type TextRow } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** Token ids of a row, before the rule of length. */
export interface EncodedRow {
  readonly promptIds: Int32Array;
  readonly completionIds: Int32Array;
}

/**
 * Tokenized rows are taken as they are. Of text and messages, a completion ends with EOS, and only there.
 * @throws BadRow
 */
export function encodeRow(row: Row, tokenizer: TextTokenizer): EncodedRow {
  const encoded = row.kind === 'tokens' ? row : encodeWritten(row, tokenizer);
  const { vocabSize } = tokenizer;
  if (vocabSize !== null) {
    const unknown = (id: number): boolean => id >= vocabSize;
    if (encoded.promptIds.some(unknown) || encoded.completionIds.some(unknown)) {
      throw new BadRow(`a token id is outside of the model's vocabulary of ${vocabSize}`);
    }
  }
  return encoded;
}

function encodeWritten(row: TextRow | ChatRow, tokenizer: TextTokenizer): EncodedRow {
  const { prompt, whole, specialTokens } = row.kind === 'text' ? textOf(row) : renderChat(row, tokenizer);
  const promptIds = tokenizer.encode(prompt, { specialTokens });
  const wholeIds = tokenizer.encode(whole, { specialTokens });
  const border = commonPrefixLength(promptIds, wholeIds);
  if (border === 0) throw new BadRow('no token of the prompt stands before the completion');
  if (border === wholeIds.length) throw new BadRow('completion is empty');
  return {
    promptIds: Int32Array.from(wholeIds.slice(0, border)),
    completionIds: Int32Array.from(endWithEos(wholeIds.slice(border), tokenizer.eosId)),
  };
}

/** A conversation is rendered with the special tokens that it needs; a plain text gets them from the tokenizer. */
interface WrittenRow {
  readonly prompt: string;
  /** Prompt and completion. */
  readonly whole: string;
  readonly specialTokens: boolean;
}

function textOf(row: TextRow): WrittenRow {
  return { prompt: row.prompt, whole: row.prompt + row.completion, specialTokens: true };
}

function renderChat(row: ChatRow, tokenizer: TextTokenizer): WrittenRow {
  try {
    const prompt = tokenizer.applyChatTemplate(row.prompt, { addGenerationPrompt: true });
    const messages = [...row.prompt, row.completion];
    const rendered = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: false });
    if (!rendered.startsWith(prompt)) {
      throw new BadRow(
        'the chat template does not write the prompt alone as it writes it before the completion',
      );
    }
    // The line break before a next turn is no part of the answer.
    const completion = rendered.slice(prompt.length).replace(/\n+$/, '');
    return { prompt, whole: prompt + completion, specialTokens: false };
  } catch (error) {
    if (error instanceof ConfigError || error instanceof BadRow) throw error;
    throw new BadRow(`the chat template refuses the messages: ${messageOf(error)}`);
  }
}

/**
 * TRL's border between prompt and completion: where the ids of the prompt alone and of the whole first differ.
 * (A token may span both; it then belongs to the completion.)
 */
function commonPrefixLength(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs === -1 ? a.length : differs;
}

/** EOS ends a completion, also of a text or a chat template that writes more after it. */
function endWithEos(ids: readonly number[], eosId: number): number[] {
  const end = ids.indexOf(eosId);
  return [...(end === -1 ? ids : ids.slice(0, end)), eosId];
}
