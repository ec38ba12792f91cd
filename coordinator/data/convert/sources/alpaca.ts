import { BadRow } from '../../bad-row.js';
import type { Columns } from '../../columns.js';
import type { ChatMessage } from '../../row.js';
import { systemMessage } from '../messages.js';
import type { Source } from '../source.js';

/**
 * Alpaca's `instruction` and `input`, as LLaMA-Factory extends them: `output` with `kto_tag`, or `chosen` and
 * `rejected`; `history` holds earlier turns as pairs of texts.
 */
export const alpaca: Source = {
  name: 'alpaca',
  matches: (row) => 'instruction' in row,
  toRows: (row) => [toRow(row)],
};

function toRow(row: Columns): Columns {
  const prompt = promptOf(row);
  if ('chosen' in row || 'rejected' in row) {
    return { prompt, chosen: answer(row, 'chosen'), rejected: answer(row, 'rejected') };
  }
  return { prompt, completion: answer(row, 'output') };
}

function promptOf({ system, history, instruction, input }: Columns): ChatMessage[] {
  if (typeof instruction !== 'string') throw new BadRow('instruction is not text');
  const question = typeof input === 'string' && input !== '' ? `${instruction}\n${input}` : instruction;
  return [...systemMessage(system), ...turnsOf(history), { role: 'user', content: question }];
}

function turnsOf(history: unknown): ChatMessage[] {
  if (history === undefined || history === null) return [];
  if (!Array.isArray(history) || !history.every(isTurn))
    throw new BadRow('history is not a list of pairs of texts');
  return history.flatMap(([question, reply]) => [
    { role: 'user', content: question },
    { role: 'assistant', content: reply },
  ]);
}

function isTurn(value: unknown): value is readonly [question: string, reply: string] {
  return Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === 'string');
}

function answer(row: Columns, column: string): ChatMessage[] {
  const content = row[column];
  if (typeof content !== 'string') throw new BadRow(`${column} is not text`);
  return [{ role: 'assistant', content }];
}
