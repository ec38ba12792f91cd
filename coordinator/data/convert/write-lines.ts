import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConfigError, isSystemError, UserError } from '../../../lib/errors.js';

/**
 * Writes lines as they come into a file that is complete or absent.
 * @throws ConfigError where it cannot be written; whatever `lines` throws; the reason of `signal`.
 */
export async function writeLines(
  file: string,
  lines: AsyncIterable<string>,
  signal: AbortSignal,
): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await pipeline(Readable.from(inBlocks(lines)), createWriteStream(temporary), { signal });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    signal.throwIfAborted();
    if (error instanceof UserError || !isSystemError(error)) throw error;
    throw new ConfigError(`cannot write ${file}: ${error.message}`);
  }
}

const BLOCK_CHARACTERS = 2 ** 16;

/** One write a line would take longer than all the rest. */
async function* inBlocks(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let block = '';
  for await (const line of lines) {
    block += `${line}\n`;
    if (block.length < BLOCK_CHARACTERS) continue;
    yield block;
    block = '';
  }
  if (block !== '') yield block;
}
