import { Dtype } from './binding.js';
import { loadTensorFlow } from './load.js';
import { floats, type Tensor } from './tensor.js';

/**
 * A tensor over `values` where they lie: whatever is written there, by any thread, is what the tensor holds.
 *
 * @throws Error if they do not start on a 64-byte boundary, since TensorFlow would then silently work on a copy.
 */
export function tensorOver(values: Float32Array, shape: readonly number[]): Tensor {
  if (!isAliased(values)) {
    throw new Error('these values do not start on a 64-byte boundary: allocate them with allocateShared');
  }
  return floats(shape, values);
}

/** Writes through the array and looks whether a tensor over its first element sees it; puts the element back. */
function isAliased(values: Float32Array): boolean {
  const binding = loadTensorFlow();
  const probe = binding.createTensor([1], Dtype.float32, values.subarray(0, 1));
  const original = values[0]!;
  try {
    const written = original === 1 ? 2 : 1;
    values[0] = written;
    return binding.tensorDataSync(probe)[0] === written;
  } finally {
    values[0] = original;
    binding.deleteTensor(probe);
  }
}
