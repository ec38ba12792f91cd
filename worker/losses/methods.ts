import type { MethodConfig } from '../../lib/methods/config.js';
import { apoZeroUnpaired } from './apo-zero-unpaired.js';
import { cpo } from './cpo.js';
import { dpo } from './dpo/dpo.js';
import { kto } from './kto.js';
import type { Objective } from './objective.js';
import { orpo } from './orpo.js';
import { ppoClip } from './ppo-clip.js';
import { sft } from './sft.js';
import { simpo } from './simpo.js';
import { slic } from './slic.js';

/** Every training method, under the name it has in a run file, made from its settings. */
export const methods = {
  dpo,
  cpo,
  simpo,
  orpo,
  slic,
  kto,
  apo_zero_unpaired: apoZeroUnpaired,
  ppo_clip: ppoClip,
  sft,
  csft: sft,
};

/** The objective of a stage whose class weights are known. */
export function objectiveOf(config: MethodConfig<number>): Objective {
  // Each method's own settings are its part of the union: the name picks both.
  const make = methods[config.method] as (settings: MethodConfig<number>) => Objective;
  return make(config);
}
