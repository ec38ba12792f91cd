import { z } from 'zod';

import { activations, type ActivationName } from '../activation.js';
import type { RopeConfig, RopeScaling } from '../rope.js';

/** What the `config.json` of several families have in common. */

export const size = z.int().positive();
export const epsilon = z.number().positive();

export const activationName = z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]);

const DEFAULT_THETA = 10_000;

/** As models have it whose layers turn by different angles. */
const byLayerType = z.undefined({ error: 'rotary positions by type of layer are not supported' }).optional();
const common = {
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  full_attention: byLayerType,
  sliding_attention: byLayerType,
};
const factor = z.number().min(1);
const scalings = [
  z.looseObject({ rope_type: z.literal('default'), ...common }),
  z.looseObject({ rope_type: z.literal('linear'), factor, ...common }),
  z.looseObject({ rope_type: z.literal('dynamic'), factor, ...common }),
  z.looseObject({
    rope_type: z.literal('llama3'),
    factor,
    low_freq_factor: z.number().positive(),
    high_freq_factor: z.number().positive(),
    original_max_position_embeddings: size.nullish(),
    ...common,
  }),
] as const;

const ropeParameters = z.preprocess(
  withType,
  z.discriminatedUnion('rope_type', scalings, {
    error: 'this RoPE scaling is not supported; supported are: default, linear, dynamic, llama3',
  }),
);

/** How a config describes rotary positions: `rope_parameters` since transformers 5, the other keys before. */
export const ropeKeys = {
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: ropeParameters.nullish(),
  max_position_embeddings: size,
};

type RopeKeys = z.infer<z.ZodObject<typeof ropeKeys>>;
type RopeParameters = z.infer<typeof ropeParameters>;

export interface RopeOfConfig extends RopeConfig {
  /** The share of a head's features that turn; null where the config does not say. */
  readonly rotatedShare: number | null;
  /** Tokens that a sequence may have; null where any number may. */
  readonly maxLength: number | null;
}

export function readRope(keys: RopeKeys): RopeOfConfig {
  const parameters = keys.rope_scaling ?? keys.rope_parameters ?? null;
  return {
    theta: parameters?.rope_theta ?? keys.rope_theta ?? DEFAULT_THETA,
    scaling: parameters === null ? { type: 'none' } : scalingOf(parameters, keys),
    rotatedShare: parameters?.partial_rotary_factor ?? null,
    // Beyond, the angles would depend on the longest sequence of the batch that a sequence happens to be computed in.
    maxLength: parameters?.rope_type === 'dynamic' ? keys.max_position_embeddings : null,
  };
}

function scalingOf(parameters: RopeParameters, keys: RopeKeys): RopeScaling {
  switch (parameters.rope_type) {
    case 'default':
    case 'dynamic':
      return { type: 'none' };
    case 'linear':
      return { type: 'linear', factor: parameters.factor };
    case 'llama3':
      return {
        type: 'llama3',
        factor: parameters.factor,
        lowFrequencyFactor: parameters.low_freq_factor,
        highFrequencyFactor: parameters.high_freq_factor,
        originalLength: parameters.original_max_position_embeddings ?? keys.max_position_embeddings,
      };
  }
}

/** `type` is what old configs call `rope_type`. */
function withType(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { rope_type: ropeType, type } = value as Record<string, unknown>;
  return { ...value, rope_type: ropeType ?? type ?? 'default' };
}

const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const;

/** Which layers see a window only. */
export const windowKeys = {
  sliding_window: size.nullish(),
  layer_types: z.array(z.enum(LAYER_TYPES)).nullish(),
};

interface WindowRule {
  readonly layers: number;
  /** Null where no layer has one. */
  readonly window: number | null;
  /** As the config lists them, if it does. */
  readonly layerTypes: readonly (typeof LAYER_TYPES)[number][] | null | undefined;
  /** Without a list. */
  readonly slides: (layer: number) => boolean;
}

/** The window of each layer, null for one that sees all. */
export function layerWindows({ layers, window, layerTypes, slides }: WindowRule): (number | null)[] {
  return Array.from({ length: layers }, (_, layer) => {
    const listed = layerTypes?.[layer];
    const isSliding = listed === undefined ? slides(layer) : listed === 'sliding_attention';
    return isSliding ? window : null;
  });
}
