import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { BindingSources } from './binding.js';
import { compilerFlags } from './compile.js';
import { tensorFlowVersion, type Build } from './pins.js';

/**
 * The library's directory, named by everything that its content follows from. Outside `node_modules`, which `npm ci`
 * deletes.
 *
 * @param root the cache's (lib/cache-root.ts)
 */
export function libraryDirectory(root: string, build: Build, sources: BindingSources): string {
  const { packageVersion, headersVersion, files } = sources;
  const ingredients = [build.wheels, packageVersion, headersVersion, files, compilerFlags];
  const key = createHash('sha256').update(JSON.stringify(ingredients)).digest('hex').slice(0, 16);
  return join(root, `tensorflow-${tensorFlowVersion}-${build.device}-${key}`);
}

const partialMark = '.partial-';

/**
 * Makes a directory complete or not at all: `fill` writes into a temporary one beside it, which is then renamed.
 * What interrupted set-ups left is removed first, so the caller must hold the cache's lock.
 */
export async function makeAtomically(
  directory: string,
  fill: (partial: string) => Promise<void>,
): Promise<void> {
  await removePartials(dirname(directory));
  const partial = directory + partialMark + randomUUID();
  try {
    await mkdir(partial);
    await fill(partial);
    await rename(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function removePartials(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.includes(partialMark));
  await Promise.all(names.map((name) => rm(join(root, name), { recursive: true, force: true })));
}
