import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { FinishedPart } from '../../../../coordinator/checkpoints/checkpoint-store.js';

const ELEMENTS = 100;

/** Writes parts of any bytes, as the members of a generation would, and reports them. */
export async function writeParts(
  begun: string,
  count: number,
  bytesOf = (rank: number) => Buffer.alloc(1000, rank),
): Promise<FinishedPart[]> {
  const edge = (rank: number) => Math.floor((ELEMENTS * rank) / count);
  return Promise.all(
    Array.from({ length: count }, async (_, rank) => {
      const file = `part-${rank}-of-${count}.safetensors`;
      const bytes = bytesOf(rank);
      await writeFile(join(begun, file), bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return {
        file,
        start: edge(rank),
        end: edge(rank + 1),
        size: ELEMENTS,
        bytes: bytes.length,
        sha256,
      };
    }),
  );
}
