import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConfigError } from '../../../../lib/errors.js';
import { gpuEnvironments } from '../../../../worker/supervisor/gpu.js';
import { readOptions } from '../../../../worker/supervisor/options.js';

/** As the chart's pod template passes them. */
const template = [
  '--coordinator=prospect-coordinator.training.svc:7070',
  '--run-id=r1',
  '--node=2',
  '--workers=3',
  '--threads=4',
  '--listen-host=10.0.0.7',
  '--reference-socket=/run/prospect/reference.sock',
  '--reference-follow=/run/prospect/reference.json',
  '--metrics-listen=0.0.0.0:9464',
];

describe('the supervisor’s command line', () => {
  test('is that of the chart; a node has the workers of its index', () => {
    assert.deepEqual(readOptions(template), {
      coordinator: 'prospect-coordinator.training.svc:7070',
      runId: 'r1',
      workerIds: ['worker-6', 'worker-7', 'worker-8'],
      threads: 4,
      listenHost: '10.0.0.7',
      referenceSocket: '/run/prospect/reference.sock',
      referenceFollow: '/run/prospect/reference.json',
      metricsListen: '0.0.0.0:9464',
      tls: null,
    });
  });

  test('with the files that a release with TLS mounts, all or none of them', () => {
    const flags = ['--tls-ca=/tls/ca.crt', '--tls-cert=/tls/tls.crt', '--tls-key=/tls/tls.key'];
    const { tls } = readOptions([...template, ...flags]);
    assert.deepEqual(tls, { ca: '/tls/ca.crt', cert: '/tls/tls.crt', key: '/tls/tls.key' });
    assert.throws(() => readOptions([...template, ...flags.slice(1)]), ConfigError);
  });

  test('each flag that is missing is named', () => {
    for (const [index, flag] of template.entries()) {
      const name = flag.slice(0, flag.indexOf('='));
      assert.throws(
        () => readOptions(template.toSpliced(index, 1)),
        new ConfigError(`supervisor: ${name} is missing`),
      );
    }
  });

  for (const flag of ['--node=-1', '--node=', '--node=1.5', '--node=$(X)', '--workers=0', '--threads=1e3']) {
    test(`${flag} is refused`, () => {
      const [name] = flag.split('=');
      const args = template.map((given) => (given.startsWith(`${name}=`) ? flag : given));
      assert.throws(() => readOptions(args), {
        name: 'ConfigError',
        message: new RegExp(`^supervisor: ${name} `),
      });
    });
  }

  test('a flag that it does not know is refused', () => {
    assert.throws(() => readOptions([...template, '--gpus=1']), ConfigError);
  });
});

describe('a node’s GPUs', () => {
  test('are the workers’, one each, in the image that trains on GPUs', () => {
    const cuda = { PROSPECT_TENSORFLOW: 'cuda' };
    assert.deepEqual(gpuEnvironments(2, cuda), [
      { CUDA_VISIBLE_DEVICES: '0' },
      { CUDA_VISIBLE_DEVICES: '1' },
    ]);
    const given = { ...cuda, CUDA_VISIBLE_DEVICES: '5,GPU-1f,2' };
    assert.deepEqual(gpuEnvironments(2, given), [
      { CUDA_VISIBLE_DEVICES: '5' },
      { CUDA_VISIBLE_DEVICES: 'GPU-1f' },
    ]);
    assert.throws(() => gpuEnvironments(4, given), {
      name: 'ConfigError',
      message: 'supervisor: CUDA_VISIBLE_DEVICES names 3 GPUs for 4 workers',
    });
  });

  test('are left alone in the one that trains on CPUs', () => {
    assert.deepEqual(gpuEnvironments(2, { PROSPECT_TENSORFLOW: 'cpu' }), [{}, {}]);
    assert.deepEqual(gpuEnvironments(1, {}), [{}]);
  });
});
