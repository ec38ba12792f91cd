import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { MetricsRow } from '../../../../coordinator/runs/metrics-row.js';
import { Refusals } from '../../../../coordinator/security/refusals.js';
import type { RunTelemetry } from '../../../../coordinator/telemetry/run-telemetry.js';
import { Telemetry } from '../../../../coordinator/telemetry/telemetry.js';
import { metrics } from '../../../../deploy/monitoring/metrics.js';

const row = (loss: number, tokens: number): MetricsRow => ({
  step: 1,
  stage: 1,
  method: 'kto',
  epoch: 1,
  loss,
  kl: 0.5,
  kl_unclamped: 0.5,
  'rewards/chosen': 1,
  'rewards/rejected': -1,
  'rewards/margins': 2,
  'logps/chosen': -3,
  'logps/rejected': -4,
  grad_norm: 5,
  learning_rate: 1e-3,
  num_tokens: tokens,
  step_time_s: 0.2,
});

/** One step of two workers, and everything else that is measured of a run. */
function train(
  run: RunTelemetry,
  { loss, tokens }: { readonly loss: number; readonly tokens: number },
): void {
  const workers = ['worker-0', 'worker-1'];
  run.stageStarted(0);
  run.formed(1, workers);
  const times = { referenceMs: 1, statisticsMs: 2, gradientMs: 3, allReduceMs: 4, updateMs: 5 };
  run.stepCommitted(row(loss, tokens), new Map(workers.map((worker) => [worker, times])));
  run.stepSkipped();
  const paces = workers.map((workerId) => ({ workerId, computeMs: 5, leaves: 1 }));
  run.observePaces(paces, new Map(workers.map((worker) => [worker, 1])));
  run.checkpointWritten(10);
}

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Of Prospect itself. */
async function seriesOf(telemetry: Telemetry): Promise<Series[]> {
  const text = await telemetry.registry.metrics();
  return [...text.matchAll(/^(prospect_\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name: name!,
    labels: Object.fromEntries(
      [...(labels ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, label, of]) => [label, of]),
    ) as Record<string, string>,
    value: Number(value),
  }));
}

test('runs side by side are measured apart, and the series of one go when it has ended', async () => {
  const telemetry = new Telemetry(() => new Map());
  const [first, second] = [telemetry.ofRun('run-1'), telemetry.ofRun('run-2')];
  const before = await seriesOf(telemetry);
  train(first, { loss: 0.5, tokens: 100 });
  const alone = await seriesOf(telemetry);
  train(second, { loss: 0.25, tokens: 300 });
  const both = await seriesOf(telemetry);
  const valueOf = (name: string, run: string) =>
    both.find((series) => series.name === name && series.labels['run'] === run)?.value;
  assert.deepEqual(
    ['run-1', 'run-2'].map((run) => [valueOf('prospect_loss', run), valueOf('prospect_tokens_total', run)]),
    [
      [0.5, 100],
      [0.25, 300],
    ],
  );

  const ages = (series: Series) =>
    series.name === 'prospect_checkpoint_age_seconds' ? { ...series, value: 0 } : series;
  second.ended();
  assert.deepEqual((await seriesOf(telemetry)).map(ages), alone.map(ages));
  first.ended();
  assert.deepEqual(await seriesOf(telemetry), before);
});

test('a run that goes on with other workers has none of the old ones’ paces', async () => {
  const telemetry = new Telemetry(() => new Map());
  const run = telemetry.ofRun('run-1');
  train(run, { loss: 0.5, tokens: 100 });
  run.formed(2, ['worker-0']);
  run.observePaces([{ workerId: 'worker-0', computeMs: 5, leaves: 2 }], new Map());
  const series = await seriesOf(telemetry);
  const workersIn = (name: string) =>
    series.filter((one) => one.name === name).map(({ labels }) => labels['worker']);
  assert.deepEqual(workersIn('prospect_worker_step_seconds'), ['worker-0']);
  assert.deepEqual(workersIn('prospect_straggler_ratio'), []);
});

test('a counter of a run is there before it grows', async () => {
  const telemetry = new Telemetry(() => new Map());
  telemetry.ofRun('run-1').formed(1, ['worker-0']);
  const counters = (await seriesOf(telemetry)).filter(
    ({ name, labels }) => name.endsWith('_total') && labels['run'] === 'run-1',
  );
  assert.deepEqual(counters.map(({ name, value }) => [name, value]).sort(), [
    ['prospect_skipped_steps_total', 0],
    ['prospect_steps_committed_total', 0],
    ['prospect_tokens_total', 0],
  ]);
});

test('the labels are those that the dashboard and the alerts know', async () => {
  const telemetry = new Telemetry(() => new Map([['running', 1]]));
  new Refusals(telemetry.registry, pino({ enabled: false }));
  train(telemetry.ofRun('run-1'), { loss: 0.5, tokens: 100 });
  const found = new Map<string, string[]>();
  for (const { name, labels } of await seriesOf(telemetry)) {
    const own = Object.keys(labels).filter((label) => label !== 'le');
    found.set(name.replace(/_(bucket|sum|count)$/, ''), own.sort());
  }
  const known = Object.entries(metrics).filter(([, { of }]) => of === 'coordinator');
  assert.deepEqual(
    [...found].sort(),
    known.map(([name, { labels }]): [string, string[]] => [name, [...labels].sort()]).sort(),
  );
});
