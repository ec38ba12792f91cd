import type { Sequence } from '../model/language-model.js';
import { loadModel, type LoadedModel } from '../model/load.js';

export interface OpenReference {
  readonly modelDir: string;
}

/** The frozen reference model, on the replica's compute thread. */
export class ReferenceEngine {
  private readonly loaded: LoadedModel;

  constructor({ modelDir }: OpenReference) {
    this.loaded = loadModel(modelDir);
  }

  /** Log-probs of one micro-batch, computed whole and alone. Shape [batch]. */
  logps(sequences: readonly Sequence[]): Float64Array {
    return this.loaded.model.logps(this.loaded.weights, sequences);
  }

  dispose(): void {
    this.loaded.weights.dispose();
    this.loaded.model.dispose();
  }
}
