import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  chooseBuild,
  hasNvidiaGpu,
  requireDiskSpace,
  requireSupportedPlatform,
} from '../../../../deploy/tensorflow/machine.js';
import { builds } from '../../../../deploy/tensorflow/pins.js';
import { ConfigError } from '../../../../lib/errors.js';
import { binDirectory, writeScript } from './fake-machine.js';
import { temporaryDirectory } from './temporary-directory.js';

test('a driver that lists a GPU makes the CUDA build the choice, and PROSPECT_TENSORFLOW overrides it', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh']);
  writeScript(join(PATH, 'nvidia-smi'), 'echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"');
  assert.equal(await hasNvidiaGpu({ PATH }), true);
  assert.equal(await chooseBuild({ PATH }), builds.cuda);
  assert.equal(await chooseBuild({ PATH, PROSPECT_TENSORFLOW: 'cpu' }), builds.cpu);
  assert.equal(await chooseBuild({ PROSPECT_TENSORFLOW: 'cuda' }), builds.cuda);
});

test('another PROSPECT_TENSORFLOW is an error', async () => {
  await assert.rejects(
    chooseBuild({ PROSPECT_TENSORFLOW: 'rocm' }),
    new ConfigError("PROSPECT_TENSORFLOW is 'rocm'; it must be cpu or cuda"),
  );
});

test('a platform without a pinned wheel is named', () => {
  assert.throws(
    () => requireSupportedPlatform('linux-x64-musl'),
    /glibc on x86-64 only; this is linux-x64-musl/,
  );
  assert.throws(() => requireSupportedPlatform('darwin-arm64'), ConfigError);
  requireSupportedPlatform('linux-x64-glibc');
});

test('too little disk space is an error that says how much and where', async (t) => {
  const directory = temporaryDirectory(t);
  await requireDiskSpace(directory, 0);
  await assert.rejects(requireDiskSpace(directory, 1e18), (error: Error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /needs 1000000000\.0 GB in .*, which has \d+\.\d GB free; .*PROSPECT_CACHE/);
    assert.ok(error.message.includes(directory));
    return true;
  });
});
