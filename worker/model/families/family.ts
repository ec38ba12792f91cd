import { z } from 'zod';

import type { Architecture } from '../architecture.js';
import type { LinearFactory } from '../linear.js';

/** What a model family says about itself: all that is needed to read, compute and write its models. */
export interface FamilyDefinition<Config extends { readonly vocabSize: number }> {
  /**
   * Reads a parsed `config.json`, with the defaults of `transformers`, and refuses a key that is missing, impossible or
   * asks for what is not supported.
   */
  readonly schema: z.ZodType<Config>;
  /** The modules, with tensors named as in `transformers`. */
  build(config: Config, linear: LinearFactory): Architecture;
  /** In front of all tensors but the head's. Files of the bare base model leave it out. */
  readonly prefix: string;
  /** Older names of tensors, by the name that `build` gives. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Tensors that files hold beside the parameters: buffers of old versions. */
  readonly buffers: RegExp;
}

/** A family, whatever its config looks like. */
export interface Family extends Required<Pick<FamilyDefinition<never>, 'prefix' | 'aliases' | 'buffers'>> {
  /** @throws z.ZodError */
  read(json: unknown): Blueprint;
}

/** A model as its config describes it. */
export interface Blueprint {
  readonly vocabSize: number;
  build(linear: LinearFactory): Architecture;
}

export function defineFamily<Config extends { readonly vocabSize: number }>(
  definition: FamilyDefinition<Config>,
): Family {
  const { schema, prefix, aliases = {}, buffers } = definition;
  return {
    prefix,
    aliases,
    buffers,
    read(json) {
      const config = schema.parse(json);
      return { vocabSize: config.vocabSize, build: (linear) => definition.build(config, linear) };
    },
  };
}

/** The head's weight where it is not the embedding's: so called in all families. */
export const HEAD_WEIGHT = 'lm_head.weight';
