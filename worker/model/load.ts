import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut, type ParameterLayout } from '../parameters/layout.js';
import { buildAdapted, freshAdapter, loadAdapter, type LoraSettings } from './adapter/adapter.js';
import { saveAdapter } from './adapter/save.js';
import { BoundWeights } from './bound-weights.js';
import { describeModel, loadWeights, type ModelDescription } from './description.js';
import { LanguageModel } from './language-model.js';
import { linear } from './linear.js';
import { saveModel } from './save.js';

/** A model directory in memory, ready to compute. */
export interface LoadedModel {
  readonly description: ModelDescription;
  /** The parameters that are trained: all of the model's, or those of its adapter. */
  readonly layout: ParameterLayout;
  readonly model: LanguageModel;
  /** Their weights in shared memory, and TensorFlow's view of them. */
  readonly buffer: FlatBuffer;
  readonly weights: BoundWeights;
  /**
   * Writes weights over `layout` as a directory of their own: a Hugging Face model, or a PEFT adapter.
   *
   * @throws RunError if it cannot be written
   */
  save(weights: FlatBuffer, targetDir: string): void;
}

/** An adapter beside the model, which is frozen then. */
export type AdapterSource =
  | { readonly fresh: LoraSettings; readonly seed: number }
  /** In PEFT's format. */
  | { readonly directory: string };

/**
 * Loads a Hugging Face directory.
 *
 * @throws ConfigError if it does not hold a supported model, or the adapter does not fit it
 */
export function loadModel(directory: string, adapter: AdapterSource | null = null): LoadedModel {
  const description = describeModel(directory);
  return adapter === null ? loadWhole(description) : loadAdapted(description, adapter);
}

function loadWhole(description: ModelDescription): LoadedModel {
  const buffer = loadBase(description);
  const { layout } = buffer;
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

function loadAdapted(description: ModelDescription, source: AdapterSource): LoadedModel {
  const { adapter, buffer } =
    'fresh' in source
      ? freshAdapter(description, source.fresh, source.seed)
      : loadAdapter(description, source.directory);
  const { layout } = buffer;
  const frozen = new BoundWeights(loadBase(description));
  const model = new LanguageModel(buildAdapted(description, adapter), layout, frozen);
  return {
    description,
    layout,
    model,
    buffer,
    weights: model.bind(buffer),
    save: (weights, targetDir) =>
      saveAdapter(adapter, weights, { baseDir: description.directory, targetDir }),
  };
}

function loadBase(description: ModelDescription): FlatBuffer {
  const buffer = FlatBuffer.allocate(layOut(description.tensors));
  loadWeights(description, buffer);
  return buffer;
}
