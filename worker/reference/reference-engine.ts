import { describeModel, loadWeights } from '../model/description.js';
import { LanguageModel, type BoundWeights, type Sequence } from '../model/language-model.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { layOut } from '../parameters/layout.js';

export interface OpenReference {
  readonly modelDir: string;
}

/** The frozen reference model, on the replica's compute thread. */
export class ReferenceEngine {
  private readonly model: LanguageModel;
  private readonly weights: BoundWeights;

  constructor({ modelDir }: OpenReference) {
    const description = describeModel(modelDir);
    const layout = layOut(description.tensors);
    const buffer = FlatBuffer.allocate(layout);
    loadWeights(description, buffer);
    this.model = new LanguageModel(description, layout);
    this.weights = this.model.bind(buffer);
  }

  /** Log-probs of one micro-batch, computed whole and alone. Shape [batch]. */
  logps(sequences: readonly Sequence[]): Float64Array {
    return this.model.logps(this.weights, sequences);
  }

  dispose(): void {
    this.weights.dispose();
  }
}
