import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Telemetry } from '../../../../coordinator/telemetry/telemetry.js';
import { metrics, processMetrics } from '../../../../deploy/monitoring/metrics.js';
import { WorkerMetrics } from '../../../../worker/metrics.js';

/** Announced by the parts that will export them; each goes from here when it is in `/metrics`. */
const announced: ReadonlySet<string> = new Set([
  'prospect_generation',
  'prospect_workers_lost_total',
  'prospect_worker_restarts_total',
  'prospect_worker_step_seconds',
  'prospect_straggler_ratio',
  'prospect_checkpoint_age_seconds',
  'prospect_checkpoint_duration_seconds',
  'prospect_skipped_steps_total',
  'prospect_reference_up',
  'prospect_reference_cache_hits_total',
  'prospect_reference_cache_misses_total',
]);

/** Names and types in Prometheus text. */
function typesIn(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
}

async function exported(): Promise<Record<'coordinator' | 'worker', Map<string, string>>> {
  return {
    coordinator: typesIn(await new Telemetry(() => new Map()).registry.metrics()),
    worker: typesIn(await new WorkerMetrics().render()),
  };
}

describe('the metrics that dashboard and alerts may read', () => {
  test('are those in /metrics, of the same type', async () => {
    const found = await exported();
    for (const [name, { type, of }] of Object.entries(metrics)) {
      if (announced.has(name) && !found[of].has(name)) continue;
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
