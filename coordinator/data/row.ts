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
