import type { StageConfig } from '../../lib/config/types.js';
import { activationBytes } from '../model/activation-budget.js';
import type { Architecture } from '../model/architecture.js';
import { parametersOf } from '../model/architecture.js';
import { BoundWeights } from '../model/bound-weights.js';
import { LanguageModel, type Sequence } from '../model/language-model.js';
import type { ParameterLayout } from '../parameters/layout.js';
import { Dtype } from '../tensorflow/binding.js';
import { withBinding } from '../tensorflow/load.js';
import { scope, Tensor } from '../tensorflow/tensor.js';
import { ShapeBinding } from './shape-binding.js';

/** A model as a pass through it sees it. */
export interface PassedModel {
  readonly architecture: Architecture;
  /** The parameters that gradients are computed of. */
  readonly layout: Pick<ParameterLayout, 'tensors'>;
}

/** Whether a micro-batch's prompts are computed once for other completions too: of the same lengths, as far as is known here. */
type Sharing = Pick<StageConfig, 'sharePrompts'>;

/**
 * The most that activations, gradients on their way and all other tensors but the weights take at a time, in bytes, while
 * one micro-batch goes forward and backward. Nothing is computed: the model's own modules run over shapes.
 */
export function trainingBytes(
  model: PassedModel,
  sequences: readonly Sequence[],
  { sharePrompts, activationMemoryGib }: Sharing & Pick<StageConfig, 'activationMemoryGib'>,
): number {
  const options = {
    branches: sharePrompts ? sequences : [],
    activationBytes: activationBytes(activationMemoryGib),
  };
  return peakOf(model, (languageModel, weights) => {
    const forward = languageModel.hold(weights, sequences, options);
    // The next micro-batch's prompts, while this one waits for z0.
    if (sharePrompts) languageModel.branchedLogps(weights, sequences, sequences);
    forward.backward(() => sequences.map(() => 0), { add: () => undefined });
    forward.dispose();
  });
}

/** The same for a micro-batch that is only scored. */
export function scoringBytes(
  model: PassedModel,
  sequences: readonly Sequence[],
  { sharePrompts }: Sharing,
): number {
  return peakOf(model, (languageModel, weights) => {
    if (sharePrompts) languageModel.branchedLogps(weights, sequences, sequences);
    else languageModel.tokenLogps(weights, sequences);
  });
}

function peakOf(
  { architecture, layout }: PassedModel,
  pass: (model: LanguageModel, weights: BoundWeights) => void,
): number {
  const binding = new ShapeBinding();
  withBinding(binding, () => {
    const tensors = parametersOf(architecture).map(({ name, shape }): [string, Tensor] => [
      name,
      new Tensor(binding.external(shape), shape, Dtype.float32),
    ]);
    scope(() => pass(new LanguageModel(architecture, layout), new BoundWeights(new Map(tensors))));
  });
  return binding.peakBytes;
}
