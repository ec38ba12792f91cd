import { v1 } from '../../proto/services.js';

/** The line of samples.jsonl that an event is written as. */
export function samplesLine(event: v1.CompletionsSampled.$Properties): string {
  const { stage, step, completions } = v1.CompletionsSampled.create(event);
  return JSON.stringify({
    step,
    stage,
    completions: completions.map((one) => {
      const { prompt, completion, cut } = v1.SampledCompletion.create(one);
      return { prompt, completion, cut };
    }),
  });
}
