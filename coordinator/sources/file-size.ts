import { stat } from 'node:fs/promises';
import { hasCode } from '../../lib/errors.js';

/** Bytes; 0 where there is no such file. */
export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}
