export interface LengthLimits {
  /** Tokens of prompt and completion together. */
  readonly maxLength: number;
  /** Less than `maxLength`. */
  readonly maxPromptLength: number;
}

/**
 * The one rule of length, for trainer and tools: a prompt over `maxPromptLength` keeps its end (what the completion
 * answers), and a completion keeps its beginning, as much as `maxLength` leaves after the prompt.
 * Both return a view of the ids that were given.
 */
export function fitPrompt(promptIds: Int32Array, maxPromptLength: number): Int32Array {
  return promptIds.subarray(Math.max(0, promptIds.length - maxPromptLength));
}

/** @throws RangeError where the prompt leaves no room: `maxPromptLength` must be less than `maxLength`. */
export function fitCompletion(
  completionIds: Int32Array,
  promptLength: number,
  maxLength: number,
): Int32Array {
  const room = maxLength - promptLength;
  if (room < 1) throw new RangeError(`a prompt of ${promptLength} tokens fills a length of ${maxLength}`);
  return completionIds.subarray(0, room);
}
