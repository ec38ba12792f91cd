import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { checkTensorFlow, requireGpu } from '../../../../deploy/tensorflow/check.js';
import { builds } from '../../../../deploy/tensorflow/pins.js';
import { ConfigError } from '../../../../lib/errors.js';
import { binDirectory, fakePackage, writeScript } from './fake-machine.js';
import { temporaryDirectory } from './temporary-directory.js';

function withMessage(message: RegExp) {
  return (error: unknown) => error instanceof ConfigError && message.test(error.message);
}

test('says version, device and speed in one line', async (t) => {
  const line = await checkTensorFlow(builds.cpu, fakePackage(temporaryDirectory(t), '2.21.0'), process.env);
  assert.match(line, /^TensorFlow 2\.21\.0 on CPU .+ \(\d+ threads\): \d+ GFLOP\/s$/);
});

test('names the GPU that the library registers', async (t) => {
  const logged = `console.error('I gpu_device.cc:2021] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 77808 MB memory:  -> device: 0, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:19:00.0, compute capability: 9.0')`;
  const root = fakePackage(temporaryDirectory(t), '2.21.0', logged, true);
  const line = await checkTensorFlow(builds.cuda, root, process.env);
  assert.match(line, /^TensorFlow 2\.21\.0 on GPU NVIDIA H100 80GB HBM3: \d+ GFLOP\/s$/);
});

test('a library that cannot be loaded is an error with the reason', async (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, 'lib'));
  writeFileSync(
    join(root, 'index.js'),
    `throw new Error('libtensorflow_cc.so.2: cannot open shared object file')`,
  );
  await assert.rejects(
    checkTensorFlow(builds.cpu, root, process.env),
    withMessage(/^TensorFlow cannot be loaded: .*libtensorflow_cc\.so\.2: cannot open shared object file/),
  );
});

test('another version is refused', async (t) => {
  await assert.rejects(
    checkTensorFlow(builds.cpu, fakePackage(temporaryDirectory(t), '2.9.1'), process.env),
    withMessage(/^TensorFlow is version 2\.9\.1 in place of 2\.21\.0$/),
  );
});

test('a GPU that the machine has and TensorFlow does not register is an error with what the library logged', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh']);
  writeScript(join(PATH, 'nvidia-smi'), 'echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"');
  const logged = `console.error('2025-01-01 00:00:00 W gpu_device.cc:2400] Cannot dlopen some GPU libraries.')`;
  await assert.rejects(
    checkTensorFlow(builds.cuda, fakePackage(temporaryDirectory(t), '2.21.0', logged), { PATH }),
    withMessage(/registers no GPU although this machine has one: Cannot dlopen some GPU libraries\.$/),
  );
});

test('where only a GPU will do, the CPU is refused, with what the library logged and what to do', async (t) => {
  const logged = `console.error('2025-01-01 00:00:00 W gpu_device.cc:2400] Cannot dlopen some GPU libraries.')`;
  await assert.rejects(
    requireGpu(fakePackage(temporaryDirectory(t), '2.21.0', logged), process.env),
    withMessage(/registers no GPU, and .* Cannot dlopen some GPU libraries\.; give the container a GPU/),
  );
});

test('where only a GPU will do, a GPU is named', async (t) => {
  const logged = `console.error('I gpu_device.cc:2021] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 77808 MB memory:  -> device: 0, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:19:00.0, compute capability: 9.0')`;
  const line = await requireGpu(fakePackage(temporaryDirectory(t), '2.21.0', logged, true), process.env);
  assert.match(line, /^TensorFlow 2\.21\.0 on GPU NVIDIA H100 80GB HBM3: \d+ GFLOP\/s$/);
});
