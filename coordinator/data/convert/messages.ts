import { BadRow } from '../bad-row.js';
import { isColumns } from '../columns.js';
import type { ChatMessage } from '../row.js';

/** What chat templates call the speakers, by the names that data sets give them. */
const ROLES: ReadonlyMap<unknown, string> = new Map([
  ...['user', 'human', 'prompter'].map((name) => [name, 'user'] as const),
  ...['assistant', 'gpt', 'bot', 'chatgpt', 'bard', 'claude'].map((name) => [name, 'assistant'] as const),
  ['system', 'system'],
  ...['tool', 'observation'].map((name) => [name, 'tool'] as const),
]);

/**
 * A message of `role` and `content`, or of ShareGPT's `from` and `value`.
 * @throws BadRow
 */
export function toMessage(value: unknown): ChatMessage {
  if (!isColumns(value)) throw new BadRow('a message is not an object');
  const speaker = value['role'] ?? value['from'];
  const content = value['content'] ?? value['value'];
  const role = ROLES.get(speaker);
  if (role === undefined) throw new BadRow('a message is of nobody whose role is known');
  if (typeof content !== 'string') throw new BadRow('a message has no text');
  if (value['role'] === role && value['content'] === content) return { ...value, role, content };
  return { role, content };
}

/** @throws BadRow */
export function toMessages(list: unknown): ChatMessage[] {
  if (!Array.isArray(list)) throw new BadRow('the conversation is not a list of messages');
  return list.map(toMessage);
}

/** The system's message where there is text for it. */
export function systemMessage(text: unknown): ChatMessage[] {
  return typeof text === 'string' && text !== '' ? [{ role: 'system', content: text }] : [];
}
