import { ConfigError, messageOf } from '../../lib/errors.js';
import { BadRow } from './bad-row.js';
import type { Answer, ChatAnswer, PairRow, TextAnswer, TokenAnswer } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** Token ids of an answer, before the rule of length. */
export interface EncodedAnswer {
  readonly promptIds: Int32Array;
  readonly completionIds: Int32Array;
}

/** Token ids of a pair, before the rule of length. */
export interface EncodedPair {
  readonly promptIds: Int32Array;
  readonly chosenIds: Int32Array;
  readonly rejectedIds: Int32Array;
}

/**
 * Tokenized answers are taken as they are. Of text and messages, a completion ends with EOS, and only there.
 * @throws BadRow
 */
export function encodeAnswer(answer: Answer, tokenizer: TextTokenizer): EncodedAnswer {
  const { ids, border } = encodeWhole(answer, tokenizer);
  return { promptIds: ids.slice(0, border), completionIds: ids.slice(border) };
}

/**
 * As two answers, but the prompt is what both begin with: a token over the border in one of them belongs to the
 * completion in both.
 * @throws BadRow
 */
export function encodePair(pair: PairRow, tokenizer: TextTokenizer): EncodedPair {
  const chosen = encodeWhole(pair.chosen, tokenizer);
  const rejected = encodeWhole(pair.rejected, tokenizer);
  const border = Math.min(chosen.border, rejected.border);
  return {
    promptIds: chosen.ids.slice(0, border),
    chosenIds: chosen.ids.slice(border),
    rejectedIds: rejected.ids.slice(border),
  };
}

/** Prompt and completion as one sequence. */
interface Whole {
  readonly ids: Int32Array;
  /** How many of the ids are the prompt's; not all. */
  readonly border: number;
}

function encodeWhole(answer: Answer, tokenizer: TextTokenizer): Whole {
  const whole = answer.kind === 'tokens' ? joinTokens(answer) : encodeWritten(answer, tokenizer);
  const { vocabSize } = tokenizer;
  if (vocabSize !== null && whole.ids.some((id) => id >= vocabSize)) {
    throw new BadRow(`a token id is outside of the model's vocabulary of ${vocabSize}`);
  }
  return whole;
}

function joinTokens({ promptIds, completionIds }: TokenAnswer): Whole {
  const ids = new Int32Array(promptIds.length + completionIds.length);
  ids.set(promptIds);
  ids.set(completionIds, promptIds.length);
  return { ids, border: promptIds.length };
}

function encodeWritten(answer: TextAnswer | ChatAnswer, tokenizer: TextTokenizer): Whole {
  const { prompt, whole, specialTokens } =
    answer.kind === 'text' ? textOf(answer) : renderChat(answer, tokenizer);
  const promptIds = tokenizer.encode(prompt, { specialTokens });
  const wholeIds = tokenizer.encode(whole, { specialTokens });
  const border = commonPrefixLength(promptIds, wholeIds);
  if (border === 0) throw new BadRow('no token of the prompt stands before the completion');
  if (border === wholeIds.length) throw new BadRow('completion is empty');
  const completionIds = endWithEos(wholeIds.slice(border), tokenizer.eosId);
  return { ids: Int32Array.from([...wholeIds.slice(0, border), ...completionIds]), border };
}

/** A conversation is rendered with the special tokens that it needs; a plain text gets them from the tokenizer. */
interface WrittenAnswer {
  readonly prompt: string;
  /** Prompt and completion. */
  readonly whole: string;
  readonly specialTokens: boolean;
}

function textOf(answer: TextAnswer): WrittenAnswer {
  return { prompt: answer.prompt, whole: answer.prompt + answer.completion, specialTokens: true };
}

function renderChat(answer: ChatAnswer, tokenizer: TextTokenizer): WrittenAnswer {
  try {
    const prompt = tokenizer.applyChatTemplate(answer.prompt, { addGenerationPrompt: true });
    const messages = [...answer.prompt, answer.completion];
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
