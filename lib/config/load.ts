import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';

import { ConfigError, messageOf } from '../errors.js';
import { checkStages } from './check.js';
import { applyOverrides } from './overrides.js';
import { resolveRun } from './resolve.js';
import { RunDocument } from './run-document.js';
import type { StageKeys } from './schema.js';
import { mergeStages } from './stages.js';
import type { RunConfig } from './types.js';
import { validate } from './validate.js';

export interface LoadOptions {
  /** `KEY=VALUE` overrides, as of `--set` (see `applyOverrides`). */
  readonly set?: readonly string[];
  /** Cores that `threads_per_worker: auto` shares out among the workers. Default: this machine's. */
  readonly cores?: number;
}

/** A run file's resolved form, and where its values come from. */
export interface LocatedRun {
  readonly config: RunConfig;
  /** For messages: `file:line: key`, or `--set key`; of a key that is not given, where its stage stands. */
  readonly placeOf: (stage: number, key: keyof StageKeys, ...inside: readonly string[]) => string;
}

/**
 * Reads a run file. Relative paths in it start at its folder.
 *
 * @throws ConfigError if it cannot be read, or as `parseRunFile`.
 */
export function loadRunFile(path: string, options: LoadOptions): RunConfig {
  return locateRunFile(path, options).config;
}

/** The same, with the places of its values. @throws ConfigError as `loadRunFile` */
export function locateRunFile(path: string, options: LoadOptions): LocatedRun {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read (${messageOf(error)})`);
  }
  return locate(text, path, { ...options, baseDir: dirname(resolve(path)) });
}

/**
 * The resolved form of a run file's text: overrides applied, stages merged, defaults filled in, paths absolute.
 *
 * @param file what to call it in errors
 * @throws ConfigError with one line for each thing that is wrong: `file:line: key: what, and what to do`, or
 *   `--set key: …` where an override is to blame.
 */
export function parseRunFile(text: string, file: string, options: ParseOptions): RunConfig {
  return locate(text, file, options).config;
}

type ParseOptions = LoadOptions & { readonly baseDir: string };

function locate(
  text: string,
  file: string,
  { set = [], cores = availableParallelism(), baseDir }: ParseOptions,
): LocatedRun {
  const document = new RunDocument(text, file);
  applyOverrides(document, set);
  const validated = validate(document);
  const stages = mergeStages(validated.runFile);
  checkStages(document, validated, stages);
  document.throwProblems();
  return {
    config: resolveRun(validated.runFile, stages, { baseDir, cores }),
    placeOf: (stage, key, ...inside) => document.placeOf([...stages[stage]!.at(key), ...inside]),
  };
}
