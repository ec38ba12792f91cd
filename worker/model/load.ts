import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut, type ParameterLayout } from '../parameters/layout.js';
import { describeModel, loadWeights, type ModelDescription } from './description.js';
import { LanguageModel, type BoundWeights } from './language-model.js';
import { linear } from './linear.js';
import { saveModel } from './save.js';

/** A model directory in memory, ready to compute. */
export interface LoadedModel {
  readonly description: ModelDescription;
  /** The parameters that are trained. */
  readonly layout: ParameterLayout;
  readonly model: LanguageModel;
  /** Their weights in shared memory, and TensorFlow's view of them. */
  readonly buffer: FlatBuffer;
  readonly weights: BoundWeights;
  /** Writes a Hugging Face directory with weights over `layout`. @throws RunError if it cannot be written */
  save(weights: FlatBuffer, targetDir: string): void;
}

/** Loads a Hugging Face directory. @throws ConfigError if it does not hold a supported model */
export function loadModel(directory: string): LoadedModel {
  const description = describeModel(directory);
  const layout = layOut(description.tensors);
  const buffer = FlatBuffer.allocate(layout);
  loadWeights(description, buffer);
  const model = new LanguageModel(description.blueprint.build(linear), layout);
  return {
    description,
    layout,
    model,
    buffer,
    weights: model.bind(buffer),
    save: (weights, targetDir) => saveModel(description, ({ name }) => weights.named(name), targetDir),
  };
}
