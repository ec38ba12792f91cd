/** One judged completion, as the trainer sees it: token ids that already fit `maxLength`. */
export interface Example {
  /** Row of the data file, 0-based, blank lines not counted. For messages to people. */
  readonly row: number;
  /** At least one id: the first completion token needs something before it. */
  readonly promptIds: Int32Array;
  /** At least one id. */
  readonly completionIds: Int32Array;
  /** Thumbs up or down; null where the method takes no label (sft rows without one). */
  readonly desirable: boolean | null;
  /** How good, on the scale of the data; absent where the row does not say. */
  readonly score?: number;
}

/** Two completions of one prompt, of which one was preferred. Each fits `maxLength` behind the prompt. */
export interface PairedExample {
  /** Row of the data file, 0-based, blank lines not counted. For messages to people. */
  readonly row: number;
  /** At least one id. */
  readonly promptIds: Int32Array;
  /** At least one id. */
  readonly chosenIds: Int32Array;
  /** At least one id. */
  readonly rejectedIds: Int32Array;
}
