import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { objectsIn, podsIn, podTemplateIn } from './objects.js';
import {
  chart,
  missing,
  missingSchemas,
  operatorKinds,
  render,
  schemaLocation,
  succeed,
  temporaryDirectory,
  valueSets,
} from './tools.js';

describe('the chart', { skip: missing('helm') }, () => {
  for (const [name, values] of valueSets) {
    test(`${name}: helm lint finds nothing`, async () => {
      // Lint can't be told of an operator, whose absence is an error where it is asked for.
      await succeed('helm', 'lint', '--strict', chart, ...values, '--set', 'monitoring.operator=auto');
    });

    test(
      `${name}: every object, and the worker's pod, is as Kubernetes wants it`,
      { skip: missing('kubeconform') || missingSchemas },
      async (t) => {
        const stream = await render('demo', ...values, ...operatorKinds);
        const files = [join(temporaryDirectory(t), 'objects.yaml')];
        writeFileSync(files[0]!, stream);
        const podTemplate = podTemplateIn(stream);
        if (podTemplate !== null) {
          files.push(join(temporaryDirectory(t), 'pod-template.yaml'));
          writeFileSync(files[1]!, podTemplate);
        }
        await succeed('kubeconform', '-strict', '-schema-location', schemaLocation!, ...files);
      },
    );

    test(`${name}: every pod keeps to Pod Security "restricted"`, async () => {
      const pods = podsIn(await render('demo', ...values, ...operatorKinds));
      assert.ok(pods.size >= 2);
      for (const [pod, spec] of pods) {
        assert.equal(spec.securityContext?.['runAsNonRoot'], true, pod);
        assert.deepEqual(spec.securityContext['seccompProfile'], { type: 'RuntimeDefault' }, pod);
        for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
          assert.deepEqual(
            container.securityContext,
            {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            `${pod}/${container.name}`,
          );
        }
        for (const volume of spec.volumes ?? []) assert.equal(volume['hostPath'], undefined, pod);
      }
    });
  }

  test('two releases in one namespace share no object, and no pod is selected by both', async () => {
    const [first, second] = await Promise.all([
      render('one', ...operatorKinds),
      render('two', ...operatorKinds),
    ]);
    const names = (stream: string) =>
      objectsIn(stream).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const shared = names(first).filter((name) => names(second).includes(name));
    assert.deepEqual(shared, []);
    for (const [release, stream] of [
      ['one', first],
      ['two', second],
    ] as const) {
      const selectors = [...stream.matchAll(/app\.kubernetes\.io\/instance: (\S+)/g)].map(([, of]) => of);
      assert.deepEqual([...new Set(selectors)], [release]);
    }
  });

  test('a release that is called after the chart, or for ever, has names that fit', async () => {
    for (const release of ['prospect', 'x'.repeat(53)]) {
      for (const { kind, metadata } of objectsIn(await render(release))) {
        assert.ok(metadata.name.length <= 63, `${kind} ${metadata.name}`);
        assert.doesNotMatch(metadata.name, /prospect-prospect/);
      }
    }
  });

  test('README.md is what helm-docs makes', { skip: missing('helm-docs') }, async () => {
    const made = await succeed(
      'helm-docs',
      '--dry-run',
      '--chart-search-root',
      chart,
      '--log-level',
      'error',
      '--sort-values-order',
      'file',
    );
    const written = readFileSync(join(chart, 'README.md'), 'utf8');
    assert.ok(written.trim() === made.trim(), 'write it again: npm run chart:readme');
    const undescribed = made.split('\n').filter((line) => /^\| \S+ \| \w+ \| `.*` \|\s*\|$/.test(line));
    assert.deepEqual(undescribed, [], 'values without a description');
  });

  test('its own tests pass', { skip: missing('helm-unittest') }, async () => {
    await succeed('helm-unittest', chart);
  });
});
