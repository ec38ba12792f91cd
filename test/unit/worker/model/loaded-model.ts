import { describeModel, loadWeights, type ModelDescription } from '../../../../worker/model/description.js';
import { LanguageModel, type BoundWeights, type Sequence } from '../../../../worker/model/language-model.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { layOut, type ParameterLayout } from '../../../../worker/parameters/layout.js';
import { configureThreads } from '../../../../worker/tensorflow/environment.js';
import { Accumulator } from '../../../../worker/tensorflow/in-place.js';
import { allocateShared } from '../../../../worker/tensorflow/shared-memory.js';

/** A model with its weights, as a worker holds it. */
export interface LoadedModel {
  readonly description: ModelDescription;
  readonly layout: ParameterLayout;
  readonly buffer: FlatBuffer;
  readonly model: LanguageModel;
  readonly weights: BoundWeights;
}

/** A buffer that TensorFlow can use in place. */
export function allocateFlat(layout: ParameterLayout): FlatBuffer {
  const memory = layout.segments.map(({ start, end }) => allocateShared((end - start) * 4));
  return FlatBuffer.wrap(layout, memory);
}

/** With two threads, whatever the machine has. */
export function loadModel(directory: string): LoadedModel {
  configureThreads(2);
  const description = describeModel(directory);
  const layout = layOut(description.tensors);
  const buffer = allocateFlat(layout);
  loadWeights(description, buffer);
  const model = new LanguageModel(description, layout);
  return { description, layout, buffer, model, weights: model.bind(buffer) };
}

/** Log-probs of a batch, and the gradient of −Σ logps over the flat space. */
export function gradientOf(
  { model, weights, layout }: LoadedModel,
  sequences: readonly Sequence[],
): { logps: Float64Array; gradient: Float32Array } {
  const gradient = allocateFlat(layout);
  const logps = model.forwardBackward(weights, sequences, (sums) => sums.map(() => -1), {
    add(place, values) {
      const accumulator = new Accumulator(gradient.tensor(place));
      accumulator.store(values);
      accumulator.dispose();
    },
  });
  const [values] = gradient.slices({ start: 0, end: layout.size });
  return { logps, gradient: values! };
}
