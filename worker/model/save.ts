import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { writeSafetensors } from '../../lib/safetensors/write.js';
import { copyCompanions } from './companions.js';
import { readJson, type ModelDescription } from './description.js';
import type { StoredTensor } from './stored-tensors.js';
import { writeDirectory } from './write-directory.js';

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

/** The source's config, saying float32 under the key that it uses (`dtype` since transformers 5). */
function configText(sourceDir: string): string {
  const config = configSchema.parse(readJson(join(sourceDir, 'config.json')));
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  return `${JSON.stringify({ ...config, [key]: 'float32' }, null, 2)}\n`;
}
