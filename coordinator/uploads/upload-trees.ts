import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasCode, isSystemError, RunError } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';
import { syncDirectory } from '../../lib/sync-directory.js';
import type { SubmittedPath } from './submitted-path.js';
import { EMPTY_SHA256 } from './upload.js';
import type { UploadStore } from './upload-store.js';

const TEMPORARY_PREFIX = '.tmp-';

/**
 * Uploaded files under the names that they had: `<digest of names and contents>/<name of the path>`, made of links to the
 * store's blobs. What has its name is complete; the same files submitted again are the same tree.
 */
export class UploadTrees {
  readonly #root: string;
  readonly #store: UploadStore;

  constructor(root: string, store: UploadStore) {
    this.#root = root;
    this.#store = store;
  }

  /** Where a submitted path lies here, once it is kept. */
  placeOf(submitted: SubmittedPath): string {
    return join(this.#treeOf(submitted), basename(submitted.path));
  }

  /** @throws RunError that names a file which the store does not hold */
  async requireHeld({ path, files }: SubmittedPath): Promise<void> {
    for (const { name, sha256 } of files) {
      if (await this.#store.has(sha256)) continue;
      throw new RunError(
        `${quote(join(path, name))} (SHA-256 ${sha256}) has not been uploaded: upload it first`,
      );
    }
  }

  /** Puts the files in their place, to stay. @throws RunError where the disk does not take them: nothing stays then. */
  async keep(submitted: SubmittedPath): Promise<void> {
    try {
      if (!existsSync(this.#treeOf(submitted))) await this.#make(submitted);
      await syncDirectory(this.#root);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new RunError(
        `${quote(submitted.path)} cannot be kept in ${this.#root} (${error.message}): see that its disk has free space`,
      );
    }
  }

  /** Removes what a killed coordinator had begun. */
  async removeLeftovers(): Promise<void> {
    for (const name of await namesIn(this.#root)) {
      if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(this.#root, name), { recursive: true });
    }
  }

  #treeOf({ path, kind, files }: SubmittedPath): string {
    const content = JSON.stringify([basename(path), kind, files.map(({ name, sha256 }) => [name, sha256])]);
    return join(this.#root, createHash('sha256').update(content).digest('hex'));
  }

  async #make(submitted: SubmittedPath): Promise<void> {
    const tree = this.#treeOf(submitted);
    const temporary = join(this.#root, `${TEMPORARY_PREFIX}${randomUUID()}`);
    try {
      await this.#build(temporary, submitted);
      await rename(temporary, tree);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      // Where it is there now, another submit was faster.
      if (!existsSync(tree)) throw error;
    }
  }

  async #build(tree: string, { path, kind, files }: SubmittedPath): Promise<void> {
    await mkdir(tree, { recursive: true });
    const place = join(tree, basename(path));
    if (kind === 'directory') await mkdir(place);
    for (const { name, sha256 } of files) await this.#place(sha256, join(place, name));
    if (kind === 'directory') await syncDirectory(place);
    await syncDirectory(tree);
  }

  async #place(sha256: string, file: string): Promise<void> {
    if (sha256 === EMPTY_SHA256) await writeFile(file, '', { flag: 'wx' });
    else await link(this.#store.blob(sha256), file);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
