import type { Humanline, MethodConfig, ScoreScale } from '../methods/config.js';
import type { StageKeys } from './schema.js';
import type { Method } from './types.js';

/**
 * The defaults of TRL's config classes (`KTOConfig`, `DPOConfig`, `CPOConfig` (SimPO's too), `ORPOConfig`, `SFTConfig`),
 * and for what TRL lacks those of ContextualAI/HALOs@4831988, config/config.yaml and config/loss/{ppo,slic,csft}.yaml.
 */
export const METHOD_DEFAULTS = {
  learningRate: {
    kto: 1e-6,
    apo_zero_unpaired: 1e-6,
    ppo_clip: 5e-6,
    dpo: 1e-6,
    cpo: 1e-6,
    simpo: 1e-6,
    orpo: 1e-6,
    slic: 5e-6,
    sft: 2e-5,
    csft: 2e-5,
  } satisfies Record<Method, number>,
  beta: 0.1,
  slicBeta: 1,
  weight: 1,
  z0Denominator: 'all',
  humanline: { logEpsilonP: -1, logEpsilonR: 1.5 },
  lossType: 'sigmoid',
  labelSmoothing: 0,
  cpoAlpha: 1,
  simpoGamma: 0.5,
  lambdaCoef: 0.1,
  clipRange: 0.5,
  klCoef: 0.1,
  gamma: 0.99,
  lam: 0.95,
  criticCoef: 0.01,
  desirableControl: '<|good|>',
  undesirableControl: '<|bad|>',
} as const;

const DEFAULTS = METHOD_DEFAULTS;

/** The method's settings, from keys that `checkStages` found nothing wrong with. */
export function resolveObjective(method: Method, keys: StageKeys): MethodConfig {
  const beta = keys.beta ?? DEFAULTS.beta;
  const labelSmoothing = keys.label_smoothing ?? DEFAULTS.labelSmoothing;
  const weights = {
    desirableWeight: keys.desirable_weight ?? DEFAULTS.weight,
    undesirableWeight: keys.undesirable_weight ?? DEFAULTS.weight,
  };
  switch (method) {
    case 'kto':
      return {
        method,
        beta,
        ...weights,
        z0Denominator: keys.z0_denominator ?? DEFAULTS.z0Denominator,
        humanline: humanlineOf(keys),
        scoreScale: scoreScaleOf(keys),
      };
    case 'apo_zero_unpaired':
      return { method, beta, ...weights };
    case 'ppo_clip':
      return {
        method,
        clipRange: keys.cliprange ?? DEFAULTS.clipRange,
        klCoef: keys.kl_coef ?? DEFAULTS.klCoef,
        gamma: keys.gamma ?? DEFAULTS.gamma,
        lam: keys.lam ?? DEFAULTS.lam,
        criticCoef: keys.critic_coef ?? DEFAULTS.criticCoef,
      };
    case 'dpo':
      return { method, lossType: keys.loss_type ?? DEFAULTS.lossType, beta, labelSmoothing };
    case 'cpo':
      return { method, beta, labelSmoothing, cpoAlpha: keys.cpo_alpha ?? DEFAULTS.cpoAlpha };
    case 'simpo':
      return { method, beta, simpoGamma: keys.simpo_gamma ?? DEFAULTS.simpoGamma };
    case 'orpo':
      return { method, beta };
    case 'slic':
      return {
        method,
        beta: keys.beta ?? DEFAULTS.slicBeta,
        lambdaCoef: keys.lambda_coef ?? DEFAULTS.lambdaCoef,
      };
    case 'sft':
      return { method };
    case 'csft':
      return { method, ...controlsOf(keys) };
  }
}

/** Bounds with their defaults; null without humanline. */
export function humanlineOf({ humanline }: StageKeys): Humanline | null {
  if (humanline === undefined || humanline === null) return null;
  return {
    logEpsilonP: humanline.log_epsilon_p ?? DEFAULTS.humanline.logEpsilonP,
    logEpsilonR: humanline.log_epsilon_r ?? DEFAULTS.humanline.logEpsilonR,
  };
}

/** Null where the rows have labels. */
function scoreScaleOf({ score_scale: scale }: StageKeys): ScoreScale | null {
  if (scale === undefined || scale === null) return null;
  const { min, max, neutral } = scale;
  if (min === undefined || max === undefined || neutral === undefined) {
    throw new Error('score_scale is incomplete: the run file was not checked');
  }
  return { min, max, neutral };
}

/** Control tokens with their defaults. */
export function controlsOf(keys: StageKeys) {
  return {
    desirableControl: keys.desirable_control ?? DEFAULTS.desirableControl,
    undesirableControl: keys.undesirable_control ?? DEFAULTS.undesirableControl,
  };
}
