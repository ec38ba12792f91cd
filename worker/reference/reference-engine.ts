import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { completionLogps, type CompletionLogps } from '../model/completion-logps.js';
import type { Sequence } from '../model/language-model.js';
import type { LeafRequest } from './cache/entry.js';
import { loadModel, type LoadedModel } from '../model/load.js';

/** The frozen reference model, on the replica's compute thread. */
export class ReferenceEngine {
  private readonly loaded: LoadedModel;

  constructor({ modelDir, adapterDir }: ReferenceModel) {
    this.loaded = loadModel(modelDir, adapterDir === null ? null : { directory: adapterDir });
  }

  /** Log-probs of one micro-batch, computed whole and alone. */
  score({ sequences, branches, byToken }: LeafRequest): readonly CompletionLogps[] {
    return this.tokenLogps(sequences, branches).map((logps) => completionLogps(logps, byToken));
  }

  private tokenLogps(sequences: readonly Sequence[], branches: number): readonly Float32Array[] {
    const { model, weights } = this.loaded;
    if (branches === 0) return model.tokenLogps(weights, sequences);
    const trunks = sequences.length - branches;
    const logps = model.branchedLogps(weights, sequences.slice(0, trunks), sequences.slice(trunks));
    return [...logps.trunks, ...logps.branches];
  }

  dispose(): void {
    this.loaded.weights.dispose();
    this.loaded.model.dispose();
  }
}
