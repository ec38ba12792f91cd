import { clear, found, type Rule } from './observation.js';

/** Steps without any KL before it is said. KTO runs of a few dozen steps often have none, and come out well. */
export const KL_ZERO_STEPS = 100;

/** Rewards below this are those of a policy that has not moved from the reference, but for rounding. */
const NO_REWARD = 1e-4;

/**
 * KTO's reference point z0 has been 0 for KL_ZERO_STEPS steps: its estimate was negative and clamped each time, or the
 * policy does not move at all. It has cleared when one step in ten of as many has a KL.
 */
export const klZero: Rule = (steps) => {
  const last = steps.slice(-KL_ZERO_STEPS).map(({ row }) => row);
  if (last.length < KL_ZERO_STEPS || last.some(({ kl }) => kl === null)) return new Map();
  const positive = last.filter(({ kl }) => kl !== 0).length;
  if (positive > 0) return new Map([['kl-zero', positive >= KL_ZERO_STEPS / 10 ? clear : 'unsure']]);
  const still = last.every((row) =>
    [row['rewards/chosen'], row['rewards/rejected']].every((reward) => Math.abs(reward ?? 0) < NO_REWARD),
  );
  const line = still
    ? `KL and rewards have been 0 for ${KL_ZERO_STEPS} steps: the policy does not move from the reference; ` +
      'raise learning_rate, or look whether lora.target_modules match the model'
    : `KL has been 0 for ${KL_ZERO_STEPS} steps: completions of other prompts have become less likely than under the ` +
      'reference, so z0 is clamped to 0; lower learning_rate or raise beta if rewards/chosen falls too, or take a ' +
      'larger global_batch_size for a better estimate';
  return new Map([['kl-zero', found(line)]]);
};
