import { readFileSync, statSync } from 'node:fs';
import { ConfigError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';

/**
 * The token that opens the page: of the file, or else of PROSPECT_PAGE_TOKEN; null for none.
 * @throws ConfigError where the file cannot be read, or what is given is none
 */
export function readPageToken(
  file: string | null,
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): string | null {
  if (file !== null) return requireToken(readToken(file, log), file);
  const token = env['PROSPECT_PAGE_TOKEN'];
  return token === undefined || token === '' ? null : requireToken(token, 'PROSPECT_PAGE_TOKEN');
}

function readToken(file: string, log: Logger): string {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      log.warn({ file }, 'others on this machine may read the token of the page: chmod 600 the file');
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`the token of the page cannot be read: ${messageOf(error)}`);
  }
}

/** As an Authorization header can carry it. */
function requireToken(token: string, where: string): string {
  if (/^[!-~]{8,}$/.test(token)) return token;
  throw new ConfigError(
    `${where} holds no token: at least 8 letters, digits and signs without a space, e.g. of openssl rand -hex 16`,
  );
}
