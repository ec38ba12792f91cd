import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { alertRules, defaultThresholds } from '../../deploy/monitoring/alerts.js';
import { selectIn } from '../../deploy/monitoring/select.js';
import { chart, missing, run, succeed } from './tools.js';

/** What is set, and what the error must say. */
const refused: readonly (readonly [string, RegExp])[] = [
  ['launcher=slurm', /'\/launcher': value must be one of 'kubernetes', 'process'/],
  [
    'tls.mode=off',
    /'\/tls\/mode': value must be one of 'generated', 'cert-manager', 'existing-secret', 'none'/,
  ],
  ['workers.gpuPerNode=8', /'\/workers': additional properties 'gpuPerNode' not allowed/],
  ['worker.gpusPerNode=8', /additional properties 'worker' not allowed/],
  ['workers.gpusPerNode=-1', /'\/workers\/gpusPerNode': minimum: got -1, want 0/],
  ['workers.gpusPerNode=some', /'\/workers\/gpusPerNode': got string, want integer/],
  ['workers.gpuResource=gpu', /'\/workers\/gpuResource': 'gpu' does not match pattern/],
  [
    'workers.reference.mode=none',
    /'\/workers\/reference\/mode': value must be one of 'dedicated', 'shared'$/m,
  ],
  [
    'workers.reference.mode=precomputed',
    /'\/workers\/reference\/mode': value must be one of 'dedicated', 'shared'$/m,
  ],
  ['coordinator.journal.size=lots', /'\/coordinator\/journal\/size': 'lots' does not match pattern/],
  ['coordinator.replicas=2', /'\/coordinator': additional properties 'replicas' not allowed/],
  ['coordinator.terminationGracePeriodSeconds=5', /terminationGracePeriodSeconds': minimum: got 5, want 30/],
  ['images.worker.digest=sha256:12', /'\/images\/worker\/digest': 'sha256:12' does not match pattern/],
  [
    'monitoring.rules.disabled={ProspectNoSteps}',
    /'\/monitoring\/rules\/disabled\/0': value must be one of 'ProspectNoStep'/,
  ],
  ['monitoring.rules.noStepFor=soon', /'\/monitoring\/rules\/noStepFor': 'soon' does not match pattern/],
  [
    'networkPolicy.egressPorts={70000}',
    /'\/networkPolicy\/egressPorts\/0': maximum: got 70,?000, want 65,?535/,
  ],
  [
    'tls.mode=cert-manager',
    /tls\.mode is cert-manager: name the issuer in tls\.certManager\.issuerRef\.name/,
  ],
  ['tls.mode=existing-secret', /tls\.mode is existing-secret: name the Secrets in tls\.existingSecrets/],
  ['tls.existingSecrets.worker=mine', /tls\.existingSecrets are set, but tls\.mode is generated/],
  ['tls.mode=none,tokens.existingSecret=people', /tokens would travel in the clear/],
  ['queueing.mode=kueue', /queueing\.mode is kueue: name the queue in queueing\.queue/],
  ['queueing.queue=trainers', /queueing\.queue is set, but queueing\.mode is none/],
  [
    'launcher=process,queueing.mode=kueue,queueing.queue=q',
    /launcher is process: it makes no Jobs that kueue could queue/,
  ],
  [
    'monitoring.operator=enabled',
    /does not know monitoring\.coreos\.com\/v1 \w+: install the Prometheus operator's CRDs/,
  ],
];

describe('bad values are refused, in words that help', { skip: missing('helm') }, () => {
  for (const [values, message] of refused) {
    test(values, async () => {
      const { exitCode, stderr } = await run('helm', 'template', 'demo', chart, '--set', values);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, message);
    });
  }

  test('the names of alerts that may be left out are those that there are', async () => {
    const names = alertRules(selectIn(''), defaultThresholds).groups.flatMap(({ rules }) =>
      rules.map(({ alert }) => alert),
    );
    await succeed(
      'helm',
      'template',
      'demo',
      chart,
      '--set',
      `monitoring.rules.disabled={${names.join(',')}}`,
    );
  });
});
