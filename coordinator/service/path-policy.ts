import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { ConfigError, hasCode, messageOf } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';

/**
 * Where the paths of a submitted run may lead: anywhere, for the user's own coordinator; or under directories that the
 * operator has named, whose users see them under the same paths.
 */
export type PathPolicy =
  | { readonly kind: 'any' }
  | {
      readonly kind: 'shared';
      /** Absolute. */
      readonly roots: readonly string[];
    };

/**
 * Refuses a path that leads out of the shared roots, by a symbolic link too: one of its parts, or one directly in the
 * directory that it names. It need not exist.
 *
 * @param advice what else the submitter can do
 * @throws ConfigError
 */
export async function requirePermitted(
  { key, path }: { readonly key: string; readonly path: string },
  policy: PathPolicy,
  advice: string,
): Promise<void> {
  if (policy.kind === 'any') return;
  const outside = await findOutside(path, policy.roots).catch((error: unknown) => {
    throw new ConfigError(`${key}: ${quote(path)} cannot be looked up: ${messageOf(error)}`);
  });
  if (outside === null) return;
  const { roots } = policy;
  const what = outside === path ? quote(path) : `${quote(outside)} in ${quote(path)}`;
  const under =
    roots.length === 0
      ? 'is a path of the coordinator, which has no shared roots'
      : `is not under a shared root of the coordinator (${roots.join(', ')})`;
  throw new ConfigError(`${key}: ${what} ${under}; ${advice}`);
}

/** The path, or the link in it, that leads elsewhere; null where all is well. */
async function findOutside(path: string, roots: readonly string[]): Promise<string | null> {
  const realRoots = await Promise.all(roots.map(realPathOf));
  const isInside = async (each: string) => {
    const real = await realPathOf(each);
    return real !== null && realRoots.some((root) => root !== null && isUnder(real, root));
  };
  if (!(await isInside(path))) return path;
  for (const link of await linksIn(path)) {
    if (!(await isInside(link))) return link;
  }
  return null;
}

function isUnder(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/** Of what does not exist yet, where it would come to lie. Null for what a link promises that leads nowhere. */
async function realPathOf(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    if (await isThere(path)) return null;
    const parent = await realPathOf(dirname(path));
    return parent === null ? null : join(parent, basename(path));
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function linksIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => join(path, name));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return [];
    throw error;
  }
}
