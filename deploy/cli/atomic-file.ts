import { rename, rm, writeFile } from 'node:fs/promises';
import { ConfigError, messageOf } from '../../lib/errors.js';

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
