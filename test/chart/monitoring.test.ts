import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { stringify } from 'yaml';

import { packagePath } from '../../lib/package.js';
import { expressionsOf } from '../unit/deploy/monitoring/expressions.js';
import { objectsIn } from './objects.js';
import { missing, operatorKinds, render, succeed, temporaryDirectory } from './tools.js';

describe('alerts and dashboard', { skip: missing('promtool') }, () => {
  test('each alert is raised by what it is for, and by nothing near it', async () => {
    await succeed('promtool', 'test', 'rules', packagePath('test/chart/alerts.test.yaml'));
  });

  test('the rules that the chart makes are sound', { skip: missing('helm') }, async (t) => {
    const rule = objectsIn(await render('demo', ...operatorKinds)).find(
      ({ kind }) => kind === 'PrometheusRule',
    );
    const file = join(temporaryDirectory(t), 'rules.yaml');
    writeFileSync(file, stringify(rule?.spec));
    await succeed('promtool', 'check', 'rules', file);
  });

  test('every expression of the dashboard is PromQL', async (t) => {
    const rules = expressionsOf('deploy/monitoring/dashboard.json').map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }));
    const file = join(temporaryDirectory(t), 'rules.yaml');
    writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }));
    await succeed('promtool', 'check', 'rules', file);
  });

  test("Docker's Prometheus is configured soundly", async () => {
    await succeed(
      'promtool',
      'check',
      'config',
      '--syntax-only',
      packagePath('deploy/monitoring/prometheus.yaml'),
    );
  });
});
