import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError, messageOf, RunError } from '../../lib/errors.js';
import { parseStrictJson } from '../../lib/safetensors/json.js';

const directory = z.string().min(1);
const schema = z.strictObject({ modelDir: directory, adapterDir: directory.nullable() });

const MAX_DEPTH = 1;

/**
 * Names the model that the node's replica is to serve, in a file that is complete or absent at any time.
 * @throws RunError where it cannot be written
 */
export function writeReferenceFile(file: string, { modelDir, adapterDir }: ReferenceModel): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify({ modelDir, adapterDir })}\n`);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new RunError(`cannot write ${file}: ${messageOf(error)}`);
  }
}

/** The model that the file names; null where there is no file yet. @throws ConfigError */
export function readReferenceFile(file: string): ReferenceModel | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new ConfigError(`cannot read ${file}: ${messageOf(error)}`);
  }
  return parseReferenceFile(bytes, file);
}

/** @throws ConfigError that names `file` */
export function parseReferenceFile(bytes: Uint8Array, file: string): ReferenceModel {
  let content: unknown;
  try {
    content = parseStrictJson(bytes, MAX_DEPTH);
  } catch (error) {
    throw new ConfigError(`${file} ${messageOf(error)}`);
  }
  const { success, data } = schema.safeParse(content);
  if (success) return data;
  throw new ConfigError(`${file} does not name a model as {"modelDir": "…", "adapterDir": "…" or null}`);
}
