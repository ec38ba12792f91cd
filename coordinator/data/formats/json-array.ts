import { ConfigError } from '../../../lib/errors.js';
import type { Bytes } from './byte-source.js';
import { Pieces } from './pieces.js';
import { parseJson, rowTooLong, type RawRow } from './raw-row.js';

/**
 * Reads the elements of a JSON array as a stream: only brackets and strings are told apart here; an element that is
 * no JSON is a bad row.
 * @param bytes the file, of which "[" is the first byte that says something
 * @throws ConfigError for bytes that are no array, and for an element of more than `maxBytes`.
 */
export async function* readJsonArray(
  file: string,
  bytes: Bytes,
  maxBytes: number,
): AsyncGenerator<RawRow, void, undefined> {
  let row = 0;
  for await (const element of splitArray(file, afterOpening(bytes), maxBytes)) {
    yield { row, where: `${file}[${row}]`, parse: () => parseJson(element) };
    row += 1;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);

async function* afterOpening(bytes: Bytes): AsyncGenerator<Buffer, void, undefined> {
  let opened = false;
  for await (const chunk of bytes) {
    yield opened ? chunk : chunk.subarray(chunk.indexOf(OPEN_BRACKET) + 1);
    opened ||= chunk.includes(OPEN_BRACKET);
  }
}

/** The bytes between the commas of an array, from behind its opening bracket on. */
async function* splitArray(
  file: string,
  bytes: Bytes,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  const broken = (what: string) =>
    new ConfigError(`${file}: begins with "[" but is not a JSON array: ${what}`);
  const nesting = new Nesting();
  let elements = 0;
  const pieces = new Pieces(maxBytes, () => rowTooLong(`${file}[${elements}]`, maxBytes));
  let ended = false;
  for await (const chunk of bytes) {
    let start = 0;
    while (!ended) {
      const end = nesting.findEnd(chunk, start);
      if (end === -1) break;
      if (chunk[end] === CLOSE_BRACE) throw broken(`element ${elements} closes a brace too many`);
      ended = chunk[end] === CLOSE_BRACKET;
      pieces.add(chunk.subarray(start, end));
      const element = pieces.take();
      const isEmptyArray = ended && elements === 0;
      if (!isBlank(element)) yield element;
      else if (!isEmptyArray) throw broken(`element ${elements} is empty`);
      elements += 1;
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    if (!ended) pieces.add(rest);
    else if (!isBlank(rest)) throw broken('something follows its end');
  }
  if (!ended) throw broken(`it ends within element ${elements}`);
}

/** How deep inside of brackets and strings the bytes that were looked at so far lead. */
class Nesting {
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** The place of the next comma or closing bracket that stands inside of no bracket and no string; -1 for none. */
  findEnd(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at]!;
      if (this.#inString) this.#passInString(byte);
      else if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) this.#depth += 1;
      else if (this.#depth === 0) {
        if (byte === COMMA || byte === CLOSE_BRACKET || byte === CLOSE_BRACE) return at;
      } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) this.#depth -= 1;
    }
    return -1;
  }

  #passInString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => WHITE_SPACE.has(byte));
}
