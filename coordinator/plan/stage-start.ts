import { isDeepStrictEqual } from 'node:util';
import type { StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';

/** The stage before, with what it started from. */
export interface EarlierStage {
  readonly config: StageConfig & { readonly model: string };
  /** Hugging Face directory with the tokenizer, there before any stage has been trained. */
  readonly tokenizerDir: string;
  /** Where it writes its result. */
  readonly outputDir: string;
}

/** What a stage starts from. */
export interface StageStart {
  readonly from: {
    readonly model: string;
    readonly adapter: string | null;
    readonly lora: StageConfig['lora'];
  };
  readonly tokenizerDir: string;
}

/**
 * What a stage trains: what it names, or else what the stage before wrote. An adapter that was written is trained on, also
 * where the same `lora` holds for both stages.
 * @throws ConfigError
 */
export function startOf(stage: StageConfig, number: number, previous: EarlierStage | undefined): StageStart {
  const { model, adapter, lora } = stage;
  if (model !== null) return { from: { model, adapter, lora }, tokenizerDir: model };
  if (previous === undefined) {
    throw new ConfigError(
      'stages[0]: model is missing: the first stage needs a model directory to start from',
    );
  }
  const { config, outputDir, tokenizerDir } = previous;
  if (config.lora === null && config.adapter === null) {
    return { from: { model: outputDir, adapter, lora }, tokenizerDir };
  }
  if (adapter !== null || (lora !== null && !isDeepStrictEqual(lora, config.lora))) {
    throw new ConfigError(
      `stage ${number}: the stage before writes an adapter, which this one goes on training: ` +
        'remove its own adapter or lora, or give it a model',
    );
  }
  return { from: { model: config.model, adapter: outputDir, lora: null }, tokenizerDir };
}
