import type { DpoLossType } from '../../../lib/methods/config.js';
import { logRatio, type Objective } from '../objective.js';
import { paired, type Pair, type PairTerm } from '../pair.js';
import { apoDown } from './apo-down.js';
import { apoZero } from './apo-zero.js';
import { bcoPair } from './bco-pair.js';
import { exoPair } from './exo-pair.js';
import { dpoHinge } from './hinge.js';
import { ipo } from './ipo.js';
import { ncaPair } from './nca-pair.js';
import { dpoRobust } from './robust.js';
import type { DpoSettings } from './settings.js';
import { dpoSigmoid } from './sigmoid.js';
import { sppoHard } from './sppo-hard.js';

interface Variant {
  readonly loss: (logRatios: Pair<number>, settings: DpoSettings) => PairTerm;
  /** Log-ratios are divided by the completion's length. */
  readonly perToken: boolean;
}

const whole = (loss: Variant['loss']): Variant => ({ loss, perToken: false });
const perToken = (loss: Variant['loss']): Variant => ({ loss, perToken: true });

/** Losses on r = log π(y|x) − log π_ref(y|x) of the chosen and the rejected completion, under TRL's names. */
const variants: Record<DpoLossType, Variant> = {
  sigmoid: whole(dpoSigmoid),
  /** DPO with log-ratios per token (TRL v1.16.0 trl/trainer/dpo_trainer.py L1504-1509). */
  sigmoid_norm: perToken(dpoSigmoid),
  robust: whole(dpoRobust),
  hinge: whole(dpoHinge),
  ipo: perToken(ipo),
  exo_pair: whole(exoPair),
  nca_pair: whole(ncaPair),
  bco_pair: whole(bcoPair),
  sppo_hard: whole(sppoHard),
  apo_zero: whole(apoZero),
  apo_down: whole(apoDown),
};

/** Direct Preference Optimization and its relatives; rewards are β r whatever the variant. */
export function dpo(settings: DpoSettings & { readonly lossType: DpoLossType }): Objective {
  const variant = variants[settings.lossType];
  return paired({
    needsReference: true,
    score: logRatio,
    perToken: variant.perToken,
    loss: (logRatios) => variant.loss(logRatios, settings),
    likelihoodWeight: 0,
    reward: (completion) => settings.beta * logRatio(completion),
  });
}
