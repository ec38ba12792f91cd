import type { Example } from '../../coordinator/data/example.js';
import { openForInference } from '../../worker/inference/open.js';
import { scoreSequences } from '../../worker/inference/score.js';
import type { Sequence } from '../../worker/model/language-model.js';

/** Sums of completion log-probs under the model of a directory, in nats, in the order of the sequences. */
export type Scorer = (modelDir: string, sequences: readonly Sequence[]) => readonly number[];

/** Sequences computed together: enough to keep a few cores busy, few enough for any model that trains. */
const batchSize = 8;

/** Scores with TensorFlow in this process, which does nothing else meanwhile. */
export function createScorer(threads: number): Scorer {
  return (modelDir, sequences) => {
    const model = openForInference(modelDir, threads);
    return Array.from(scoreSequences(model, sequences, { batchSize }));
  };
}

export function joinSequence({
  promptIds,
  completionIds,
}: Pick<Example, 'promptIds' | 'completionIds'>): Sequence {
  const ids = new Int32Array(promptIds.length + completionIds.length);
  ids.set(promptIds);
  ids.set(completionIds, promptIds.length);
  return { ids, completionStart: promptIds.length };
}
