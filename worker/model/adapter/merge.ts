import { openCheckpoint } from '../../../lib/safetensors/checkpoint.js';
import { elementCount } from '../../parameters/layout.js';
import { matMul, multiply, scalar } from '../../tensorflow/ops.js';
import { floats, read, scope } from '../../tensorflow/tensor.js';
import { describeModel } from '../description.js';
import type { LinearSpec } from '../linear.js';
import { saveModel } from '../save.js';
import type { StoredTensor } from '../stored-tensors.js';
import { loadAdapter, type LoadedAdapter } from './adapter.js';
import { loraTensors } from './lora-linear.js';

/**
 * Writes the base model with the adapter's update in its weights, W + s B A, as a Hugging Face directory of its own in
 * float32. Holds one tensor of the base at a time. Configure TensorFlow's threads before.
 *
 * @throws ConfigError if one of the directories cannot be read or the adapter does not fit; RunError if the target cannot
 * be written.
 */
export function mergeAdapter(baseDir: string, adapterDir: string, targetDir: string): void {
  const description = describeModel(baseDir);
  const loaded = loadAdapter(description, adapterDir);
  const layers = new Map(loaded.adapter.layers.map((layer) => [`${layer.name}.weight`, layer]));
  const checkpoint = openCheckpoint(baseDir);
  try {
    const mergedValues = ({ name, shape, storedAs }: StoredTensor): Float32Array => {
      const values = new Float32Array(elementCount(shape));
      checkpoint.read(storedAs, values);
      const layer = layers.get(name);
      if (layer !== undefined) {
        updateOf(layer, loaded).forEach((value, index) => (values[index]! += value));
      }
      return values;
    };
    saveModel(description, mergedValues, targetDir);
  } finally {
    checkpoint.close();
  }
}

/** s B A in the layout of the layer's weight. */
function updateOf(layer: LinearSpec, { adapter, buffer }: LoadedAdapter): Float32Array {
  return scope(() => {
    const { a, b } = loraTensors(layer, adapter.r);
    const [ofA, ofB] = [a, b].map(({ name, shape }) => floats(shape, buffer.named(name)));
    const product =
      layer.storage === 'outputs-first'
        ? matMul(ofB!, ofA!)
        : matMul(ofA!, ofB!, { transposeA: true, transposeB: true });
    return read(multiply(product, scalar(adapter.scale)));
  });
}
