import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A Unix socket's path must fit `sockaddr_un`: 108 bytes on Linux, 104 elsewhere, with a closing zero. */
const MAX_SOCKET_PATH_BYTES = 103;
const LONGEST_NAME = 'XXXXXX/run-01234567-reference-9999.sock';

const PREFIX = 'sockets-';

/**
 * Makes a private directory for sockets, short enough for their paths: in the state directory, or in a temporary one
 * where that has too long a name. What a coordinator that was killed left in the state directory is removed first.
 */
export function makeSocketDirectory(stateDir: string): string {
  for (const name of readdirSync(stateDir)) {
    if (name.startsWith(PREFIX)) rmSync(join(stateDir, name), { recursive: true, force: true });
  }
  const prefixes = [join(stateDir, PREFIX), join(tmpdir(), 'prospect-'), '/tmp/prospect-'];
  const fits = (prefix: string) => Buffer.byteLength(`${prefix}${LONGEST_NAME}`) <= MAX_SOCKET_PATH_BYTES;
  return mkdtempSync(prefixes.find(fits)!);
}
