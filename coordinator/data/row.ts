/**
 * The rows that a data file may hold: TRL's unpaired preference format, as text or as messages, and rows that are
 * tokenized already. Columns that none of these names are ignored.
 */
export type Row = TextRow | ChatRow | TokenRow;

interface Labelled {
  /** null where the row has none. */
  readonly label: boolean | null;
}

export interface TextRow extends Labelled {
  readonly kind: 'text';
  readonly prompt: string;
  readonly completion: string;
}

export interface ChatRow extends Labelled {
  readonly kind: 'chat';
  readonly prompt: readonly ChatMessage[];
  readonly completion: ChatMessage;
}

export interface TokenRow extends Labelled {
  readonly kind: 'tokens';
  readonly promptIds: Int32Array;
  readonly completionIds: Int32Array;
}

/** Whatever else a message holds goes to the chat template with it. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** What is wrong with one row. The message is a reason to count rows by: it holds no row's own values. */
export class BadRow extends Error {
  override readonly name = 'BadRow';
}

/** @throws BadRow */
export function parseRow(value: unknown): Row {
  if (!isObject(value)) throw new BadRow('not a JSON object');
  const label = parseLabel(value['label']);
  if ('prompt_ids' in value || 'completion_ids' in value) return parseTokenRow(value, label);
  const { prompt, completion } = value;
  if (typeof prompt === 'string' && typeof completion === 'string') {
    if (completion === '') throw new BadRow('completion is empty');
    return { kind: 'text', prompt, completion, label };
  }
  if (Array.isArray(prompt) && Array.isArray(completion)) return parseChatRow(prompt, completion, label);
  if (prompt === undefined) throw new BadRow('prompt is missing');
  if (completion === undefined) throw new BadRow('completion is missing');
  throw new BadRow('prompt and completion are neither both text nor both lists of messages');
}

function parseLabel(label: unknown): boolean | null {
  if (label === undefined || label === null) return null;
  if (typeof label !== 'boolean') throw new BadRow('label is not true or false');
  return label;
}

function parseTokenRow(row: Readonly<Record<string, unknown>>, label: boolean | null): TokenRow {
  const promptIds = parseIds(row['prompt_ids'], 'prompt_ids');
  const completionIds = parseIds(row['completion_ids'], 'completion_ids');
  if (promptIds.length === 0) throw new BadRow('prompt_ids is empty');
  if (completionIds.length === 0) throw new BadRow('completion_ids is empty');
  return { kind: 'tokens', promptIds, completionIds, label };
}

function parseIds(ids: unknown, column: string): Int32Array {
  if (!Array.isArray(ids)) throw new BadRow(`${column} is not a list`);
  if (!ids.every(isTokenId)) throw new BadRow(`${column} holds something that is no token id`);
  return Int32Array.from(ids);
}

function isTokenId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) <= 0x7fff_ffff;
}

function parseChatRow(
  prompt: readonly unknown[],
  completion: readonly unknown[],
  label: boolean | null,
): ChatRow {
  if (prompt.length === 0) throw new BadRow('prompt holds no message');
  const answer = completion[0];
  if (completion.length !== 1 || !isMessage(answer) || answer.role !== 'assistant') {
    throw new BadRow('completion is not one message of the assistant');
  }
  if (answer.content === '') throw new BadRow('completion is empty');
  if (!prompt.every(isMessage))
    throw new BadRow('prompt holds a message without a role or content that is text');
  return { kind: 'chat', prompt, completion: answer, label };
}

function isMessage(value: unknown): value is ChatMessage {
  return isObject(value) && typeof value['role'] === 'string' && typeof value['content'] === 'string';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
