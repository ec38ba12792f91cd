import { ConfigError } from '../errors.js';
import type { MethodConfig, Weight } from './config.js';

/**
 * Gives `auto` its number: the weight at which both classes count the same, λ_D·n_D / (λ_U·n_U) = 1. This is one end
 * of the interval that the KTO paper recommends, [1, 4/3] (Ethayarajh et al. 2024, arXiv:2402.01306, section 4.2), and
 * the one that prefers neither class.
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
    return { ...config, desirableWeight: (given * undesirable) / desirable, undesirableWeight: given };
  }
  return { ...config, desirableWeight, undesirableWeight: (desirableWeight * desirable) / undesirable };
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
