import { methodKeys, readersOf } from './method-keys.js';
import { stageSchema, type RunFile, type StageKeys } from './schema.js';
import type { Path } from './yaml.js';

/** A stage with the keys that it inherits, before defaults, and where they stand. */
export interface MergedStage {
  readonly index: number;
  readonly keys: StageKeys;
  /** Where the key's value comes from, or the stage itself where it is not given. */
  readonly at: (key: keyof StageKeys) => Path;
}

/**
 * The stages in order, each with the keys of the top that it does not override: `data` key by key, `max_steps` and
 * `epochs` as one choice, as are `adapter` and `lora`; `model` and `adapter` for the first stage alone, and what not every
 * method reads for the stages of those that do.
 */
export function mergeStages(runFile: RunFile): MergedStage[] {
  const { stages = [{}] } = runFile;
  return stages.map((own, index) => {
    const inherited: StageKeys = stageKeysOf(runFile);
    if (index > 0) {
      delete inherited.model;
      delete inherited.adapter;
    }
    if (own.epochs !== undefined || own.max_steps !== undefined) {
      if (own.max_steps !== null) delete inherited.epochs;
      delete inherited.max_steps;
    }
    if (isGiven(own.adapter)) delete inherited.lora;
    if (isGiven(own.lora)) delete inherited.adapter;
    const method = own.method ?? inherited.method;
    for (const key of methodKeys) {
      if (method !== undefined && !readersOf(key).includes(method)) Reflect.deleteProperty(inherited, key);
    }
    const keys = { ...inherited, ...own, data: { ...inherited.data, ...own.data } };
    // A file without `stages` is a stage itself.
    const path = runFile.stages === undefined ? [] : ['stages', index];
    const at = (key: keyof StageKeys) => (key in own ? [...path, key] : key in inherited ? [key] : path);
    return { index, keys, at };
  });
}

/** The keys at the top that a stage may have, without those of the run. */
function stageKeysOf(runFile: RunFile): StageKeys {
  return Object.fromEntries(Object.entries(runFile).filter(([key]) => key in stageSchema.shape));
}

/** `key: null` is as good as no key. */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}
