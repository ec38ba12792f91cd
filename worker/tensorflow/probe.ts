/**
 * Run by `prospect setup` in a process of its own, with the root of `@tensorflow/tfjs-node-gpu` as its argument:
 * loads the native library, multiplies matrices and prints one line of JSON with the version, device and speed.
 */
import { createRequire } from 'node:module';
import util from 'node:util';

import type * as TensorFlow from '@tensorflow/tfjs-node-gpu';

interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

// The binding's package calls these, which Node 23 removed.
const legacyUtil = util as {
  isNullOrUndefined?: (value: unknown) => boolean;
  isArray?: typeof Array.isArray;
};
legacyUtil.isNullOrUndefined ??= (value) => value === null || value === undefined;
legacyUtil.isArray ??= Array.isArray;

const [packageRoot] = process.argv.slice(2);
if (packageRoot === undefined) throw new Error('usage: probe.js PACKAGE_ROOT');

const tf = createRequire(import.meta.url)(packageRoot) as typeof TensorFlow;
const { isUsingGpuDevice, binding } = tf.backend() as unknown as NativeBackend;
const size = isUsingGpuDevice ? 8192 : 1024;

process.stdout.write(
  `${JSON.stringify({
    version: binding.TF_Version,
    device: isUsingGpuDevice ? 'cuda' : 'cpu',
    gigaflopsPerSecond: Math.max(...Array.from({ length: 3 }, () => measureMatMul(size, 10))),
  })}\n`,
);

/** GFLOP/s of `count` products of two square float32 matrices. Reading one number waits for the device. */
function measureMatMul(size: number, count: number): number {
  return tf.tidy(() => {
    const a = tf.ones([size, size]);
    const b = tf.ones([size, size]);
    readOne(a);
    readOne(b);
    const start = process.hrtime.bigint();
    for (let i = 1; i < count; i++) tf.matMul(a, b).dispose();
    readOne(tf.matMul<TensorFlow.Tensor>(a, b));
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    return (2 * count * size ** 3) / seconds / 1e9;
  });
}

function readOne(matrix: TensorFlow.Tensor): void {
  matrix.slice([0, 0], [1, 1]).dataSync();
}
