import { loadModel, type AdapterSource, type LoadedModel } from '../model/load.js';
import { configureThreads } from '../tensorflow/environment.js';

/** A model with its weights, for reading only. */
export type InferenceModel = Pick<LoadedModel, 'description' | 'model' | 'weights'>;

/**
 * Loads a Hugging Face directory. Call it on the main thread, before anything else uses TensorFlow.
 *
 * @throws ConfigError if the directory does not hold a supported model, the adapter does not fit it, or TensorFlow is not
 * set up.
 */
export function openForInference(
  directory: string,
  threads: number,
  adapter: AdapterSource | null = null,
): InferenceModel {
  configureThreads(threads);
  return loadModel(directory, adapter);
}
