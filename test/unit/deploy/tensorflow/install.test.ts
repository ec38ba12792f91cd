import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { installLibrary } from '../../../../deploy/tensorflow/install.js';
import { ConfigError } from '../../../../lib/errors.js';
import { fakePython, makeBindingSources, makeWheel } from './fake-machine.js';
import { temporaryDirectory } from './temporary-directory.js';

function prepare(t: TestContext) {
  const directory = temporaryDirectory(t);
  const { path, build } = makeWheel(directory);
  const root = join(directory, 'cache');
  const downloads = join(directory, 'downloads');
  const library = join(root, 'tensorflow-2.21.0-cpu-key');
  const sources = makeBindingSources(directory);
  const install = (download: string) => {
    const lines: string[] = [];
    const env = { ...process.env, PROSPECT_PYTHON: fakePython(directory, download) };
    return installLibrary(library, build, sources, env, (line) => lines.push(line)).then(() => lines);
  };
  return {
    root,
    library,
    install,
    goodDownload: `echo once >> '${downloads}'; cp '${path}' "$dest/"`,
    downloadCount: () => readFileSync(downloads, 'utf8').trim().split('\n').length,
  };
}

test('makes the libraries and a binding that finds them, and nothing else', async (t) => {
  const { root, library, install, goodDownload } = prepare(t);
  const lines = await install(goodDownload);
  assert.deepEqual(readdirSync(root).sort(), ['lock', 'tensorflow-2.21.0-cpu-key']);
  assert.deepEqual(readdirSync(library).sort(), ['napi-v8', 'tensorflow']);
  assert.deepEqual(readdirSync(join(library, 'tensorflow')).sort(), [
    'libtensorflow_cc.so.2',
    'libtensorflow_framework.so.2',
  ]);
  const ask = `import ctypes; print(ctypes.CDLL('${join(library, 'napi-v8', 'tfjs_binding.node')}').ask())`;
  assert.equal(execFileSync('python3', ['-c', ask], { encoding: 'utf8' }).trim(), '42');
  assert.equal(lines[0], 'downloading tensorflow-cpu 2.21.0 (0 MB)');
});

test('a second set-up, and one at the same time, download nothing', async (t) => {
  const { install, goodDownload, downloadCount } = prepare(t);
  await Promise.all([install(goodDownload), install(goodDownload)]);
  await install('exit 1');
  assert.equal(downloadCount(), 1);
});

test('starts over after an interrupted set-up and removes what that left', async (t) => {
  const { root, library, install, goodDownload } = prepare(t);
  const left = `${library}.partial-2f1c`;
  mkdirSync(join(left, 'tensorflow'), { recursive: true });
  writeFileSync(join(left, 'tensorflow', 'libtensorflow_cc.so.2'), 'half of it');
  await install(goodDownload);
  assert.deepEqual(readdirSync(root).sort(), ['lock', 'tensorflow-2.21.0-cpu-key']);
});

const failures = [
  {
    name: 'a wheel with another hash',
    download: 'echo other > "$dest/tensorflow_cpu.whl"',
    message: /^tensorflow-cpu 2\.21\.0: .* sha256 [0-9a-f]{64}, not the pinned [0-9a-f]{64}/,
  },
  {
    name: 'no network',
    download: `echo "WARNING: Retrying: NewConnectionError('Failed to establish a new connection')" >&2; exit 1`,
    message: /^pip could not download tensorflow-cpu 2\.21\.0: the package index cannot be reached/,
  },
  {
    name: 'an index without the wheel',
    download: "echo 'ERROR: No matching distribution found for tensorflow-cpu==2.21.0' >&2; exit 1",
    message:
      /^pip could not download .*: ERROR: No matching distribution found for tensorflow-cpu==2\.21\.0$/,
  },
];

for (const { name, download, message } of failures)
  test(`${name} is a ConfigError of one line, and leaves nothing behind`, async (t) => {
    const { root, library, install } = prepare(t);
    await assert.rejects(install(download), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.ok(!existsSync(library));
    assert.deepEqual(readdirSync(root), ['lock']);
  });
