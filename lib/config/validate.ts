import type { z } from 'zod';

import { quote } from '../text.js';
import type { RunDocument } from './run-document.js';
import { runFileSchema, stageMaps, stageSchema, type RunFile } from './schema.js';
import { nearestKey } from './suggest.js';
import type { Path, Yaml, YamlMap } from './yaml.js';

export interface Validated {
  /** What of the file is sound by itself. */
  readonly runFile: RunFile;
  /** Whether all of these keys are sound: where one is not, how they fit together says nothing. */
  readonly sound: (...keys: readonly string[]) => boolean;
}

/**
 * Checks each key by itself, reporting what is wrong to `document` and leaving it out of the result.
 *
 * @throws ConfigError if `stages` is no list of maps: nothing more can be said then.
 */
export function validate(document: RunDocument): Validated {
  const suspects = new Set<string>();
  const first = runFileSchema.safeParse(document.values, { reportInput: true });
  for (const issue of first.error?.issues ?? []) {
    const path = issue.path as Path;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const { message, meant } = unknownKey(path, key);
        document.report([...path, key], message);
        if (meant !== undefined) suspects.add(meant);
        take(document.values, [...path, key]);
      }
    } else {
      // One value may offend twice, as a number that is neither whole nor small enough.
      if (!take(document.values, path)) continue;
      document.report(path, explain(issue));
      if (path[0] === 'stages' && path.length <= 2) document.throwProblems();
      path.forEach((part) => suspects.add(String(part)));
    }
  }
  for (const path of document.empty.filter(
    (path) => isNull(document.values, path) && !document.isSet(path),
  )) {
    const defaults = Object.hasOwn(stageMaps, String(path.at(-1))) ? '{} for its defaults, or ' : '';
    document.report(path, `is empty; write ${defaults}null for none`);
  }
  return {
    runFile: runFileSchema.parse(document.values),
    sound: (...keys) => !keys.some((key) => suspects.has(key)),
  };
}

/** Whether null stands there, and was not taken out. */
function isNull(values: YamlMap, path: Path): boolean {
  const value = path.reduce<Yaml | undefined>(
    (parent, key) => (parent as YamlMap | undefined)?.[key],
    values,
  );
  return value === null;
}

/** Takes the value at `path` out. Returns whether there was one. */
function take(values: YamlMap, path: Path): boolean {
  let parent: Yaml = values;
  for (const part of path.slice(0, -1)) parent = (parent as YamlMap)[part]!;
  const last = path.at(-1)!;
  return Reflect.has(parent as YamlMap, last) && Reflect.deleteProperty(parent as YamlMap, last);
}

function unknownKey(path: Path, key: string): { message: string; meant?: string } {
  const map = path.at(-1);
  const isInMap = typeof map === 'string' && Object.hasOwn(stageMaps, map);
  const isInStage = path[0] === 'stages';
  const { shape } = isInMap
    ? stageMaps[map as keyof typeof stageMaps]
    : isInStage
      ? stageSchema
      : runFileSchema;
  if (isInStage && !isInMap && Object.hasOwn(runFileSchema.shape, key)) {
    return { message: 'belongs to the whole run; move it to the top of the file' };
  }
  const known = Object.keys(shape);
  const meant = nearestKey(key, known);
  if (meant !== undefined) return { message: `unknown key; did you mean ${meant}?`, meant };
  return { message: `unknown key; the keys here are ${known.join(', ')}` };
}

const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys and values',
  array: 'a list',
};

/** What is wrong with a value, in the terms of a YAML file. */
function explain(issue: z.core.$ZodIssue): string {
  const not = `not ${shown(issue.input)}`;
  if (issue.code === 'invalid_type') {
    return `must be ${NOUNS[issue.expected] ?? issue.expected}${exampleOf(issue)}, ${not}`;
  }
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(String).join(', ');
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${allowed}, ${not}`;
  }
  if (issue.code === 'too_small') {
    if (issue.origin === 'string' || issue.origin === 'array') return 'must not be empty';
    return `must be ${issue.inclusive ? 'at least' : 'greater than'} ${issue.minimum}, ${not}`;
  }
  if (issue.code === 'too_big') {
    return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}, ${not}`;
  }
  return `${issue.message}, ${not}`;
}

/** The keys of a map that stands in a stage. */
function exampleOf({ expected, path }: z.core.$ZodIssueInvalidType): string {
  const map = path.at(-1);
  if (expected !== 'object' || typeof map !== 'string' || !Object.hasOwn(stageMaps, map)) return '';
  const keys = Object.keys(stageMaps[map as keyof typeof stageMaps].shape);
  return ` (${keys.join(', ')})`;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'a map' : 'empty';
}
