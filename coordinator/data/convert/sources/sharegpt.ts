import { BadRow } from '../../bad-row.js';
import type { Columns } from '../../columns.js';
import { systemMessage, toMessage, toMessages } from '../messages.js';
import type { Source } from '../source.js';

/**
 * ShareGPT's conversations (`from` and `value`, or `role` and `content`), as LLaMA-Factory judges them: a whole
 * conversation with `label` or `kto_tag`, or one that `chosen` and `rejected` answer.
 */
export const sharegpt: Source = {
  name: 'sharegpt',
  matches: ({ conversations, messages }) => Array.isArray(conversations) || Array.isArray(messages),
  toRows: (row) => [toRow(row)],
};

function toRow(row: Columns): Columns {
  const { conversations, messages = conversations, chosen, rejected, system } = row;
  const conversation = [...systemMessage(system), ...toMessages(messages)];
  if (chosen === undefined && rejected === undefined) {
    if (conversation.at(-1)?.role !== 'assistant')
      throw new BadRow('the assistant does not have the last word');
    return { prompt: conversation.slice(0, -1), completion: conversation.slice(-1) };
  }
  return { prompt: conversation, chosen: [toMessage(chosen)], rejected: [toMessage(rejected)] };
}
