import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { pino } from 'pino';

import { Refusals } from '../../../../coordinator/security/refusals.js';
import { Telemetry } from '../../../../coordinator/telemetry/telemetry.js';
import { metrics, processMetrics } from '../../../../deploy/monitoring/metrics.js';
import { noTraffic } from '../../../../worker/collective/traffic.js';
import { WorkerMetrics } from '../../../../worker/metrics.js';
import { mergeMetrics } from '../../../../worker/supervisor/merge-metrics.js';
import { PodMetrics } from '../../../../worker/supervisor/pod-metrics.js';

/** Names and types in Prometheus text. */
function typesIn(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
}

/** As a pod shows them whose replica answers. */
async function podMetrics(): Promise<string> {
  const pod = new PodMetrics({ sources: () => [], referenceUp: () => Promise.resolve(true) });
  const metrics = new WorkerMetrics();
  metrics.watch(noTraffic());
  const worker = { worker: 'worker-0', text: await metrics.render() };
  return mergeMetrics([{ worker: null, text: await pod.render() }, worker]);
}

async function exported(): Promise<Record<'coordinator' | 'worker', Map<string, string>>> {
  const { registry } = new Telemetry(() => new Map());
  new Refusals(registry, pino({ enabled: false }));
  return {
    coordinator: typesIn(await registry.metrics()),
    worker: typesIn(await podMetrics()),
  };
}

describe('the metrics that dashboard and alerts may read', () => {
  test('are those in /metrics, of the same type', async () => {
    const found = await exported();
    for (const [name, { type, of }] of Object.entries(metrics)) {
      assert.equal(found[of].get(name), type, `${name} of the ${of}`);
    }
    for (const [name, { type }] of Object.entries(processMetrics)) {
      assert.equal(found.coordinator.get(name), type, `${name} of the coordinator`);
      assert.equal(found.worker.get(name), type, `${name} of the worker`);
    }
  });

  test('are all of those in /metrics', async () => {
    const found = await exported();
    const ours = [...found.coordinator.keys(), ...found.worker.keys()].filter((name) =>
      name.startsWith('prospect_'),
    );
    assert.deepEqual(
      ours.filter((name) => !(name in metrics)),
      [],
    );
  });
});
