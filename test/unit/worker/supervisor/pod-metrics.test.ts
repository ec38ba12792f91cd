import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MonitoringServer } from '../../../../lib/monitoring-server.js';
import { PodMetrics } from '../../../../worker/supervisor/pod-metrics.js';

async function serve(t: TestContext, metrics: () => Promise<string>): Promise<string> {
  const server = await MonitoringServer.start('127.0.0.1:0', { metrics, ready: () => true });
  t.after(() => server.close());
  return server.address;
}

const gauge = (value: number) => `# HELP g x\n# TYPE g gauge\ng ${value}\n`;

test('a pod shows the metrics of those workers that answer', async (t) => {
  const sources = [
    { workerId: 'worker-0', address: await serve(t, () => Promise.resolve(gauge(1))) },
    { workerId: 'worker-1', address: await serve(t, () => Promise.reject(new Error('no'))) },
    { workerId: 'worker-2', address: await serve(t, () => Promise.resolve(gauge(3))) },
    { workerId: 'worker-3', address: '127.0.0.1:1' },
  ];
  const metrics = new PodMetrics({ sources: () => sources, referenceUp: () => Promise.resolve(null) });
  assert.equal(
    await metrics.render(),
    '# HELP g x\n# TYPE g gauge\ng{worker="worker-0"} 1\ng{worker="worker-2"} 3\n',
  );
});

test('a replica that nobody needs yet is neither up nor down', async () => {
  let up: boolean | null = null;
  const metrics = new PodMetrics({ sources: () => [], referenceUp: () => Promise.resolve(up) });
  const shown = async () => /^prospect_reference_up (.*)$/m.exec(await metrics.render())?.[1];
  assert.equal(await shown(), undefined);
  up = false;
  assert.equal(await shown(), '0');
  up = true;
  assert.equal(await shown(), '1');
});
