import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

import { RunError } from '../../lib/errors.js';
import { writeSafetensors } from '../../lib/safetensors/write.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { readJson, type ModelDescription } from './description.js';

/** Copied as they are, where the source has them. */
const COMPANIONS = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
];

const configSchema = z.looseObject({});

/**
 * Writes a Hugging Face directory with the given weights, in float32: `config.json`, `model.safetensors`, and the
 * tokenizer's files as in `sourceDir`. It appears complete at `targetDir`, in place of what was there, or not at all.
 *
 * @throws RunError if it cannot be written.
 */
export function saveModel(
  description: ModelDescription,
  sourceDir: string,
  weights: FlatBuffer,
  targetDir: string,
): void {
  try {
    const temporary = siblingOf(targetDir, 'tmp');
    mkdirSync(temporary, { recursive: true });
    try {
      writeFileSync(join(temporary, 'config.json'), configText(sourceDir));
      for (const name of COMPANIONS) {
        if (existsSync(join(sourceDir, name))) copyFileSync(join(sourceDir, name), join(temporary, name));
      }
      writeWeights(description, weights, join(temporary, 'model.safetensors'));
      moveInto(targetDir, temporary);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  } catch (error) {
    throw isSystemError(error)
      ? new RunError(`${targetDir}: the model cannot be written (${error.message})`)
      : error;
  }
}

/** A hidden name beside `path`, on the same file system. */
function siblingOf(path: string, suffix: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${suffix}`);
}

/** Renames `complete` to `target`; what was there goes once the new one stands. */
function moveInto(target: string, complete: string): void {
  if (!existsSync(target)) {
    renameSync(complete, target);
    return;
  }
  const replaced = siblingOf(target, 'old');
  renameSync(target, replaced);
  try {
    renameSync(complete, target);
  } catch (error) {
    renameSync(replaced, target);
    throw error;
  }
  rmSync(replaced, { recursive: true, force: true });
}

function writeWeights(description: ModelDescription, weights: FlatBuffer, path: string): void {
  const places = new Map(weights.layout.tensors.map((place) => [place.name, place]));
  const sources = description.tensors.map(({ name, shape }) => ({
    name,
    shape,
    values: () => weights.tensor(places.get(name)!),
  }));
  writeSafetensors(path, sources, { dtype: 'F32', metadata: { format: 'pt' } });
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

/** The source's config, saying float32 under the key that it uses (`dtype` since transformers 5). */
function configText(sourceDir: string): string {
  const config = configSchema.parse(readJson(join(sourceDir, 'config.json')));
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  return `${JSON.stringify({ ...config, [key]: 'float32' }, null, 2)}\n`;
}
