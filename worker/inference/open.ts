import { describeModel, loadWeights, type ModelDescription } from '../model/description.js';
import { LanguageModel, type BoundWeights } from '../model/language-model.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut } from '../parameters/layout.js';
import { configureThreads } from '../tensorflow/environment.js';
import { loadTensorFlow } from '../tensorflow/load.js';
import { allocateShared } from '../tensorflow/shared-memory.js';

/** A model with its weights, for reading only. */
export interface InferenceModel {
  readonly description: ModelDescription;
  readonly model: LanguageModel;
  readonly weights: BoundWeights;
}

/**
 * Loads a Hugging Face directory. Call it on the main thread, before anything else uses TensorFlow.
 *
 * @throws ConfigError if the directory does not hold a supported model, or TensorFlow is not set up.
 */
export function openForInference(directory: string, threads: number): InferenceModel {
  const description = describeModel(directory);
  configureThreads(threads);
  loadTensorFlow();
  const layout = layOut(description.tensors);
  const memory = layout.segments.map(({ start, end }) =>
    allocateShared((end - start) * Float32Array.BYTES_PER_ELEMENT),
  );
  const buffer = FlatBuffer.wrap(layout, memory);
  loadWeights(description, buffer);
  const model = new LanguageModel(description, layout);
  return { description, model, weights: model.bind(buffer) };
}
