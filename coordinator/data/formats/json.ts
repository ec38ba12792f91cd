import { peek, type Bytes } from './byte-source.js';
import { readJsonArray } from './json-array.js';
import { readLines } from './lines.js';
import { parseJson, type RawRow } from './raw-row.js';

/** More white space than this before an array is nobody's. */
const PEEKED_BYTES = 2 ** 16;
const OPENING_BRACKET = 0x5b;
/** White space, and what a byte order mark is made of. */
const BLANK_BYTES: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20, 0xef, 0xbb, 0xbf]);

/** Reads JSON Lines, or one JSON array. */
export async function* readJson(
  file: string,
  bytes: Bytes,
  maxRowBytes: number,
): AsyncGenerator<RawRow, void, undefined> {
  const { head, bytes: all } = await peek(bytes, PEEKED_BYTES);
  if (firstByte(head) === OPENING_BRACKET) yield* readJsonArray(file, all, maxRowBytes);
  else yield* readJsonLines(file, all, maxRowBytes);
}

async function* readJsonLines(
  file: string,
  bytes: Bytes,
  maxRowBytes: number,
): AsyncGenerator<RawRow, void, undefined> {
  let row = 0;
  let line = 0;
  for await (const text of readLines(file, bytes, maxRowBytes)) {
    line += 1;
    if (firstByte(text) === undefined) continue;
    yield { row, where: `${file}:${line}`, parse: () => parseJson(text) };
    row += 1;
  }
}

/** The first byte that says something; undefined in a blank line. */
function firstByte(bytes: Buffer): number | undefined {
  return bytes.find((byte) => !BLANK_BYTES.has(byte));
}
