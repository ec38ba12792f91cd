import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { ConfigError, messageOf } from '../errors.js';
import { SafetensorsFile } from './file.js';
import { MAX_HEADER_BYTES, type TensorInfo } from './header.js';
import { parseStrictJson } from './json.js';
import { quote } from '../text.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Index → weight_map or metadata; a metadata value may hold a list or a map itself. */
const INDEX_DEPTH = 4;

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** The weights of a model, read one tensor at a time from where they lie. */
export interface Checkpoint {
  /** By name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Fills `into` with a tensor's values in row-major order, as float32 (exact for float32, bfloat16 and float16).
   * Memory: `into`, and a few MiB.
   *
   * @param into one element per element of the tensor; may lie in shared memory
   * @throws ConfigError if there is no such tensor, if it holds no floats, or if the file cannot be read to its end.
   */
  read(name: string, into: Float32Array): void;
  /** Closes the files; nothing can be read afterwards. */
  close(): void;
}

/** Opens one safetensors file. @throws ConfigError as `openCheckpoint`. */
export function openSafetensors(path: string): Checkpoint {
  return SafetensorsFile.open(path);
}

/**
 * Opens the weights of a Hugging Face model directory: `model.safetensors`, or the shards that
 * `model.safetensors.index.json` names where there is no single file (the order in which `transformers` looks).
 * Reads the headers only; the files stay open until `close`.
 *
 * @throws ConfigError that names the file and what is wrong with it: missing, cut short, hostile or inconsistent.
 */
export function openCheckpoint(directory: string): Checkpoint {
  const single = join(directory, SINGLE);
  if (existsSync(single)) return openSafetensors(single);
  const index = join(directory, INDEX);
  if (existsSync(index)) return openShards(directory, index);
  throw new ConfigError(
    `${directory}: holds neither ${SINGLE} nor ${INDEX}; give a Hugging Face model directory saved as safetensors`,
  );
}

/** The files that `openCheckpoint` reads. @throws ConfigError where there are none, or the index cannot be read. */
export function checkpointFiles(directory: string): string[] {
  const single = join(directory, SINGLE);
  if (existsSync(single)) return [single];
  const index = join(directory, INDEX);
  const shards = new Set(readIndex(index).values());
  return [index, ...[...shards].map((name) => join(directory, name))];
}

function openShards(directory: string, index: string): Checkpoint {
  const weightMap = readIndex(index);
  const shards = new Map<string, SafetensorsFile>();
  const close = () => shards.forEach((shard) => shard.close());
  try {
    for (const name of new Set(weightMap.values())) shards.set(name, openShard(directory, name, index));
    const tensors = new Map<string, TensorInfo>();
    for (const [name, shardName] of weightMap) {
      const tensor = shards.get(shardName)!.tensors.get(name);
      if (tensor === undefined) {
        throw new ConfigError(`${index}: places ${quote(name)} in ${shardName}, which does not hold it`);
      }
      tensors.set(name, tensor);
    }
    checkAllNamed(shards.values(), tensors, index);
    return {
      tensors,
      read: (name, into) => {
        const shardName = weightMap.get(name);
        if (shardName === undefined) throw new ConfigError(`${index}: has no tensor ${quote(name)}`);
        shards.get(shardName)!.read(name, into);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Tensor → the file that holds it. */
function readIndex(path: string): Map<string, string> {
  try {
    if (!statSync(path).isFile()) throw new Error('is not a regular file');
    if (statSync(path).size > MAX_HEADER_BYTES) throw new Error(`is larger than ${MAX_HEADER_BYTES} bytes`);
    const parsed = indexSchema.safeParse(parseStrictJson(readFileSync(path), INDEX_DEPTH));
    if (!parsed.success) throw new Error('has no weight_map from tensor names to file names');
    return new Map(Object.entries(parsed.data.weight_map));
  } catch (error) {
    throw new ConfigError(`${path}: ${messageOf(error)}`);
  }
}

/** A shard lies beside its index: an index from elsewhere must not reach other files of this machine. */
function openShard(directory: string, name: string, index: string): SafetensorsFile {
  if (!/^[^/\\\0]+\.safetensors$/.test(name)) {
    throw new ConfigError(
      `${index}: names ${quote(name)}, which is not a .safetensors file of the same directory`,
    );
  }
  const path = join(directory, name);
  if (!existsSync(path)) {
    throw new ConfigError(`${path}: is missing, but ${INDEX} names it; download or copy it again`);
  }
  return SafetensorsFile.open(path);
}

/** A tensor that no index names would silently not be read. */
function checkAllNamed(
  shards: Iterable<SafetensorsFile>,
  tensors: ReadonlyMap<string, TensorInfo>,
  index: string,
): void {
  for (const shard of shards) {
    for (const name of shard.tensors.keys()) {
      if (!tensors.has(name))
        throw new ConfigError(`${index}: does not name ${quote(name)}, which ${shard.path} holds`);
    }
  }
}
