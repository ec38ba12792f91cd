import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConfigError, messageOf } from '../../lib/errors.js';
import { BadRow } from './row.js';

/** A row as it stands in the file. */
export interface RawRow {
  /** 0-based, blank lines not counted. */
  readonly row: number;
  /** For messages: `file:line`, or `file[row]` in a JSON array. */
  readonly where: string;
  /** @throws BadRow for bytes that are not JSON. */
  parse(): unknown;
}

const NEWLINE = 0x0a;
const OPENING_BRACKET = 0x5b;
/** White space, and what a byte order mark is made of. */
const BLANK_BYTES: ReadonlySet<number> = new Set([0x09, 0x0d, 0x20, 0xef, 0xbb, 0xbf]);

/**
 * Reads JSON Lines as a stream, or a file that is one JSON array whole.
 * @throws ConfigError for a file that cannot be read.
 */
export async function* readRows(file: string): AsyncGenerator<RawRow, void, undefined> {
  let row = 0;
  let line = 0;
  for await (const bytes of readLines(file)) {
    line += 1;
    const first = firstByte(bytes);
    if (first === undefined) continue;
    if (row === 0 && first === OPENING_BRACKET) return yield* readArray(file);
    yield { row, where: `${file}:${line}`, parse: () => parseJson(bytes) };
    row += 1;
  }
}

/** Lines end at \n only: JSON text may hold U+2028 and other characters that line readers also break at. */
async function* readLines(file: string): AsyncGenerator<Buffer, void, undefined> {
  let unfinished: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...unfinished, chunk.subarray(start, end)]);
        unfinished = [];
        start = end + 1;
      }
      unfinished.push(chunk.subarray(start));
    }
  } catch (error) {
    throw unreadable(file, error);
  }
  yield Buffer.concat(unfinished);
}

async function* readArray(file: string): AsyncGenerator<RawRow, void, undefined> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  let rows: unknown;
  try {
    rows = parseJson(bytes);
  } catch {
    throw new ConfigError(`${file}: begins with "[" but is not a JSON array`);
  }
  if (!Array.isArray(rows)) throw new ConfigError(`${file}: is not a JSON array`);
  for (const [row, value] of rows.entries()) {
    yield { row, where: `${file}[${row}]`, parse: (): unknown => value };
  }
}

/** The first byte that says something; undefined in a blank line. */
function firstByte(line: Buffer): number | undefined {
  return line.find((byte) => !BLANK_BYTES.has(byte));
}

function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BadRow('not UTF-8 text');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRow('not JSON');
  }
}

function unreadable(file: string, error: unknown): ConfigError {
  return new ConfigError(`cannot read ${file}: ${messageOf(error)}`);
}
