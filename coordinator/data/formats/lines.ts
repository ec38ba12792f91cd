import { ConfigError } from '../../../lib/errors.js';
import type { Bytes } from './byte-source.js';

const NEWLINE = 0x0a;

/**
 * Lines end at \n only: JSON text may hold U+2028 and other characters that line readers also break at.
 * @throws ConfigError for a line of more than `maxBytes`.
 */
export async function* readLines(
  file: string,
  bytes: Bytes,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let unfinished: Buffer[] = [];
  let size = 0;
  let line = 1;
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...unfinished, chunk.subarray(start, end)]);
      line += 1;
      unfinished = [];
      size = 0;
      start = end + 1;
    }
    unfinished.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > maxBytes) throw new ConfigError(`${file}:${line}: more than ${maxBytes} bytes in one row`);
  }
  yield Buffer.concat(unfinished);
}
