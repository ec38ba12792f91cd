import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type { BindingSources } from '../../../../deploy/tensorflow/binding.js';
import { libraryDirectory, makeAtomically } from '../../../../deploy/tensorflow/cache.js';
import { builds } from '../../../../deploy/tensorflow/pins.js';
import { temporaryDirectory } from './temporary-directory.js';

const sources: BindingSources = {
  packageRoot: '/package',
  packageVersion: '4.22.0',
  files: [{ name: 'tfjs_binding.cc', content: 'int x;' }],
  headersRoot: '/headers',
  headersVersion: '1.9.0',
};

test('the directory is named by version, device and what the library is made from, not by where that lies', () => {
  const path = libraryDirectory('/cache', builds.cpu, sources);
  assert.match(path, /^\/cache\/tensorflow-2\.21\.0-cpu-[0-9a-f]{16}$/);
  assert.equal(
    libraryDirectory('/cache', builds.cpu, { ...sources, packageRoot: '/x', headersRoot: '/y' }),
    path,
  );
});

test('each ingredient changes the name', () => {
  const [wheel] = builds.cpu.wheels;
  assert.ok(wheel);
  const names = [
    libraryDirectory('/cache', builds.cpu, sources),
    libraryDirectory('/cache', builds.cuda, sources),
    libraryDirectory('/cache', { ...builds.cpu, wheels: [{ ...wheel, sha256: 'other' }] }, sources),
    libraryDirectory('/cache', builds.cpu, { ...sources, packageVersion: '4.23.0' }),
    libraryDirectory('/cache', builds.cpu, { ...sources, headersVersion: '1.9.1' }),
    libraryDirectory('/cache', builds.cpu, {
      ...sources,
      files: [{ name: 'tfjs_binding.cc', content: 'int y;' }],
    }),
  ];
  assert.equal(new Set(names).size, names.length);
});

test('a directory appears whole, and what an interrupted process left goes', async (t) => {
  const root = temporaryDirectory(t);
  const directory = join(root, 'library');
  mkdirSync(`${directory}.partial-of-a-killed-process`);
  await makeAtomically(directory, (partial) => {
    writeFileSync(join(partial, 'content'), '1');
    assert.ok(!existsSync(directory));
    return Promise.resolve();
  });
  assert.deepEqual(readdirSync(root), ['library']);
  assert.deepEqual(readdirSync(directory), ['content']);
});

test('a failure leaves neither the directory nor a part of it', async (t) => {
  const root = temporaryDirectory(t);
  const fill = (partial: string) => {
    writeFileSync(join(partial, 'content'), '1');
    return Promise.reject(new Error('no space left'));
  };
  await assert.rejects(makeAtomically(join(root, 'library'), fill), /no space left/);
  assert.deepEqual(readdirSync(root), []);
});
