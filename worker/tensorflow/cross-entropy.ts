import { loadTensorFlow } from './load.js';
import {
  logSoftmax,
  multiply,
  oneHot,
  scalar,
  softmax,
  sparseSoftmaxCrossEntropy,
  subtract,
  sum,
} from './ops.js';
import { ints, type Tensor } from './tensor.js';

export interface CrossEntropy {
  /** −log softmax(logits)[label], [n]. */
  readonly loss: Tensor;
  /** d loss / d logits of each row: softmax(logits) − onehot(label), [n, classes]. */
  readonly gradient: Tensor;
}

/** Cross-entropy of each row of `logits` [n, classes] with its label. */
export function crossEntropy(logits: Tensor, labels: Int32Array): CrossEntropy {
  // The fused kernel refuses to run on a GPU where TF_DETERMINISTIC_OPS is set.
  return loadTensorFlow().isUsingGpuDevice()
    ? plainCrossEntropy(logits, labels)
    : fusedCrossEntropy(logits, labels);
}

export function fusedCrossEntropy(logits: Tensor, labels: Int32Array): CrossEntropy {
  const [loss, gradient] = sparseSoftmaxCrossEntropy(logits, ints(labels));
  return { loss, gradient };
}

export function plainCrossEntropy(logits: Tensor, labels: Int32Array): CrossEntropy {
  const target = oneHot(ints(labels), logits.shape[1]!);
  const loss = multiply(sum(multiply(logSoftmax(logits), target), 1), scalar(-1));
  return { loss, gradient: subtract(softmax(logits), target) };
}
