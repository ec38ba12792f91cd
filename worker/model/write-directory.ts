import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { isSystemError, RunError } from '../../lib/errors.js';

/**
 * Lets `write` fill a directory, which then appears complete at `targetDir`, in place of what was there, or not at all.
 *
 * @throws RunError if it cannot be written.
 */
export function writeDirectory(targetDir: string, write: (directory: string) => void): void {
  try {
    const temporary = siblingOf(targetDir, 'tmp');
    mkdirSync(temporary, { recursive: true });
    try {
      write(temporary);
      moveInto(targetDir, temporary);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  } catch (error) {
    throw isSystemError(error) ? new RunError(`${targetDir}: cannot be written (${error.message})`) : error;
  }
}

/** A hidden name beside `path`, on the same file system. */
function siblingOf(path: string, suffix: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${suffix}`);
}

/** Renames `complete` to `target`; what was there goes once the new one stands. */
function moveInto(target: string, complete: string): void {
  if (!existsSync(target)) {
    renameSync(complete, target);
    return;
  }
  const replaced = siblingOf(target, 'old');
  renameSync(target, replaced);
  try {
    renameSync(complete, target);
  } catch (error) {
    renameSync(replaced, target);
    throw error;
  }
  rmSync(replaced, { recursive: true, force: true });
}
