import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Where Prospect keeps what it can make or fetch again. Empty variables count as unset, as the XDG specification says.
 */
export function cacheRoot(env: Readonly<Record<string, string | undefined>>): string {
  if (env['PROSPECT_CACHE']) return resolve(env['PROSPECT_CACHE']);
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'prospect');
}

/** Where models and data are kept that were fetched for this user's runs on this machine. */
export function sourcesCache(env: Readonly<Record<string, string | undefined>>): string {
  return env['PROSPECT_SOURCES_CACHE']
    ? resolve(env['PROSPECT_SOURCES_CACHE'])
    : join(cacheRoot(env), 'sources');
}
