import type { Sequence } from '../../../../worker/model/language-model.js';
import { loadModel as load, type AdapterSource, type LoadedModel } from '../../../../worker/model/load.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { configureThreads } from '../../../../worker/tensorflow/environment.js';
import { Accumulator } from '../../../../worker/tensorflow/in-place.js';

export type { LoadedModel };

/** With two threads, whatever the machine has. */
export function loadModel(directory: string, adapter: AdapterSource | null = null): LoadedModel {
  configureThreads(2);
  return load(directory, adapter);
}

/** Frees what a loaded model holds in TensorFlow. */
export function unload({ model, weights }: LoadedModel): void {
  weights.dispose();
  model.dispose();
}

/** Token log-probs of a batch, and the gradient of −Σ logps over the flat space. */
export function gradientOf(
  { model, weights, layout }: LoadedModel,
  sequences: readonly Sequence[],
): { tokenLogps: Float32Array[]; gradient: Float32Array } {
  const gradient = FlatBuffer.allocate(layout);
  const tokenLogps = model.forwardBackward(weights, sequences, (found) => found.map(() => -1), {
    add(place, values) {
      const accumulator = new Accumulator(gradient.tensor(place));
      accumulator.store(values);
      accumulator.dispose();
    },
  });
  const [values] = gradient.slices({ start: 0, end: layout.size });
  return { tokenLogps, gradient: values! };
}
