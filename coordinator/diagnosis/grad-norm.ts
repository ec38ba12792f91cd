import { median } from './numbers.js';
import { clear, found, type Rule } from './observation.js';

/** Latest steps that are compared with what was usual before them, and how many of them must be out of it. */
const RECENT_STEPS = 5;
const EXPLODED_STEPS = 3;

/** Steps that say what is usual; a run's first ones, with their warm-up, are too few. */
export const USUAL_STEPS = 50;

/** Times the usual norm. Single spikes of that size are no reason to worry: the norm is clipped. */
const EXPLODED = 10;
const CALM = 3;

/**
 * In 3 of the last 5 steps the gradient's norm was over 10 times the median of the steps before them. It has cleared
 * when the last 5 are below 3 times.
 */
export const gradNormExploding: Rule = (steps) => {
  // A skipped step's may not be finite, and is none.
  const norms = steps.map(({ row }) => row.grad_norm).filter((norm) => norm !== null);
  const before = norms.slice(0, -RECENT_STEPS);
  if (before.length < USUAL_STEPS) return new Map();
  const usual = median(before);
  const recent = norms.slice(-RECENT_STEPS);
  const key = 'grad-norm-exploding';
  if (recent.every((norm) => norm <= CALM * usual)) return new Map([[key, clear]]);
  if (recent.filter((norm) => norm > EXPLODED * usual).length < EXPLODED_STEPS)
    return new Map([[key, 'unsure']]);
  const line =
    `grad_norm is ${Math.max(...recent).toPrecision(3)}, and ${usual.toPrecision(3)} was usual: training diverges; ` +
    'lower learning_rate, give it more warmup_steps, or lower max_grad_norm';
  return new Map([[key, found(line)]]);
};
