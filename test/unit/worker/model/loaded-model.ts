import { describeModel, loadWeights, type ModelDescription } from '../../../../worker/model/description.js';
import { LanguageModel, type BoundWeights } from '../../../../worker/model/language-model.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { layOut, type ParameterLayout } from '../../../../worker/parameters/layout.js';
import { allocateShared } from '../../../../worker/tensorflow/shared-memory.js';

/** A model with its weights, as a worker holds it. */
export interface LoadedModel {
  readonly description: ModelDescription;
  readonly layout: ParameterLayout;
  readonly buffer: FlatBuffer;
  readonly model: LanguageModel;
  readonly weights: BoundWeights;
}

/** A buffer that TensorFlow can use in place. */
export function allocateFlat(layout: ParameterLayout): FlatBuffer {
  const memory = layout.segments.map(({ start, end }) => allocateShared((end - start) * 4));
  return FlatBuffer.wrap(layout, memory);
}

export function loadModel(directory: string): LoadedModel {
  const description = describeModel(directory);
  const layout = layOut(description.tensors);
  const buffer = allocateFlat(layout);
  loadWeights(description, buffer);
  const model = new LanguageModel(description, layout);
  return { description, layout, buffer, model, weights: model.bind(buffer) };
}
