import { messageOf } from '../errors.js';
import { oneLine, quote } from '../text.js';

/** Colons and commas, as many as 400 000 tensors take. */
const MAX_SEPARATORS = 4_000_000;

const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const COLON = ':'.charCodeAt(0);
const COMMA = ','.charCodeAt(0);
const OPENING = new Set(['{', '['].map((bracket) => bracket.charCodeAt(0)));
const CLOSING = new Set(['}', ']'].map((bracket) => bracket.charCodeAt(0)));

/**
 * JSON from a file that nobody vouches for: refuses what `JSON.parse` lets through, a key given twice (the first one
 * would vanish), and nesting or numbers of values that cost memory out of proportion.
 *
 * @throws Error that says what is wrong, without the file's name.
 */
export function parseStrictJson(bytes: Uint8Array, maxDepth: number): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error('is not UTF-8');
  }
  scan(text, maxDepth);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`is not JSON (${oneLine(messageOf(error))})`, { cause: error });
  }
}

/** Goes over text that may not be JSON at all, before anything is made of it. */
function scan(text: string, maxDepth: number): void {
  const open: Set<string>[] = [];
  let separators = 0;
  let lastString = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      const end = endOfString(text, index);
      lastString = text.slice(index, end);
      index = end - 1;
    } else if (character === COLON || character === COMMA) {
      separators++;
      if (separators > MAX_SEPARATORS) throw new Error(`has more than ${MAX_SEPARATORS} values`);
      if (character === COLON) addKey(open.at(-1), lastString);
    } else if (OPENING.has(character)) {
      open.push(new Set());
      if (open.length > maxDepth) throw new Error(`is nested deeper than ${maxDepth} levels`);
    } else if (CLOSING.has(character)) {
      open.pop();
    }
  }
}

/** The position after the string that begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (character === BACKSLASH) index++;
    else if (character === QUOTE) return index + 1;
  }
  return text.length;
}

function addKey(keys: Set<string> | undefined, literal: string): void {
  const key = unescape(literal);
  if (keys?.has(key)) throw new Error(`has the key ${quote(key)} twice`);
  keys?.add(key);
}

/** A string literal's value. One that is no JSON is left for `JSON.parse` of the whole text to refuse. */
function unescape(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal;
  }
}
