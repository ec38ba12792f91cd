import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { writeSafetensors } from '../../../lib/safetensors/write.js';
import type { FlatBuffer } from '../../parameters/flat-buffer.js';
import { layOut } from '../../parameters/layout.js';
import { copyCompanions } from '../companions.js';
import { writeDirectory } from '../write-directory.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, tensorsOf, type Adapter } from './adapter.js';

/**
 * Writes an adapter in PEFT's format, in float32, with the tokenizer of the model that it belongs to, which it names. It appears complete at `targetDir`, in place of what was there, or not at
 * all.
 *
 * @throws RunError if it cannot be written.
 */
export function saveAdapter(
  adapter: Adapter,
  weights: FlatBuffer,
  { baseDir, targetDir }: { readonly baseDir: string; readonly targetDir: string },
): void {
  writeDirectory(targetDir, (directory) => {
    writeFileSync(
      join(directory, ADAPTER_CONFIG),
      `${JSON.stringify({ ...adapter.config, base_model_name_or_path: baseDir }, null, 2)}\n`,
    );
    copyCompanions(baseDir, directory);
    const sources = layOut(tensorsOf(adapter)).tensors.map(({ name, shape }) => ({
      name,
      shape,
      values: () => weights.named(name),
    }));
    writeSafetensors(join(directory, ADAPTER_WEIGHTS), sources, { dtype: 'F32', metadata: { format: 'pt' } });
  });
}
