import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { writeSafetensors } from '../../../lib/safetensors/write.js';
import type { FlatBuffer } from '../../parameters/flat-buffer.js';
import { writeDirectory } from '../write-directory.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type Adapter } from './adapter.js';

/**
 * Writes an adapter in PEFT's format, in float32. It appears complete at `targetDir`, in place of what was there, or not at
 * all.
 *
 * @throws RunError if it cannot be written.
 */
export function saveAdapter({ config }: Adapter, weights: FlatBuffer, targetDir: string): void {
  writeDirectory(targetDir, (directory) => {
    writeFileSync(join(directory, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
    const sources = weights.layout.tensors.map((place) => ({
      name: place.name,
      shape: place.shape,
      values: () => weights.tensor(place),
    }));
    writeSafetensors(join(directory, ADAPTER_WEIGHTS), sources, { dtype: 'F32', metadata: { format: 'pt' } });
  });
}
