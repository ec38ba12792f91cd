import { isDeepStrictEqual } from 'node:util';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { CompletionLogps } from '../model/completion-logps.js';
import { describeModel } from '../model/description.js';
import type { LeafRequest } from './cache/entry.js';
import type { ReferenceCache } from './cache/reference-cache.js';
import type { ReferenceEngine } from './reference-engine.js';

/** A request for a model that this replica does not serve, or not yet. */
export class OtherModel extends RunError {}

/** What is known of a model's answers. */
export type KnownAnswers = Pick<ReferenceCache, 'find' | 'keep' | 'close'>;

interface Open {
  readonly model: ReferenceModel;
  readonly vocabSize: number;
  /** Null to compute every leaf. */
  readonly cache: KnownAnswers | null;
  /** Rejects with a ConfigError where the model cannot be loaded. */
  readonly loaded: Promise<void>;
}

/**
 * The model that the replica serves: one at a time. Whoever asks says which one it wants, and is never answered by
 * another.
 */
export class ServedModel {
  private open: Open | null = null;
  private refused: { readonly model: ReferenceModel; readonly reason: ConfigError } | null = null;

  constructor(
    private readonly engine: EngineThread<ReferenceModel, ReferenceEngine>,
    private readonly openCache: (model: ReferenceModel) => KnownAnswers | null,
  ) {}

  /**
   * Serves this model, in place of the one before. Requests for it that come while it is loaded wait.
   * @throws ConfigError where it cannot be loaded, as everyone who asks for it is told too
   */
  async change(model: ReferenceModel): Promise<void> {
    await this.close();
    this.refused = null;
    try {
      const { vocabSize } = describeModel(model.modelDir).config;
      const loaded = this.engine.open(model);
      this.open = { model, vocabSize, cache: this.openCache(model), loaded };
      await loaded;
    } catch (reason) {
      if (reason instanceof ConfigError) this.refused = { model, reason };
      throw reason;
    }
  }

  /** @throws OtherModel; ConfigError where the model cannot be served */
  vocabSizeOf(model: ReferenceModel): number {
    return this.require(model).vocabSize;
  }

  /**
   * Log-probs of one micro-batch: known from before, or computed whole and alone, one after the other.
   * @throws OtherModel; ConfigError where the model cannot be served
   */
  async score(
    model: ReferenceModel,
    leaf: LeafRequest,
  ): Promise<{ readonly completions: readonly CompletionLogps[]; readonly cached: boolean }> {
    const { cache, loaded } = this.require(model);
    const known = (await cache?.find(leaf)) ?? null;
    if (known !== null) return { completions: known, cached: true };
    await loaded;
    // The engine computes in the order of calls: what is called before it opens another model is computed by this one.
    this.require(model);
    const completions = await this.engine.call('score', leaf);
    cache?.keep(leaf, completions);
    return { completions, cached: false };
  }

  /** Serves nothing any more; resolves once the answers are on the disk. */
  async close(): Promise<void> {
    const { open } = this;
    this.open = null;
    await open?.cache?.close();
  }

  private require(model: ReferenceModel): Open {
    if (this.refused !== null && isDeepStrictEqual(this.refused.model, model)) throw this.refused.reason;
    if (this.open === null || !isDeepStrictEqual(this.open.model, model)) {
      const served = this.open === null ? 'no model' : nameOf(this.open.model);
      throw new OtherModel(`it serves ${served}, and not ${nameOf(model)} yet`);
    }
    return this.open;
  }
}

function nameOf({ modelDir, adapterDir }: ReferenceModel): string {
  return adapterDir === null ? modelDir : `${modelDir} with ${adapterDir}`;
}
