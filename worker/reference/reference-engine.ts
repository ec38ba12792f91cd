import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { completionLogps, type CompletionLogps } from '../model/completion-logps.js';
import type { Sequence } from '../model/language-model.js';
import { loadModel, type LoadedModel } from '../model/load.js';

/** The frozen reference model, on the replica's compute thread. */
export class ReferenceEngine {
  private readonly loaded: LoadedModel;

  constructor({ modelDir, adapterDir }: ReferenceModel) {
    this.loaded = loadModel(modelDir, adapterDir === null ? null : { directory: adapterDir });
  }

  /** Log-probs of one micro-batch, computed whole and alone. */
  score(sequences: readonly Sequence[], byToken: boolean): readonly CompletionLogps[] {
    const tokenLogps = this.loaded.model.tokenLogps(this.loaded.weights, sequences);
    return tokenLogps.map((logps) => completionLogps(logps, byToken));
  }

  dispose(): void {
    this.loaded.weights.dispose();
    this.loaded.model.dispose();
  }
}
