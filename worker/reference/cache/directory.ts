import { join } from 'node:path';

import { cacheRoot } from '../../../lib/cache-root.js';

/**
 * Where the reference's answers are kept. They have a variable of their own: they may lie on another disk than the native
 * library, whose place (`PROSPECT_CACHE`) is linked into `node_modules` and must stay.
 */
export function answersDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env['PROSPECT_REFERENCE_CACHE'] || join(cacheRoot(env), 'reference');
}
