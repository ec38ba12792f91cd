import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { ConfigError } from '../../lib/errors.js';
import { reasonOf, runCommand, type Environment, type Finished } from './command.js';
import type { Wheel } from './pins.js';

/**
 * Fetches a wheel into an empty directory, from whichever index pip is configured for, and checks its hash.
 * `--python-version` is the wheel's: the library in it does not depend on Python, so any Python may fetch it.
 * @returns the wheel's path.
 * @throws ConfigError if the wheel cannot be had, or is another than the pinned one.
 */
export async function downloadWheel(
  wheel: Wheel,
  directory: string,
  python: string,
  env: Environment,
): Promise<string> {
  const pip = await runCommand(python, pipArguments(wheel, directory), env);
  if (pip.exitCode !== 0) throw downloadError(wheel, pip);
  const [name] = await readdir(directory);
  if (name === undefined) throw downloadError(wheel, pip);
  const path = join(directory, name);
  await requireHash(path, wheel);
  return path;
}

function pipArguments(wheel: Wheel, directory: string): string[] {
  return [
    ...['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--no-input', '--disable-pip-version-check'],
    ...['--only-binary=:all:', '--implementation', 'cp', '--python-version', '3.11'],
    ...['--platform', wheel.platform, '--dest', directory, `${wheel.project}==${wheel.version}`],
  ];
}

/** @throws ConfigError unless the file's SHA-256 is the pinned one. */
export async function requireHash(path: string, wheel: Wheel): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const actual = hash.digest('hex');
  if (actual === wheel.sha256) return;
  throw new ConfigError(
    `${wheel.project} ${wheel.version}: the package index served a file with sha256 ${actual}, not the pinned ` +
      `${wheel.sha256}; nothing of it was used: check which index pip is configured for (pip config list)`,
  );
}

const unreachable =
  /NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|Temporary failure in name resolution|Network is unreachable|Connection refused|ProxyError/;

function downloadError(wheel: Wheel, pip: Finished): ConfigError {
  const what = `pip could not download ${wheel.project} ${wheel.version}`;
  if (unreachable.test(pip.stderr))
    return new ConfigError(
      `${what}: the package index cannot be reached; check the network, the proxy, or pip's index (pip config list)`,
    );
  return new ConfigError(`${what}: ${reasonOf(pip)}`);
}
