import { randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { ConfigError, messageOf } from '../../lib/errors.js';
import { bindingFolder } from './compile.js';

/** Where `@tensorflow/tfjs-node-gpu` looks for its binding. */
function linkPath(packageRoot: string): string {
  return join(packageRoot, 'lib', bindingFolder);
}

export function isLinked(packageRoot: string, library: string): boolean {
  const path = linkPath(packageRoot);
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSymbolicLink() === true && readlinkSync(path) === join(library, bindingFolder);
}

/**
 * Links the library's binding into the package, in the place of any other: of another version, or of the folder that
 * the package's own install script makes.
 */
export function linkBinding(packageRoot: string, library: string): void {
  const path = linkPath(packageRoot);
  try {
    mkdirSync(join(packageRoot, 'lib'), { recursive: true });
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) rmSync(path, { recursive: true });
    replaceByLink(path, join(library, bindingFolder));
  } catch (error) {
    throw new ConfigError(
      `cannot link TensorFlow into ${packageRoot} (${messageOf(error)}); run set-up as the user who owns that folder`,
    );
  }
}

function replaceByLink(path: string, target: string): void {
  const temporary = `${path}.${randomUUID()}`;
  symlinkSync(target, temporary);
  try {
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary);
    throw error;
  }
}

export function unlinkBinding(packageRoot: string): void {
  rmSync(linkPath(packageRoot), { force: true });
}
