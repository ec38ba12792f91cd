import { baseOfAdapter } from '../model/adapter/adapter.js';
import { loadModel, type LoadedModel } from '../model/load.js';
import { configureThreads } from '../tensorflow/environment.js';

/** A model with its weights, for reading only. */
export type InferenceModel = Pick<LoadedModel, 'description' | 'model' | 'weights'>;

/**
 * Loads a Hugging Face directory, or an adapter in PEFT's format upon the model that it names. Call it on the main thread,
 * before anything else uses TensorFlow.
 *
 * @throws ConfigError if the directory does not hold a supported model, the adapter does not fit it, or TensorFlow is not
 * set up.
 */
export function openForInference(directory: string, threads: number): InferenceModel {
  configureThreads(threads);
  const base = baseOfAdapter(directory);
  return base === null ? loadModel(directory) : loadModel(base, { directory });
}
