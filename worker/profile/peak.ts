import { matMul } from '../tensorflow/ops.js';
import { floats, read, scope } from '../tensorflow/tensor.js';

const SIZE = 1536;
/** Enough that one of them is undisturbed while other processes of the run start. */
const ROUNDS = 12;

/** Floating-point operations in a second that a product of two large square matrices reaches on this thread, at best. */
export function measurePeakFlops(): number {
  return scope(() => {
    const matrix = floats([SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1));
    const seconds = Array.from({ length: ROUNDS }, () => {
      const startMs = performance.now();
      // Reading waits for the device.
      scope(() => read(matMul(matrix, matrix)));
      return (performance.now() - startMs) / 1000;
    });
    return (2 * SIZE ** 3) / Math.min(...seconds);
  });
}
