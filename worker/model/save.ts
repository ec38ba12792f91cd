import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { writeSafetensors } from '../../lib/safetensors/write.js';
import { copyCompanions } from './companions.js';
import type { ModelDescription } from './description.js';
import type { StoredTensor } from './stored-tensors.js';
import { writeDirectory } from './write-directory.js';

/** What the weights are written as, by the name that `config.json` has for it. */
const DTYPE = 'float32';

const configSchema = z.looseObject({});

/**
 * Writes a Hugging Face directory in float32: `config.json`, `model.safetensors` with the tensors' names as they were read,
 * and the tokenizer's files as in the source. It appears complete at `targetDir`, in place of what was there, or not at all.
 *
 * @param valuesOf called once for each tensor, when its turn comes
 * @throws RunError if it cannot be written.
 */
export function saveModel(
  { directory: sourceDir, tensors }: ModelDescription,
  valuesOf: (tensor: StoredTensor) => Float32Array,
  targetDir: string,
): void {
  writeDirectory(targetDir, (directory) => {
    writeFileSync(join(directory, 'config.json'), configText(sourceDir));
    copyCompanions(sourceDir, directory);
    const sources = tensors.map((tensor) => ({
      name: tensor.storedAs,
      shape: tensor.shape,
      values: () => valuesOf(tensor),
    }));
    writeSafetensors(join(directory, 'model.safetensors'), sources, {
      dtype: 'F32',
      metadata: { format: 'pt' },
    });
  });
}

/**
 * The source's config, saying float32 under the key that it uses (`dtype` since transformers 5). The rest of the text stays
 * as it is: written anew, 30.0 would become 30, which `transformers` refuses where it wants a float.
 */
function configText(sourceDir: string): string {
  const text = readFileSync(join(sourceDir, 'config.json'), 'utf8');
  const config = configSchema.parse(JSON.parse(text));
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  if (config[key] === DTYPE) return text;
  if (!(key in config)) return text.replace('{', `{\n  "${key}": "${DTYPE}",`);
  const entry = new RegExp(`"${key}"\\s*:\\s*("[^"]*"|null)`, 'g');
  const edits = [...text.matchAll(entry)].map(
    ({ 0: { length }, index }) => `${text.slice(0, index)}"${key}": "${DTYPE}"${text.slice(index + length)}`,
  );
  // The same key may stand deeper as well.
  const edited = edits.find((candidate) => configSchema.parse(JSON.parse(candidate))[key] === DTYPE);
  if (edited === undefined) throw new Error(`${sourceDir}/config.json: "${key}" cannot be set`);
  return edited;
}
