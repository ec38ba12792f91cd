/**
 * The rows that a data file may hold, in TRL's formats: an answer that was judged alone, or a pair of which one was
 * preferred; as text, as messages, or tokenized already. Columns that none of these name are ignored.
 */
export type Row = JudgedRow | PairRow;

/** A prompt and one answer to it. */
export type Answer = TextAnswer | ChatAnswer | TokenAnswer;

export interface TextAnswer {
  readonly kind: 'text';
  readonly prompt: string;
  /** Not empty. */
  readonly completion: string;
}

export interface ChatAnswer {
  readonly kind: 'chat';
  readonly prompt: readonly ChatMessage[];
  readonly completion: ChatMessage;
}

export interface TokenAnswer {
  readonly kind: 'tokens';
  readonly promptIds: Int32Array;
  readonly completionIds: Int32Array;
}

/** Whatever else a message holds goes to the chat template with it. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface JudgedRow {
  readonly kind: 'judged';
  readonly answer: Answer;
  /** Thumbs up or down; null where the row has none. */
  readonly label: boolean | null;
  /** How good, on a scale that the row does not tell; null where the row has none. */
  readonly score: number | null;
}

/** Two answers to one prompt. */
export interface PairRow {
  readonly kind: 'pair';
  readonly chosen: Answer;
  readonly rejected: Answer;
}

/** The KTO paper's way to take pairs apart: the chosen answer is desirable, the rejected one is not. */
export function unpair({ chosen, rejected }: PairRow): readonly [chosen: JudgedRow, rejected: JudgedRow] {
  return [
    { kind: 'judged', answer: chosen, label: true, score: null },
    { kind: 'judged', answer: rejected, label: false, score: null },
  ];
}

/** What is wrong with one row. The message is a reason to count rows by: it holds no row's own values. */
export class BadRow extends Error {
  override readonly name = 'BadRow';
}

type Columns = Readonly<Record<string, unknown>>;

/** @throws BadRow */
export function parseRow(value: unknown): Row {
  if (!isObject(value)) throw new BadRow('not a JSON object');
  const tokenized = ['prompt_ids', 'completion_ids', 'chosen_ids', 'rejected_ids'].some((name) => name in value);
  const parse = tokenized ? parseTokens : parseWritten;
  const suffix = tokenized ? '_ids' : '';
  if (!isPair(value)) {
    const label = parseLabel(value['label']);
    const score = parseScore(value['score']);
    return { kind: 'judged', answer: parse(value, `completion${suffix}`), label, score };
  }
  const row = withPrompt(value);
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
  const differs = chosen.findIndex((message, i) => !isSameMessage(message, rejected[i]));
  const border = differs === -1 ? chosen.length - 1 : differs;
  return { prompt: chosen.slice(0, border), chosen: chosen.slice(border), rejected: rejected.slice(border) };
}

function isSameMessage(a: unknown, b: unknown): boolean {
  return isMessage(a) && isMessage(b) && a.role === b.role && a.content === b.content;
}

function isMessage(value: unknown): value is ChatMessage {
  return isObject(value) && typeof value['role'] === 'string' && typeof value['content'] === 'string';
}

function isObject(value: unknown): value is Columns {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
