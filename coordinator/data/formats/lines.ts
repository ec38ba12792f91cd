import type { Bytes } from './byte-source.js';
import { Pieces } from './pieces.js';
import { rowTooLong } from './raw-row.js';

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
  let line = 1;
  const pieces = new Pieces(maxBytes, () => rowTooLong(`${file}:${line}`, maxBytes));
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      pieces.add(chunk.subarray(start, end));
      yield pieces.take();
      line += 1;
      start = end + 1;
    }
    pieces.add(chunk.subarray(start));
  }
  yield pieces.take();
}
