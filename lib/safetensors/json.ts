import { messageOf } from '../errors.js';
import { oneLine, quote } from '../text.js';

const OPENING = new Set(['{', '[']);
const CLOSING = new Set(['}', ']']);

/**
 * JSON from a file that nobody vouches for: refuses what `JSON.parse` lets through, a key given twice (the first one
 * would vanish) and nesting deeper than `maxDepth` (which costs memory out of proportion), and text that is not UTF-8.
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
  checkDepth(text, maxDepth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`is not JSON (${oneLine(messageOf(error))})`, { cause: error });
  }
  checkKeys(text);
  return value;
}

function checkDepth(text: string, maxDepth: number): void {
  let depth = 0;
  for (const token of structure(text)) {
    if (OPENING.has(token)) depth++;
    else if (CLOSING.has(token)) depth--;
    if (depth > maxDepth) throw new Error(`is nested deeper than ${maxDepth} levels`);
  }
}

/** `text` is valid JSON. */
function checkKeys(text: string): void {
  const open: Set<string>[] = [];
  let last = '';
  for (const token of structure(text)) {
    if (OPENING.has(token)) open.push(new Set());
    else if (CLOSING.has(token)) open.pop();
    else if (token === ':') {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) throw new Error(`has the key ${quote(key)} twice`);
      keys.add(key);
    }
    last = token;
  }
}

/** Brackets, colons and whole strings (with their quotes) of JSON text, in order; the rest is passed over. */
function* structure(text: string): Generator<string> {
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') {
      const start = index;
      for (index++; index < text.length && text[index] !== '"'; index++) if (text[index] === '\\') index++;
      yield text.slice(start, index + 1);
    } else if (character === ':' || OPENING.has(character) || CLOSING.has(character)) {
      yield character;
    }
  }
}
