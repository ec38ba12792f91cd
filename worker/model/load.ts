import { dirname, join } from 'node:path';

import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut, type ParameterLayout, type TensorSpec } from '../parameters/layout.js';
import { buildAdapted, freshAdapter, loadAdapter, type LoraSettings } from './adapter/adapter.js';
import { saveAdapter } from './adapter/save.js';
import type { Architecture } from './architecture.js';
import { BoundWeights } from './bound-weights.js';
import { Critic, criticTensors } from './critic.js';
import { describeModel, loadWeights, type ModelDescription } from './description.js';
import { LanguageModel } from './language-model.js';
import { linear } from './linear.js';
import { saveModel } from './save.js';

const VALUE_HEAD = 'value_head.safetensors';

/** A model directory in memory, ready to compute. */
export interface LoadedModel {
  readonly description: ModelDescription;
  /** The parameters that are trained: all of the model's, or those of its adapter. */
  readonly layout: ParameterLayout;
  readonly model: LanguageModel;
  /** Reads the model's states, and is trained with it; null where none was asked for. */
  readonly critic: Critic | null;
  /** Their weights in shared memory, and TensorFlow's view of them. */
  readonly buffer: FlatBuffer;
  readonly weights: BoundWeights;
  /**
   * Writes weights over `layout` as a directory of their own: a Hugging Face model, or a PEFT adapter. The critic's go into
   * a file beside it.
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
 * @param options.withCritic train a new critic with it
 * @throws ConfigError if it does not hold a supported model, or the adapter does not fit it
 */
export function loadModel(
  directory: string,
  adapter: AdapterSource | null = null,
  { withCritic = false }: { readonly withCritic?: boolean } = {},
): LoadedModel {
  const description = describeModel(directory);
  const policy = adapter === null ? wholeModel(description) : adaptedModel(description, adapter);
  return { description, ...(withCritic ? besideCritic(policy) : alone(policy)) };
}

/** A model with what of it is trained, before it is put together. */
interface Policy {
  readonly architecture: Architecture;
  readonly buffer: FlatBuffer;
  readonly frozen: BoundWeights | null;
  readonly save: LoadedModel['save'];
}

function wholeModel(description: ModelDescription): Policy {
  return {
    architecture: description.blueprint.build(linear),
    buffer: loadBase(description),
    frozen: null,
    save: (weights, targetDir) => saveModel(description, ({ name }) => weights.named(name), targetDir),
  };
}

function adaptedModel(description: ModelDescription, source: AdapterSource): Policy {
  const { adapter, buffer } =
    'fresh' in source
      ? freshAdapter(description, source.fresh, source.seed)
      : loadAdapter(description, source.directory);
  return {
    architecture: buildAdapted(description, adapter),
    buffer,
    frozen: BoundWeights.over(loadBase(description)),
    save: (weights, targetDir) =>
      saveAdapter(adapter, weights, { baseDir: description.directory, targetDir }),
  };
}

function loadBase(description: ModelDescription): FlatBuffer {
  const buffer = FlatBuffer.allocate(layOut(description.tensors));
  loadWeights(description, buffer);
  return buffer;
}

type Assembled = Omit<LoadedModel, 'description'>;

function alone({ architecture, buffer, frozen, save }: Policy): Assembled {
  const { layout } = buffer;
  const model = new LanguageModel(architecture, layout, frozen);
  return { layout, model, critic: null, buffer, weights: model.bind(buffer), save };
}

function besideCritic({ architecture, buffer: ofPolicy, frozen, save }: Policy): Assembled {
  const hiddenSize = architecture.head.weight.shape[1]!;
  const buffer = withRoomFor(criticTensors(hiddenSize), ofPolicy);
  const { layout } = buffer;
  const critic = new Critic(layout.tensors);
  const tensors = layout.tensors.filter((place) => !critic.owns(place));
  const model = new LanguageModel(architecture, { tensors }, frozen);
  return {
    layout,
    model,
    critic,
    buffer,
    weights: model.bind(buffer),
    save(weights, targetDir) {
      save(weights, targetDir);
      // Not inside: tools that read every safetensors file of a model's directory would stumble over it.
      critic.save(weights, join(dirname(targetDir), VALUE_HEAD));
    },
  };
}

/** The same values in a space with further tensors, which are zero. */
function withRoomFor(further: readonly TensorSpec[], buffer: FlatBuffer): FlatBuffer {
  const { tensors } = buffer.layout;
  const larger = FlatBuffer.allocate(layOut([...tensors, ...further]));
  for (const place of tensors) larger.named(place.name).set(buffer.tensor(place));
  return larger;
}
