import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { readReferenceFile } from './reference-file.js';

/** Reading a file of a line costs nothing, and no file system fails to show it. */
const LOOK_EVERY_MS = 200;

/**
 * The models that a file names, one after the other, until the signal: the file may come later, and change at any time.
 * What it named while the caller was busy with a model is skipped.
 *
 * @throws ConfigError where the file is not one of ours
 */
export async function* followReferenceFile(
  file: string,
  signal: AbortSignal,
): AsyncGenerator<ReferenceModel, void> {
  for (let last: ReferenceModel | null = null; !signal.aborted;) {
    const model = readReferenceFile(file);
    if (model !== null && !isDeepStrictEqual(model, last)) yield (last = model);
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
