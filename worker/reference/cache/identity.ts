import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { ReferenceModel } from '../../../lib/config/reference-model.js';
import { checkpointFiles } from '../../../lib/safetensors/checkpoint.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../../model/adapter/adapter.js';
import type { Fingerprint } from '../../tensorflow/environment.js';
import { fileDigest } from './file-digests.js';
import type { SharedFiles } from './shared-files.js';

/** The compiled program: `worker/`, which computes, and `lib/`, which reads the weights. */
const PROGRAM = join(import.meta.dirname, '../../..');
const PROGRAM_PARTS = ['lib', 'worker'];

export interface Machine {
  readonly fingerprint: Fingerprint;
  /** Of TensorFlow (`tensorFlowBuild`). */
  readonly build: string;
}

/**
 * What decides an answer's bits besides the leaf itself, as one SHA-256 in hex: the content of the model's and the
 * adapter's files, the program, TensorFlow's build, the device and the threads.
 */
export async function identityOf(
  { modelDir, adapterDir }: ReferenceModel,
  machine: Machine,
  files: SharedFiles,
): Promise<string> {
  const paths = [join(modelDir, 'config.json'), ...checkpointFiles(modelDir)];
  if (adapterDir !== null) paths.push(join(adapterDir, ADAPTER_CONFIG), join(adapterDir, ADAPTER_WEIGHTS));
  const contents: [string, string][] = [];
  for (const path of paths) contents.push([basename(path), await fileDigest(path, files)]);
  const ingredients = [contents, await programDigest(), machine.build, machine.fingerprint];
  return createHash('sha256').update(JSON.stringify(ingredients)).digest('hex');
}

async function programDigest(): Promise<string> {
  const hash = createHash('sha256');
  for (const part of PROGRAM_PARTS) {
    const names = await readdir(join(PROGRAM, part), { recursive: true });
    for (const name of names.filter((file) => file.endsWith('.js')).sort()) {
      hash.update(JSON.stringify([part, name, await readFile(join(PROGRAM, part, name), 'utf8')]));
    }
  }
  return hash.digest('hex');
}
