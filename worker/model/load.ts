import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut, type ParameterLayout } from '../parameters/layout.js';
import { describeModel, loadWeights, type ModelDescription } from './description.js';
import { LanguageModel, type BoundWeights } from './language-model.js';

/** A model directory in memory, ready to compute. */
export interface LoadedModel {
  readonly description: ModelDescription;
  readonly layout: ParameterLayout;
  readonly model: LanguageModel;
  /** The weights in shared memory, and TensorFlow's view of them. */
  readonly buffer: FlatBuffer;
  readonly weights: BoundWeights;
}

/** Loads a Hugging Face directory. @throws ConfigError if it does not hold a supported model */
export function loadModel(directory: string): LoadedModel {
  const description = describeModel(directory);
  const layout = layOut(description.tensors);
  const buffer = FlatBuffer.allocate(layout);
  loadWeights(description, buffer);
  const model = new LanguageModel(description, layout);
  return { description, layout, model, buffer, weights: model.bind(buffer) };
}
