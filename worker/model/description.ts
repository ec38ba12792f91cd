import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

import { ConfigError, messageOf } from '../../lib/errors.js';
import { explainNoModel } from '../../lib/model-directory.js';
import { openCheckpoint, type Checkpoint } from '../../lib/safetensors/checkpoint.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { elementCount } from '../parameters/layout.js';
import { isTied, parametersOf, type Architecture } from './architecture.js';
import { HEAD_WEIGHT, type Blueprint, type Family } from './families/family.js';
import { readModelConfig } from './families/registry.js';
import { linear } from './linear.js';
import { findTensors, refuseOthers, type StoredTensor } from './stored-tensors.js';

/** What others need to know of a model's config. */
export interface ModelConfig {
  /** As `config.json` names it. */
  readonly architecture: string;
  readonly vocabSize: number;
  /** Tokens that a sequence may have; null where any number may. */
  readonly maxLength: number | null;
}

/** What a Hugging Face directory holds. */
export interface ModelDescription {
  readonly directory: string;
  readonly config: ModelConfig;
  readonly blueprint: Blueprint;
  /** Tokens that end a reply. */
  readonly eosTokenIds: readonly number[];
  readonly tensors: readonly StoredTensor[];
  /** The embedding's weight where the file holds it again as that of the tied head; otherwise null. */
  readonly secondCopy: StoredTensor | null;
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
  const { architecture: name, family, blueprint } = readModelConfig(json, path);
  const architecture = blueprint.build(linear);
  const { vocabSize, maxLength } = architecture;
  return {
    directory,
    config: { architecture: name, vocabSize, maxLength },
    blueprint,
    eosTokenIds: readEosTokenIds(directory, json),
    ...describeTensors(directory, name, family, architecture),
  };
}

/**
 * Reads the model's weights as float32 into their places of the flat space.
 *
 * @throws ConfigError if a file cannot be read.
 */
export function loadWeights(description: ModelDescription, into: FlatBuffer): void {
  const storedAs = new Map(description.tensors.map((tensor) => [tensor.name, tensor.storedAs]));
  const checkpoint = openCheckpoint(description.directory);
  try {
    for (const place of into.layout.tensors) checkpoint.read(storedAs.get(place.name)!, into.tensor(place));
    checkSecondCopy(description, checkpoint);
  } finally {
    checkpoint.close();
  }
}

/** @param wanted what the file is a part of, for messages */
export function readJson(path: string, wanted = 'a Hugging Face model'): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      explainNoModel(dirname(path)) ??
        `${path}: cannot be read (${messageOf(error)}); give the directory of ${wanted}`,
    );
  }
}

function describeTensors(
  directory: string,
  name: string,
  { prefix, aliases, buffers }: Family,
  architecture: Architecture,
): Pick<ModelDescription, 'tensors' | 'secondCopy'> {
  const tied = isTied(architecture) ? architecture.embedding.weight.name : null;
  const namesOf = (parameter: string): string[] => [
    parameter,
    ...(parameter.startsWith(prefix) ? [parameter.slice(prefix.length)] : []),
    ...(aliases[parameter] === undefined ? [] : [aliases[parameter]]),
    ...(parameter === tied ? namesOf(HEAD_WEIGHT) : []),
  ];
  const checkpoint = openCheckpoint(directory);
  try {
    const stored = checkpoint.tensors;
    const search = { where: directory, config: 'config.json', namesOf };
    const tensors = findTensors(stored, parametersOf(architecture), search);
    const embedding = tensors.find((tensor) => tensor.name === tied);
    const copy = namesOf(HEAD_WEIGHT).find((head) => stored.has(head) && head !== embedding?.storedAs);
    const secondCopy =
      embedding === undefined || copy === undefined ? null : { ...embedding, storedAs: copy };
    refuseOthers(stored, secondCopy === null ? tensors : [...tensors, secondCopy], {
      whole: `a ${name}`,
      where: directory,
      isAllowed: (other) => buffers.test(other),
    });
    return { tensors, secondCopy };
  } finally {
    checkpoint.close();
  }
}

/** `transformers` ties two copies only where they are equal; here the config decides, so they must be. */
function checkSecondCopy({ directory, tensors, secondCopy }: ModelDescription, checkpoint: Checkpoint): void {
  if (secondCopy === null) return;
  const first = tensors.find(({ name }) => name === secondCopy.name)!.storedAs;
  const [left, right] = [first, secondCopy.storedAs].map((name) => {
    const values = new Float32Array(elementCount(secondCopy.shape));
    checkpoint.read(name, values);
    return values;
  });
  if (left!.some((value, index) => value !== right![index])) {
    throw new ConfigError(
      `${directory}: ${first} and ${secondCopy.storedAs} differ, but config.json ties them; ` +
        'set "tie_word_embeddings" to false there to keep both',
    );
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
