import { mean, standardError } from './numbers.js';
import { clear, found, type Rule } from './observation.js';

/** Steps whose margins are averaged: single batches differ a lot. */
export const MARGIN_BLOCK_STEPS = 50;

/** A fall is said from this share of the best mean on, and only where it is as many standard errors: */
const FALL_SHARE = 0.25;
const FALL_ERRORS = 4;

/**
 * The mean margin of the last MARGIN_BLOCK_STEPS steps has fallen below the best one of a block before, by a quarter
 * and by more than chance (4 standard errors). It has cleared when less than half of that is missing.
 */
export const marginFalling: Rule = (steps) => {
  const margins = steps.map(({ row }) => row['rewards/margins']).filter((margin) => margin !== null);
  const blocks: number[][] = [];
  for (let end = margins.length; end >= MARGIN_BLOCK_STEPS; end -= MARGIN_BLOCK_STEPS) {
    blocks.unshift(margins.slice(end - MARGIN_BLOCK_STEPS, end));
  }
  const last = blocks.pop();
  if (last === undefined || blocks.length === 0) return new Map();
  const best = blocks.reduce((a, b) => (mean(b) > mean(a) ? b : a));
  const [from, to] = [mean(best), mean(last)];
  const noise = FALL_ERRORS * Math.hypot(standardError(best), standardError(last));
  const bound = Math.max(FALL_SHARE * Math.abs(from), noise);
  const fall = from - to;
  if (fall <= bound) return new Map([['margin-falling', fall < bound / 2 ? clear : 'unsure']]);
  const line =
    `rewards/margins fell from ${from.toPrecision(3)} to ${to.toPrecision(3)} (means of ${MARGIN_BLOCK_STEPS} steps): ` +
    'the policy tells good from bad less than before; lower learning_rate, or end at an earlier step';
  return new Map([['margin-falling', found(line)]]);
};
