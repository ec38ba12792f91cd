import { BadRow } from '../../bad-row.js';
import type { ChatMessage } from '../../row.js';
import type { Source } from '../source.js';

/** Anthropic's HH-RLHF: `chosen` and `rejected` are transcripts, "\n\nHuman: …\n\nAssistant: …". */
export const hh: Source = {
  name: 'hh',
  matches: ({ chosen, rejected }) => isTranscript(chosen) && isTranscript(rejected),
  toRows: ({ chosen, rejected }) => [{ chosen: toMessages(chosen), rejected: toMessages(rejected) }],
};

const TURN = /^(Human|Assistant):(.*)$/s;

function isTranscript(text: unknown): text is string {
  return typeof text === 'string' && /(?:^|\n\n)Human:/.test(text);
}

function toMessages(transcript: unknown): ChatMessage[] {
  if (!isTranscript(transcript)) throw new BadRow('not a transcript of Human and Assistant');
  const turns = transcript.trimStart().split(/\n\n(?=Human:|Assistant:)/);
  const messages = turns.map(toMessage);
  if (messages.at(-1)?.role !== 'assistant') throw new BadRow('the assistant does not have the last word');
  return messages;
}

function toMessage(turn: string): ChatMessage {
  const [, speaker, text] = TURN.exec(turn) ?? [];
  if (text === undefined) throw new BadRow('not a transcript of Human and Assistant');
  return { role: speaker === 'Human' ? 'user' : 'assistant', content: text.trim() };
}
