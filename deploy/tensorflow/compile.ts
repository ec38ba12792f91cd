import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { ConfigError } from '../../lib/errors.js';
import type { BindingSources } from './binding.js';
import { reasonOf, runCommand, type Environment } from './command.js';

/** The folder of the binding, in the library's directory as in the package's `lib/`. */
export const bindingFolder = 'napi-v8';

/** The run path is relative, so that the directory may be renamed once it is complete. */
export const compilerFlags = [
  ...['-std=c++17', '-O2', '-shared', '-fPIC', '-DNAPI_VERSION=8'],
  '-Wl,-rpath,$ORIGIN/../tensorflow',
] as const;

/** Compiles the binding of Node and TensorFlow into `directory`, which holds the unpacked `tensorflow/`. */
export async function compileBinding(
  sources: BindingSources,
  directory: string,
  compiler: string,
  env: Environment,
): Promise<void> {
  const tensorflow = join(directory, 'tensorflow');
  await mkdir(join(directory, bindingFolder));
  const finished = await runCommand(
    compiler,
    [
      ...compilerFlags,
      ...['-I', sources.packageRoot, '-I', join(tensorflow, 'include')],
      ...['-I', join(sources.headersRoot, 'include')],
      ...sources.files
        .filter(({ name }) => name.endsWith('.cc'))
        .map(({ name }) => join(sources.packageRoot, 'binding', name)),
      join(tensorflow, 'libtensorflow_cc.so.2'),
      join(tensorflow, 'libtensorflow_framework.so.2'),
      ...['-o', join(directory, bindingFolder, 'tfjs_binding.node')],
    ],
    env,
  );
  if (finished.exitCode === 0) return;
  throw new ConfigError(`${compiler} cannot compile TensorFlow's binding: ${reasonOf(finished)}`);
}
