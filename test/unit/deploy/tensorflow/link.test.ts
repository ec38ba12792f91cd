import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { isLinked, linkBinding, unlinkBinding } from '../../../../deploy/tensorflow/link.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from './temporary-directory.js';

function prepare(t: TestContext) {
  const directory = temporaryDirectory(t);
  const packageRoot = join(directory, 'package');
  const library = join(directory, 'library');
  mkdirSync(packageRoot);
  mkdirSync(join(library, 'napi-v8'), { recursive: true });
  writeFileSync(join(library, 'napi-v8', 'tfjs_binding.node'), 'the binding');
  const binding = () => readFileSync(join(packageRoot, 'lib', 'napi-v8', 'tfjs_binding.node'), 'utf8');
  return { packageRoot, library, binding };
}

test('links the folder into a fresh package, and again after npm deleted it', (t) => {
  const { packageRoot, library, binding } = prepare(t);
  assert.equal(isLinked(packageRoot, library), false);
  linkBinding(packageRoot, library);
  assert.equal(isLinked(packageRoot, library), true);
  rmSync(join(packageRoot, 'lib'), { recursive: true });
  assert.equal(isLinked(packageRoot, library), false);
  linkBinding(packageRoot, library);
  assert.equal(binding(), 'the binding');
  assert.deepEqual(readdirSync(join(packageRoot, 'lib')), ['napi-v8']);
});

test("takes the place of another version's link and of a real folder", (t) => {
  const { packageRoot, library, binding } = prepare(t);
  const path = join(packageRoot, 'lib', 'napi-v8');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'tfjs_binding.node'), 'of the install script');
  assert.equal(isLinked(packageRoot, library), false);
  linkBinding(packageRoot, library);
  assert.equal(binding(), 'the binding');
  linkBinding(packageRoot, '/another/library');
  assert.equal(readlinkSync(path), '/another/library/napi-v8');
  linkBinding(packageRoot, library);
  assert.equal(binding(), 'the binding');
});

test('unlinking keeps the library', (t) => {
  const { packageRoot, library } = prepare(t);
  linkBinding(packageRoot, library);
  unlinkBinding(packageRoot);
  assert.deepEqual(readdirSync(join(packageRoot, 'lib')), []);
  assert.deepEqual(readdirSync(join(library, 'napi-v8')), ['tfjs_binding.node']);
});

test('a package that cannot be written is a ConfigError', (t) => {
  const { packageRoot, library } = prepare(t);
  writeFileSync(join(packageRoot, 'lib'), 'a file where the folder should be');
  assert.throws(() => linkBinding(packageRoot, library), ConfigError);
});
