import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import type { BindingSources } from '../../../../deploy/tensorflow/binding.js';
import type { Build } from '../../../../deploy/tensorflow/pins.js';

/** An executable shell script. */
export function writeScript(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

/** The full path of a program that this machine has. */
export function programPath(name: string): string {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  const found = directories
    .map((directory) => join(directory, name))
    .find((path) => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) throw new Error(`this test needs ${name}`);
  return found;
}

/** A folder to be the whole PATH: the named programs and nothing else. */
export function binDirectory(directory: string, programs: readonly string[]): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  for (const name of programs) symlinkSync(programPath(name), join(bin, name));
  return bin;
}

/** A wheel with two small real libraries in the place of TensorFlow's, a header, and a file that is not kept. */
export function makeWheel(directory: string): { readonly path: string; readonly build: Build } {
  const root = join(directory, 'wheel');
  mkdirSync(join(root, 'tensorflow', 'include'), { recursive: true });
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) {
    const source = join(directory, 'library.cc');
    writeFileSync(source, `extern "C" int answer() { return 42; }\n`);
    execFileSync('g++', [
      '-shared',
      '-fPIC',
      `-Wl,-soname,${name}`,
      '-o',
      join(root, 'tensorflow', name),
      source,
    ]);
  }
  writeFileSync(join(root, 'tensorflow', 'include', 'answer.h'), 'extern "C" int answer();\n');
  writeFileSync(join(root, 'tensorflow', 'unneeded.py'), '');
  const path = join(directory, 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl');
  execFileSync('python3', ['-m', 'zipfile', '-c', path, 'tensorflow'], { cwd: root });
  const content = readFileSync(path);
  const wheel = {
    project: 'tensorflow-cpu',
    version: '2.21.0',
    platform: 'manylinux_2_27_x86_64',
    sha256: createHash('sha256').update(content).digest('hex'),
    bytes: content.length,
    keep: ['tensorflow/lib*', 'tensorflow/include/*'],
  };
  return { path, build: { device: 'cpu', wheels: [wheel], diskBytes: 1e6 } };
}

/** A package whose binding asks the library of {@link makeWheel}. */
export function makeBindingSources(directory: string): BindingSources {
  const packageRoot = join(directory, 'package');
  mkdirSync(join(packageRoot, 'binding'), { recursive: true });
  mkdirSync(join(directory, 'headers', 'include'), { recursive: true });
  const content = '#include "answer.h"\nextern "C" int ask() { return answer(); }\n';
  writeFileSync(join(packageRoot, 'binding', 'ask.cc'), content);
  return {
    packageRoot,
    packageVersion: '4.22.0',
    files: [{ name: 'ask.cc', content }],
    headersRoot: join(directory, 'headers'),
    headersVersion: '1.9.0',
  };
}

/**
 * A `python3` whose `pip download` runs `download` (a line of shell with the destination in `$dest`) in the place of
 * the network; everything else is real Python.
 */
export function fakePython(directory: string, download: string): string {
  const path = join(directory, 'fake-python');
  writeScript(
    path,
    `if [ "$1 $2 $3" = "-m pip --version" ]; then echo 'pip 24.0'; exit 0; fi
if [ "$1 $2 $3" = "-m pip download" ]; then
  while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; shift; done
  ${download}
  exit
fi
exec '${programPath('python3')}' "$@"`,
  );
  return path;
}

/** A package that answers what the probe asks of `@tensorflow/tfjs-node-gpu`; `prelude` is code that runs first. */
export function fakePackage(root: string, tensorFlowVersion: string, prelude = '', hasGpu = false): string {
  mkdirSync(join(root, 'binding'), { recursive: true });
  writeFileSync(join(root, 'binding', 'tfjs_binding.cc'), 'int x;');
  writeFileSync(join(root, 'package.json'), JSON.stringify({ version: '4.22.0' }));
  writeFileSync(
    join(root, 'index.js'),
    `${prelude}
    const matrix = { slice: () => ({ dataSync: () => [1] }), dispose: () => {} };
    exports.backend = () => ({ isUsingGpuDevice: ${hasGpu}, binding: { TF_Version: '${tensorFlowVersion}' } });
    exports.tidy = (work) => work();
    exports.ones = exports.matMul = () => matrix;`,
  );
  return root;
}
