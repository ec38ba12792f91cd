import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

import { ConfigError } from '../../../lib/errors.js';
import { openSafetensors, type Checkpoint } from '../../../lib/safetensors/checkpoint.js';
import { FlatBuffer } from '../../parameters/flat-buffer.js';
import { layOut, type TensorSpec } from '../../parameters/layout.js';
import type { Architecture } from '../architecture.js';
import { readJson, type ModelDescription } from '../description.js';
import type { LinearSpec } from '../linear.js';
import { findTensors, refuseOthers } from '../stored-tensors.js';
import { loraLinears, loraTensors, type LoraShape } from './lora-linear.js';
import { readPeftConfig } from './peft-config.js';
import { shortNames, targetedLayers } from './targets.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** How a run file describes a new adapter; without dropout. */
export interface LoraSettings {
  readonly r: number;
  /** The update is multiplied by alpha / r. */
  readonly alpha: number;
  /** Names of layers, such as `q_proj`; or all linear layers but the head. */
  readonly targetModules: readonly string[] | 'all-linear';
}

/** A LoRA adapter on a model: which layers, and how PEFT describes it. */
export interface Adapter extends LoraShape {
  readonly layers: readonly LinearSpec[];
  /** PEFT's `adapter_config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** An adapter and its weights. */
export interface LoadedAdapter {
  readonly adapter: Adapter;
  readonly buffer: FlatBuffer;
}

/** A new adapter, without weights. @throws ConfigError if one of the target modules is no linear layer of the model */
export function newAdapter(
  { directory, blueprint }: ModelDescription,
  { r, alpha, targetModules }: LoraSettings,
): Adapter {
  const layers = targetedLayers(blueprint, targetModules);
  const config = {
    base_model_name_or_path: directory,
    bias: 'none',
    fan_in_fan_out: layers.some(({ storage }) => storage === 'inputs-first'),
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: 0,
    peft_type: 'LORA',
    r,
    target_modules: targetModules === 'all-linear' ? shortNames(layers) : targetModules,
    task_type: 'CAUSAL_LM',
  };
  return { r, scale: alpha / r, layers, config };
}

/**
 * A new adapter that changes nothing yet. It begins as in PEFT, A uniform within ±1/√inputs (Kaiming's with a = √5) and B
 * zero, drawn from `seed` in the order of the tensors' names.
 *
 * @throws ConfigError as `newAdapter`
 */
export function freshAdapter(
  description: ModelDescription,
  settings: LoraSettings,
  seed: number,
): LoadedAdapter {
  const adapter = newAdapter(description, settings);
  const { r, layers } = adapter;
  const buffer = FlatBuffer.allocate(layOut(tensorsOf(adapter)));
  const generator = xoroshiro128plus(seed);
  const bounds = new Map(layers.map((layer) => [loraTensors(layer, r).a.name, 1 / Math.sqrt(layer.inputs)]));
  for (const place of buffer.layout.tensors) {
    const bound = bounds.get(place.name);
    if (bound === undefined) continue;
    const values = buffer.tensor(place);
    for (let i = 0; i < values.length; i++) values[i] = (2 * uniformFloat64(generator) - 1) * bound;
  }
  return { adapter, buffer };
}

/**
 * Reads an adapter in PEFT's format.
 *
 * @throws ConfigError if it is not LoRA, uses what is not supported, or does not fit the model.
 */
export function loadAdapter(description: ModelDescription, directory: string): LoadedAdapter {
  return withAdapter(description, directory, (adapter, file) => {
    const buffer = FlatBuffer.allocate(layOut(tensorsOf(adapter)));
    for (const place of buffer.layout.tensors) file.read(place.name, buffer.tensor(place));
    return { adapter, buffer };
  });
}

/** The same without its weights. @throws ConfigError as `loadAdapter` */
export function describeAdapter(description: ModelDescription, directory: string): Adapter {
  return withAdapter(description, directory, (adapter) => adapter);
}

/** Checks an adapter's files against its model; `use` may read the weights. */
function withAdapter<T>(
  { blueprint }: ModelDescription,
  directory: string,
  use: (adapter: Adapter, weights: Checkpoint) => T,
): T {
  const configPath = join(directory, ADAPTER_CONFIG);
  const { r, scale, targets, json } = readPeftConfig(readJson(configPath, 'a PEFT adapter'), configPath);
  const adapter = { r, scale, layers: targetedLayers(blueprint, targets), config: json };
  const weightsPath = join(directory, ADAPTER_WEIGHTS);
  const file = openSafetensors(weightsPath);
  try {
    const search = { where: weightsPath, config: `${ADAPTER_CONFIG} with this model` };
    const found = findTensors(file.tensors, tensorsOf(adapter), { ...search, namesOf: (name) => [name] });
    refuseOthers(file.tensors, found, {
      whole: 'this adapter',
      where: weightsPath,
      isAllowed: () => false,
    });
    return use(adapter, file);
  } finally {
    file.close();
  }
}

/**
 * The model directory that an adapter in PEFT's format says it belongs to; null for a directory without an adapter.
 *
 * @throws ConfigError if the adapter names no directory that is there
 */
export function baseOfAdapter(directory: string): string | null {
  const configPath = join(directory, ADAPTER_CONFIG);
  if (!existsSync(configPath)) return null;
  const { json } = readPeftConfig(readJson(configPath, 'a PEFT adapter'), configPath);
  const base = json['base_model_name_or_path'];
  if (typeof base === 'string' && existsSync(base)) return base;
  throw new ConfigError(
    `${configPath}: base_model_name_or_path ${JSON.stringify(base)} is no directory here; write the model's directory there`,
  );
}

export function tensorsOf({ layers, r }: Adapter): TensorSpec[] {
  return layers.flatMap((layer) => Object.values(loraTensors(layer, r)));
}

/** The model's modules with the adapter beside its layers. */
export function buildAdapted({ blueprint }: ModelDescription, { layers, ...shape }: Adapter): Architecture {
  return blueprint.build(loraLinears(new Set(layers.map(({ name }) => name)), shape));
}
