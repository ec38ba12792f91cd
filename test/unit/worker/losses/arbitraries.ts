import fc from 'fast-check';
import { dpoLossTypes } from '../../../../lib/methods/config.js';
import type { KtoSettings } from '../../../../worker/losses/kto.js';
import { methods } from '../../../../worker/losses/methods.js';
import type { Objective, ScoredCompletion } from '../../../../worker/losses/objective.js';
import type { ScoreScale } from '../../../../lib/methods/config.js';

/** Numbers as settings and log-probs are: no denormals, whose products round to 0. */
export const between = (min: number, max: number) =>
  fc.double({ min, max, noNaN: true }).map((value) => Number(value.toFixed(6)));

export const ktoSettings: fc.Arbitrary<KtoSettings> = fc.record({
  beta: between(0.01, 1),
  desirableWeight: between(0.1, 4),
  undesirableWeight: between(0.1, 4),
});

/** Neutral lies on an end of the scale, or between. */
export const scoreScale: fc.Arbitrary<ScoreScale> = fc
  .record({ min: between(-10, 10), width: between(0.1, 20), at: fc.constantFrom(0, 0.25, 0.5, 0.9, 1) })
  .map(({ min, width, at }) => {
    const max = min + width;
    return { min, max, neutral: at === 1 ? max : min + at * width };
  });

const humanline = fc.record({ logEpsilonP: between(-2, -0.1), logEpsilonR: between(0.1, 2) });

/** Every method and variant, with settings from the whole of their range. */
export const objectives: Readonly<Record<string, fc.Arbitrary<Objective>>> = {
  ...Object.fromEntries(
    dpoLossTypes.map((lossType) => [
      `dpo ${lossType}`,
      fc
        .record({ beta: between(0.01, 1), labelSmoothing: between(0.01, 0.4) })
        .map((settings) => methods.dpo({ ...settings, lossType })),
    ]),
  ),
  cpo: fc
    .record({ beta: between(0.01, 1), labelSmoothing: between(0, 0.4), cpoAlpha: between(0, 2) })
    .map(methods.cpo),
  simpo: fc.record({ beta: between(0.5, 10), simpoGamma: between(0, 3) }).map(methods.simpo),
  orpo: fc.record({ beta: between(0.01, 1) }).map(methods.orpo),
  slic: fc.record({ beta: between(0.1, 10), lambdaCoef: between(0, 1) }).map(methods.slic),
  kto: ktoSettings.map((settings) =>
    methods.kto({ ...settings, z0Denominator: 'all', humanline: null, scoreScale: null }),
  ),
  'kto humanline': fc
    .tuple(ktoSettings, humanline)
    .map(([settings, clamp]) =>
      methods.kto({ ...settings, z0Denominator: 'nonzero', humanline: clamp, scoreScale: null }),
    ),
  'kto scores': fc.tuple(ktoSettings, between(1, 5)).map(([settings, neutral]) =>
    methods.kto({
      ...settings,
      z0Denominator: 'all',
      humanline: null,
      scoreScale: { min: 1, max: 5, neutral },
    }),
  ),
  apo_zero_unpaired: ktoSettings.map(methods.apo_zero_unpaired),
  ppo_clip: fc
    .record({
      clipRange: between(0.1, 0.8),
      gamma: between(0.8, 1),
      lam: between(0.8, 1),
      klCoef: between(0, 0.5),
      criticCoef: fc.oneof(fc.constant(0), between(0.01, 1)),
    })
    .map(methods.ppo_clip),
  sft: fc.constant(undefined).map(methods.sft),
};

const token = fc.record({
  logp: between(-6, -0.05),
  referenceLogp: between(-6, -0.05),
  value: between(-1, 1),
  oldValue: between(-1, 1),
});

/** A completion with everything that any method asks for. */
export const scoredCompletion: fc.Arbitrary<ScoredCompletion> = fc
  .record({
    tokens: fc.array(token, { minLength: 1, maxLength: 6 }),
    desirable: fc.boolean(),
    score: between(1, 5),
  })
  .map(({ tokens, desirable, score }) =>
    withTokens({
      length: tokens.length,
      desirable,
      score,
      tokens: {
        logps: tokens.map(({ logp }) => logp),
        referenceLogps: tokens.map(({ referenceLogp }) => referenceLogp),
      },
      critic: {
        values: tokens.map(({ value }) => value),
        oldValues: tokens.map(({ oldValue }) => oldValue),
      },
    }),
  );

type WithTokens = Omit<ScoredCompletion, 'logp' | 'referenceLogp'> & {
  readonly tokens: NonNullable<ScoredCompletion['tokens']>;
};

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

/** The sums follow from the tokens. */
export function withTokens(completion: WithTokens): ScoredCompletion {
  const { logps, referenceLogps } = completion.tokens;
  return { ...completion, logp: sum(logps), referenceLogp: sum(referenceLogps) };
}
