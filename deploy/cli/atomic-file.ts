import { access, constants, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError, messageOf } from '../../lib/errors.js';

/** Asks before long work whether its result could be written. @throws ConfigError */
export async function requireWritable(file: string): Promise<void> {
  try {
    const found = await stat(file).catch(() => null);
    if (found?.isDirectory() === true) throw new Error('it is a directory');
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw new ConfigError(`cannot write ${file}: ${messageOf(error)}`);
  }
}

/** Writes a file that is complete or absent. @throws ConfigError where it cannot be written. */
export async function writeFileAtomically(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new ConfigError(`cannot write ${file}: ${messageOf(error)}`);
  }
}
