import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Pair,
} from 'yaml';

import { messageOf } from '../errors.js';
import { oneLine } from '../text.js';

/** Where a value stands: keys and list indices from the top. */
export type Path = readonly (string | number)[];

export type Yaml = string | number | boolean | null | Yaml[] | YamlMap;
/** Without a prototype, so that every key is the file's own. */
export interface YamlMap {
  [key: string]: Yaml;
}

export function isYamlMap(value: Yaml | undefined): value is YamlMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A place in a text: a path, and its line from 1. */
export interface Place {
  readonly path: Path;
  readonly line: number;
}

export interface YamlProblem extends Place {
  readonly message: string;
}

export interface ParsedYaml {
  readonly value: Yaml;
  /** Of every value. */
  readonly places: readonly Place[];
  /** Keys behind which nothing stands, which YAML takes for null. */
  readonly empty: readonly Path[];
  readonly problems: readonly YamlProblem[];
}

/** A run file has a hundred values: an alias that multiplies itself ends here. */
const MAX_VALUES = 10_000;
const MAX_DEPTH = 10;
/** Far longer than any run file: bounds the time of the parser. */
const MAX_CHARACTERS = 2 ** 18;

/**
 * Plain values of YAML 1.2 text, with the line of each. What YAML allows and a run file does not (keys given twice or
 * that are not text, unknown tags, aliases that multiply themselves) is a problem too. Throws nothing.
 */
export function parseYaml(text: string): ParsedYaml {
  const failed = (problems: readonly YamlProblem[]) => ({ value: null, places: [], empty: [], problems });
  const atTop = (message: string) => failed([{ path: [], line: 1, message }]);
  if (text.length > MAX_CHARACTERS) return atTop(`is longer than ${MAX_CHARACTERS} characters`);
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    // The library's own search for duplicate keys compares each with each.
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  } catch (error) {
    return atTop(`cannot be read as YAML (${oneLine(messageOf(error))})`);
  }
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const lineOf = (position: number) => Math.max(1, lines.linePos(position).line);
    return failed(
      faults.map(({ pos, message }) => ({
        path: [],
        line: lineOf(pos[0]),
        message: `not valid YAML: ${oneLine(message)}`,
      })),
    );
  }
  return new Converter(lines).convert(document);
}

/** Walks a document once, from top to bottom. */
class Converter {
  private readonly anchors = new Map<string, unknown>();
  private readonly places: Place[] = [];
  private readonly empty: Path[] = [];
  private readonly problems: YamlProblem[] = [];
  private isGivenUp = false;

  constructor(private readonly lines: LineCounter) {}

  convert(document: Document.Parsed): ParsedYaml {
    const value = this.value(document.contents, { path: [], line: 1 });
    return { value, places: this.places, empty: this.empty, problems: this.problems };
  }

  private value(node: unknown, place: Place): Yaml {
    const { path } = place;
    if (this.isGivenUp) return null;
    if (this.places.length >= MAX_VALUES) return this.giveUp(place, `has more than ${MAX_VALUES} values`);
    if (path.length > MAX_DEPTH) return this.giveUp(place, `is nested deeper than ${MAX_DEPTH} levels`);
    this.places.push(place);
    if (isAlias(node)) return this.value(this.anchors.get(node.source), place);
    if (isNode(node) && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (isMap(node)) return this.map(node.items, path);
    if (isSeq(node)) {
      return node.items.map((item, index) =>
        this.value(item, { path: [...path, index], line: this.lineOf(item, place) }),
      );
    }
    return isScalar(node) ? (node.value as string | number | boolean | null) : null;
  }

  private map(items: readonly Pair[], path: Path): YamlMap {
    const map = Object.create(null) as YamlMap;
    for (const { key, value } of items) {
      const line = this.lineOf(key, { path, line: 1 });
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.problems.push({ path, line, message: 'has a key that is not plain text' });
        continue;
      }
      const place = { path: [...path, key.value], line };
      if (key.value in map) this.problems.push({ ...place, message: 'is given twice; remove one' });
      if (isEmpty(value)) this.empty.push(place.path);
      map[key.value] = this.value(value, place);
    }
    return map;
  }

  private giveUp(place: Place, message: string): null {
    this.isGivenUp = true;
    this.problems.push({ ...place, message });
    return null;
  }

  private lineOf(node: unknown, otherwise: Place): number {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? otherwise.line : this.lines.linePos(start).line;
  }
}

function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null && node.source === '');
}
