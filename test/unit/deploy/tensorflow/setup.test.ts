import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { readBindingSources } from '../../../../deploy/tensorflow/binding.js';
import { libraryDirectory } from '../../../../deploy/tensorflow/cache.js';
import { isLinked } from '../../../../deploy/tensorflow/link.js';
import { builds } from '../../../../deploy/tensorflow/pins.js';
import { setUpTensorFlow } from '../../../../deploy/tensorflow/setup.js';
import { ConfigError } from '../../../../lib/errors.js';
import { fakePackage } from './fake-machine.js';
import { temporaryDirectory } from './temporary-directory.js';

const broken = `throw new Error('libtensorflow_cc.so.2: invalid ELF header');`;

/** A machine whose cache holds the library already, and a package that is not linked to it yet. */
async function prepare(t: TestContext, prelude = '') {
  const directory = temporaryDirectory(t);
  const packageRoot = fakePackage(join(directory, 'package'), '2.21.0', prelude);
  const cache = join(directory, 'cache');
  const library = libraryDirectory(cache, builds.cpu, await readBindingSources(packageRoot));
  mkdirSync(join(library, 'napi-v8'), { recursive: true });
  const env = { ...process.env, PROSPECT_CACHE: cache, PROSPECT_TENSORFLOW: 'cpu' };
  const setUp = async (check: boolean) => {
    const lines: string[] = [];
    await setUpTensorFlow({ check, log: (line) => lines.push(line), env, packageRoot });
    return lines;
  };
  return { packageRoot, library, setUp };
}

test('links and loads the library once; later calls do not load it', async (t) => {
  const { packageRoot, library, setUp } = await prepare(t);
  const [line, ...others] = await setUp(false);
  assert.match(line ?? '', /^TensorFlow 2\.21\.0 on CPU/);
  assert.deepEqual(others, []);
  assert.ok(isLinked(packageRoot, library));
  fakePackage(packageRoot, '2.21.0', broken);
  assert.deepEqual(await setUp(false), []);
});

test('a check loads the library again and fails with the reason', async (t) => {
  const { packageRoot, setUp } = await prepare(t);
  await setUp(false);
  assert.equal((await setUp(true)).length, 1);
  fakePackage(packageRoot, '2.21.0', broken);
  await assert.rejects(
    setUp(true),
    new ConfigError('TensorFlow cannot be loaded: Error: libtensorflow_cc.so.2: invalid ELF header'),
  );
});

test('a library that cannot be loaded does not stay linked', async (t) => {
  const { packageRoot, setUp } = await prepare(t, broken);
  await assert.rejects(setUp(false), /invalid ELF header/);
  assert.ok(!existsSync(join(packageRoot, 'lib', 'napi-v8')));
});
