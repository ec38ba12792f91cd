import { BadRow } from './bad-row.js';
import { asColumns, isColumns, type Columns } from './columns.js';
import type { ChatAnswer, ChatMessage, Row, TextAnswer, TokenAnswer } from './row.js';

/** @throws BadRow */
export function parseRow(value: unknown): Row {
  const columns = asColumns(value);
  const tokenized = ['prompt_ids', 'completion_ids', 'chosen_ids', 'rejected_ids'].some(
    (name) => name in columns,
  );
  const parse = tokenized ? parseTokens : parseWritten;
  const suffix = tokenized ? '_ids' : '';
  if (!isPair(columns)) {
    const label = parseLabel(columns['label']);
    const score = parseScore(columns['score']);
    return { kind: 'judged', answer: parse(columns, `completion${suffix}`), label, score };
  }
  const row = withPrompt(columns);
  return { kind: 'pair', chosen: parse(row, `chosen${suffix}`), rejected: parse(row, `rejected${suffix}`) };
}

function isPair(row: Columns): boolean {
  if ('completion' in row || 'completion_ids' in row) return false;
  return ['chosen', 'rejected', 'chosen_ids', 'rejected_ids'].some((name) => name in row);
}

function parseLabel(label: unknown): boolean | null {
  if (label === undefined || label === null) return null;
  if (typeof label !== 'boolean') throw new BadRow('label is not true or false');
  return label;
}

function parseScore(score: unknown): number | null {
  if (score === undefined || score === null) return null;
  if (typeof score !== 'number' || !Number.isFinite(score)) throw new BadRow('score is not a number');
  return score;
}

function parseTokens(row: Columns, column: string): TokenAnswer {
  const promptIds = parseIds(row['prompt_ids'], 'prompt_ids');
  const completionIds = parseIds(row[column], column);
  if (promptIds.length === 0) throw new BadRow('prompt_ids is empty');
  if (completionIds.length === 0) throw new BadRow(`${column} is empty`);
  return { kind: 'tokens', promptIds, completionIds };
}

function parseIds(ids: unknown, column: string): Int32Array {
  if (!Array.isArray(ids)) throw new BadRow(`${column} is not a list`);
  if (!ids.every(isTokenId)) throw new BadRow(`${column} holds something that is no token id`);
  return Int32Array.from(ids);
}

function isTokenId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) <= 0x7fff_ffff;
}

function parseWritten(row: Columns, column: string): TextAnswer | ChatAnswer {
  const { prompt, [column]: completion } = row;
  if (typeof prompt === 'string' && typeof completion === 'string') {
    if (completion === '') throw new BadRow(`${column} is empty`);
    return { kind: 'text', prompt, completion };
  }
  if (Array.isArray(prompt) && Array.isArray(completion)) return parseChat(prompt, completion, column);
  if (prompt === undefined) throw new BadRow('prompt is missing');
  if (completion === undefined) throw new BadRow(`${column} is missing`);
  throw new BadRow(`prompt and ${column} are neither both text nor both lists of messages`);
}

function parseChat(prompt: readonly unknown[], completion: readonly unknown[], column: string): ChatAnswer {
  if (prompt.length === 0) throw new BadRow('prompt holds no message');
  const answer = completion[0];
  if (completion.length !== 1 || !isMessage(answer) || answer.role !== 'assistant') {
    throw new BadRow(`${column} is not one message of the assistant`);
  }
  if (answer.content === '') throw new BadRow(`${column} is empty`);
  if (!prompt.every(isMessage)) {
    throw new BadRow('prompt holds a message without a role or content that is text');
  }
  return { kind: 'chat', prompt, completion: answer };
}

/**
 * TRL's implicit prompt: chosen and rejected are whole conversations, which begin with the same messages. (A prompt
 * that is text beside them says the same once more.)
 */
function withPrompt(row: Columns): Columns {
  const { prompt, chosen, rejected } = row;
  if (Array.isArray(prompt) || !Array.isArray(chosen) || !Array.isArray(rejected)) return row;
  const shared = chosen.slice(0, -1);
  if (
    rejected.length !== chosen.length ||
    !shared.every((message, i) => isSameMessage(message, rejected[i]))
  ) {
    throw new BadRow('chosen and rejected are not one answer each to the same messages');
  }
  return { prompt: shared, chosen: chosen.slice(-1), rejected: rejected.slice(-1) };
}

function isSameMessage(a: unknown, b: unknown): boolean {
  return isMessage(a) && isMessage(b) && a.role === b.role && a.content === b.content;
}

export function isMessage(value: unknown): value is ChatMessage {
  return isColumns(value) && typeof value['role'] === 'string' && typeof value['content'] === 'string';
}
