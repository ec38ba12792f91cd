import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { ConfigError, messageOf } from '../../lib/errors.js';
import { openCheckpoint } from '../../lib/safetensors/checkpoint.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { TensorSpec } from '../parameters/layout.js';
import { parametersOf } from './architecture.js';
import { buildArchitecture, isRedundant, parseModelConfig, type ModelConfig } from './families.js';

/** What a Hugging Face directory holds. Plain data: it may be sent to another thread. */
export interface ModelDescription {
  readonly directory: string;
  readonly config: ModelConfig;
  /** Tokens that end a reply. */
  readonly eosTokenIds: readonly number[];
  readonly tensors: readonly TensorSpec[];
}

const tokenIds = z.union([z.int().nonnegative(), z.array(z.int().nonnegative())]).nullish();
const eosSchema = z.looseObject({ eos_token_id: tokenIds });

/**
 * Reads a model's config and the names and shapes of its tensors; loads neither weights nor TensorFlow.
 *
 * @throws ConfigError if the architecture is not supported or a tensor is missing, extra or misshapen.
 */
export function describeModel(directory: string): ModelDescription {
  const path = join(directory, 'config.json');
  const json = readJson(path);
  const config = parseModelConfig(json, path);
  const tensors = parametersOf(buildArchitecture(config));
  checkTensors(directory, config, tensors);
  return { directory, config, eosTokenIds: readEosTokenIds(directory, json), tensors };
}

/**
 * Reads the model's weights as float32 into its places of the flat space.
 *
 * @throws ConfigError if a file cannot be read.
 */
export function loadWeights(description: ModelDescription, into: FlatBuffer): void {
  const checkpoint = openCheckpoint(description.directory);
  try {
    for (const place of into.layout.tensors) checkpoint.read(place.name, into.tensor(place));
  } finally {
    checkpoint.close();
  }
}

export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      `${path}: cannot be read (${messageOf(error)}); give a Hugging Face model directory`,
    );
  }
}

function checkTensors(directory: string, config: ModelConfig, expected: readonly TensorSpec[]): void {
  const checkpoint = openCheckpoint(directory);
  try {
    for (const { name, shape } of expected) {
      const found = checkpoint.tensors.get(name);
      const wanted = `${name} ${shapeText(shape)}`;
      if (found === undefined)
        throw new ConfigError(`${directory}: tensor ${wanted} is missing from its weights`);
      if (shapeText(found.shape) !== shapeText(shape)) {
        throw new ConfigError(
          `${directory}: tensor ${name} has shape ${shapeText(found.shape)}, config.json makes it ${shapeText(shape)}`,
        );
      }
    }
    const names = new Set(expected.map(({ name }) => name));
    for (const { name, shape } of checkpoint.tensors.values()) {
      if (!names.has(name) && !isRedundant(name, config)) {
        throw new ConfigError(
          `${directory}: tensor ${name} ${shapeText(shape)} is no part of a ${config.architecture}`,
        );
      }
    }
  } finally {
    checkpoint.close();
  }
}

/** `generation_config.json` decides where it names them, as in `transformers`. */
function readEosTokenIds(directory: string, config: unknown): number[] {
  const path = join(directory, 'generation_config.json');
  const sources = existsSync(path) ? [readJson(path), config] : [config];
  for (const source of sources) {
    const { data } = eosSchema.safeParse(source);
    const ids = data?.eos_token_id ?? undefined;
    if (ids !== undefined) return [ids].flat();
  }
  return [];
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
