import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { ConfigError, messageOf } from '../../lib/errors.js';
import type { NativeBinding } from './binding.js';

const PACKAGE = '@tensorflow/tfjs-node-gpu';

let loaded: NativeBinding | undefined;

/**
 * Loads TensorFlow into this thread; later calls return the same binding. Only the compiled binding of the package is
 * taken: the tensors and kernels of its JavaScript API are not used.
 *
 * @throws ConfigError if the native library is not set up.
 */
export function loadTensorFlow(): NativeBinding {
  loaded ??= requireBinding();
  return loaded;
}

/** Runs `body` with another binding in place of TensorFlow's. `body` must not await anything. */
export function withBinding<T>(binding: NativeBinding, body: () => T): T {
  const before = loaded;
  loaded = binding;
  try {
    return body();
  } finally {
    loaded = before;
  }
}

function requireBinding(): NativeBinding {
  const require = createRequire(import.meta.url);
  let binding: unknown;
  try {
    const root = dirname(require.resolve(`${PACKAGE}/package.json`));
    binding = require(join(root, 'lib/napi-v8/tfjs_binding.node'));
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new ConfigError(
      `TensorFlow's native library cannot be loaded (${reason}); run: npx prospect setup`,
    );
  }
  if (!isBinding(binding)) {
    throw new ConfigError(`${PACKAGE} carries an unknown native binding; run: npx prospect setup`);
  }
  return binding;
}

function isBinding(value: unknown): value is NativeBinding {
  const functions = [
    'createTensor',
    'deleteTensor',
    'tensorDataSync',
    'executeOp',
    'isUsingGpuDevice',
    'getNumOfTensors',
  ];
  if (typeof value !== 'object' || value === null) return false;
  const properties = value as Record<string, unknown>;
  return (
    typeof properties['TF_Version'] === 'string' &&
    functions.every((name) => typeof properties[name] === 'function')
  );
}
