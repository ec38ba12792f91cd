import { BadRow } from '../../bad-row.js';
import type { ChatMessage } from '../../row.js';
import { findColumn, findValue } from '../find-column.js';
import { toMessages } from '../messages.js';
import type { Source } from '../source.js';

/** Names that people give what was asked, and what was answered; the first that a row has a value for is its. */
export const PROMPT_NAMES: readonly string[] = ['prompt', 'question', 'query', 'request'];
export const COMPLETION_NAMES: readonly string[] = ['completion', 'answer', 'reply', 'response', 'output'];

/** Columns that hold the texts; null for one that goes by a usual name. */
export interface TextColumns {
  readonly prompt: string | null;
  readonly completion: string | null;
}

/**
 * A question and an answer, as people export them from a spreadsheet or a help desk: they become a message of the user
 * and one of the assistant.
 */
export function tableOf({ prompt, completion }: TextColumns): Source {
  const prompts = prompt === null ? PROMPT_NAMES : [prompt];
  const completions = completion === null ? COMPLETION_NAMES : [completion];
  return {
    name: 'table',
    matches: (row) => findColumn(row, prompts) !== null && findColumn(row, completions) !== null,
    toRows: (row) => [
      {
        prompt: messagesOf(findValue(row, prompts), 'user', 'prompt'),
        completion: messagesOf(findValue(row, completions), 'assistant', 'completion'),
      },
    ],
    textColumns: new Set([...prompts, ...completions].map((name) => name.toLowerCase())),
  };
}

export const table: Source = tableOf({ prompt: null, completion: null });

function messagesOf(value: unknown, role: string, what: string): ChatMessage[] {
  if (value === null) throw new BadRow(`${what} is missing`);
  if (Array.isArray(value)) return toMessages(value);
  if (typeof value !== 'string') throw new BadRow(`${what} is not text`);
  const content = tidy(value);
  if (content === '') throw new BadRow(`${what} is empty`);
  return [{ role, content }];
}

/** Exports bring the line ends of another system, and blanks around a text, which nobody wants to be trained. */
function tidy(text: string): string {
  return text.replace(/\r\n?/g, '\n').trim();
}
