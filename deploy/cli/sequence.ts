import type { Example } from '../../coordinator/data/example.js';
import type { Sequence } from '../../worker/model/language-model.js';

export function joinSequence({
  promptIds,
  completionIds,
}: Pick<Example, 'promptIds' | 'completionIds'>): Sequence {
  const ids = new Int32Array(promptIds.length + completionIds.length);
  ids.set(promptIds);
  ids.set(completionIds, promptIds.length);
  return { ids, completionStart: promptIds.length };
}
