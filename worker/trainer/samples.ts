import type { v1 } from '../../proto/services.js';
import type { PolicyThread, WeightsIndex } from '../compute/policy-engine.js';
import type { SampleTask } from './work.js';

/**
 * How the policy continues prompts by these weights, in order. Between two tokens the compute thread is free.
 *
 * @throws the signal's reason
 */
export async function continuePrompts(
  { prompts, maxNewTokens, temperature, seed }: SampleTask,
  weights: WeightsIndex,
  policy: PolicyThread,
  signal: AbortSignal,
): Promise<v1.Sample.$Properties[]> {
  const samples = prompts.map(() => ({ ids: [] as number[], cut: true }));
  const options = { maxNewTokens, temperature, topP: 1, seed, stopIds: [] };
  await policy.call('beginSampling', { weights, prompts, options });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await policy.call('nextToken');
      if (next === null) return samples;
      const sample = samples[next.prompt]!;
      if (next.token === null) sample.cut = false;
      else sample.ids.push(next.token);
    }
  } finally {
    await policy.call('endSampling');
  }
}
