import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { packagePath } from '../../../../lib/package.js';
import { monitoringFiles } from '../../../../deploy/monitoring/files.js';
import type { Dashboard } from '../../../../deploy/monitoring/grafana/dashboard.js';
import { metrics, processMetrics } from '../../../../deploy/monitoring/metrics.js';
import { expressionsOf } from './expressions.js';

const paths = [...monitoringFiles().keys()];
const dashboards = paths.filter((path) => path.endsWith('.json'));

/** Words of PromQL and names of labels, which look like metrics and are none. */
const words = new Set(
  (
    'sum by without max rate increase changes delta deriv avg_over_time histogram_quantile and ignoring ' +
    'le state phase worker class run'
  ).split(' '),
);

/** What an expression reads, without a histogram's `_bucket`, `_sum` or `_count`. */
function metricsIn(expr: string): string[] {
  const bare = expr.replace(/\{[^}]*\}/g, '').replace(/\[[^\]]*\]/g, '');
  const names = [...bare.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*/g)].map(([name]) => name);
  return names
    .filter((name) => !words.has(name) && !/^@/.test(name))
    .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
}

describe('monitoring files', () => {
  for (const path of paths) {
    test(`${path} is what \`npm run monitoring\` makes`, () => {
      assert.equal(readFileSync(packagePath(path), 'utf8'), monitoringFiles().get(path));
    });

    test(`${path} reads known metrics only`, () => {
      const known = new Set([...Object.keys(metrics), ...Object.keys(processMetrics)]);
      const expressions = expressionsOf(path);
      assert.ok(expressions.length > 0);
      for (const { of, expr } of expressions) {
        const unknown = metricsIn(expr.replace(/@[A-Z_]+@/g, '1')).filter((name) => !known.has(name));
        assert.deepEqual(unknown, [], `${of}: ${expr}`);
      }
    });
  }

  test('every metric is shown', () => {
    const shown = new Set(
      expressionsOf('deploy/monitoring/dashboard.json').flatMap(({ expr }) => metricsIn(expr)),
    );
    assert.deepEqual(
      Object.keys(metrics).filter((name) => !shown.has(name)),
      [],
    );
  });

  test("the chart's expressions read one release only", () => {
    for (const path of paths.filter((name) => name.startsWith('charts/'))) {
      for (const { of, expr } of expressionsOf(path)) {
        const selectors = [...expr.matchAll(/\{[^}]*\}/g)].map(([selector]) => selector);
        const bare = metricsIn(expr.replace(/@[A-Z_]+@/g, '1'));
        assert.equal(selectors.length, bare.length, `${of}: a metric without a selector in ${expr}`);
        for (const selector of selectors) {
          assert.match(selector, /namespace="@NAMESPACE@",prospect_release="@RELEASE@"/, of);
        }
      }
    }
  });

  for (const path of dashboards) {
    test(`${path}: panels have ids of their own and do not overlap`, () => {
      const { panels } = JSON.parse(monitoringFiles().get(path)!) as Dashboard;
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      const taken = new Map<string, string>();
      for (const { title, gridPos } of panels) {
        assert.ok(gridPos.x + gridPos.w <= 24, title);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.equal(taken.get(`${x},${y}`), undefined, `${title} lies on another panel`);
            taken.set(`${x},${y}`, title);
          }
        }
      }
    });

    test(`${path} has the rows training, speed, cluster, reference and security`, () => {
      const { panels } = JSON.parse(monitoringFiles().get(path)!) as Dashboard;
      assert.deepEqual(
        panels.filter(({ type }) => type === 'row').map(({ title }) => title),
        ['Training', 'Speed', 'Cluster', 'Reference', 'Security'],
      );
    });
  }
});
