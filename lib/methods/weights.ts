import { ConfigError } from '../errors.js';
import type { ClassWeights, MethodConfig, Weight } from './config.js';

/**
 * Bounds of λ_D·n_D / (λ_U·n_U) that the KTO paper recommends (Ethayarajh et al. 2024, arXiv:2402.01306, section 4.2).
 */
export const RECOMMENDED_RATIO = { low: 1, high: 4 / 3 } as const;

/** λ_D·n_D / (λ_U·n_U). */
export function weightedRatio(
  { desirableWeight, undesirableWeight }: ClassWeights<number>,
  desirable: number,
  undesirable: number,
): number {
  return (desirableWeight * desirable) / (undesirableWeight * undesirable);
}

/** The weights that bring the ratio into the recommended interval: one stays 1, and the rarer class is weighed up. */
export function recommendedWeights(desirable: number, undesirable: number): ClassWeights<number> | null {
  if (desirable === 0 || undesirable === 0) return null;
  return desirable / undesirable > RECOMMENDED_RATIO.high
    ? { desirableWeight: 1, undesirableWeight: undesirableWeightFor(1, desirable, undesirable) }
    : { desirableWeight: desirableWeightFor(1, desirable, undesirable), undesirableWeight: 1 };
}

/** λ_D with a ratio in the recommended interval, as near to 1 as that allows. */
function desirableWeightFor(undesirableWeight: number, desirable: number, undesirable: number): number {
  const even = (undesirableWeight * undesirable) / desirable;
  return nearestToOne(RECOMMENDED_RATIO.low * even, RECOMMENDED_RATIO.high * even);
}

function undesirableWeightFor(desirableWeight: number, desirable: number, undesirable: number): number {
  const even = (desirableWeight * desirable) / undesirable;
  return nearestToOne(even / RECOMMENDED_RATIO.high, even / RECOMMENDED_RATIO.low);
}

const nearestToOne = (low: number, high: number) => Math.min(Math.max(1, low), high);

/**
 * Gives `auto` its number: of those that bring λ_D·n_D / (λ_U·n_U) into the recommended interval, the one nearest to 1.
 *
 * @param desirable n_D: rows with thumbs up, or the sum of the grades above neutral
 * @param undesirable n_U
 * @throws ConfigError where a class that `auto` must balance is empty
 */
export function resolveWeights(
  config: MethodConfig,
  desirable: number,
  undesirable: number,
): MethodConfig<number> {
  if (!('desirableWeight' in config)) return config;
  const { desirableWeight, undesirableWeight } = config;
  if (desirableWeight !== 'auto' && undesirableWeight !== 'auto') {
    return { ...config, desirableWeight, undesirableWeight };
  }
  if (desirable === 0 || undesirable === 0) {
    const [key, missing] = [
      desirableWeight === 'auto' ? 'desirable_weight' : 'undesirable_weight',
      desirable === 0 ? 'desirable' : 'undesirable',
    ];
    throw new ConfigError(
      `${key}: is auto, and no row is ${missing} to balance the others; give it a number`,
    );
  }
  if (desirableWeight === 'auto') {
    const given = known(undesirableWeight);
    const balanced = desirableWeightFor(given, desirable, undesirable);
    return { ...config, desirableWeight: balanced, undesirableWeight: given };
  }
  const balanced = undesirableWeightFor(desirableWeight, desirable, undesirable);
  return { ...config, desirableWeight, undesirableWeight: balanced };
}

/** The settings of a run file whose weights `resolveWeights` has resolved. */
export function requireResolved(config: MethodConfig): MethodConfig<number> {
  if (!('desirableWeight' in config)) return config;
  const { desirableWeight, undesirableWeight } = config;
  return { ...config, desirableWeight: known(desirableWeight), undesirableWeight: known(undesirableWeight) };
}

function known(weight: Weight): number {
  if (weight === 'auto') throw new Error('a class weight is still auto: the rows were not counted');
  return weight;
}
