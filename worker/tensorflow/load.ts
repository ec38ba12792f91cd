import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

import { ConfigError, messageOf } from '../../lib/errors.js';
import type { NativeBinding } from './binding.js';

const PACKAGE = '@tensorflow/tfjs-node-gpu';
const BINDING = 'lib/napi-v8/tfjs_binding.node';

const require = createRequire(import.meta.url);

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

/**
 * Names the build that is loaded: set-up links the binding from a directory that is named by version, device and all that
 * the library is made from.
 */
export function tensorFlowBuild(): string {
  return basename(join(realpathSync(bindingPath()), '../..'));
}

function bindingPath(): string {
  return join(dirname(require.resolve(`${PACKAGE}/package.json`)), BINDING);
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
  let binding: unknown;
  try {
    binding = require(bindingPath());
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
