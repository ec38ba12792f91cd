import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleOf } from '../sample.js';
import type { BenchOptions, Measurement, Suite } from '../suite.js';
import { CrowdRun, LEAVES_PER_WORKER, TOKENS_PER_LEAF } from './crowd-run.js';
import { measureRealWorkers } from './real-workers.js';

const CROWDS = [100, 300, 1000];
const STEPS = 20;

export const scaleSuite: Suite = {
  name: 'scale',
  baseline: 'one worker',
  async run(options) {
    const measurements: Measurement[] = [];
    const directory = mkdtempSync(join(tmpdir(), 'prospect-bench-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    measurements.push(await measureRealWorkers(directory, options));
    for (const workers of CROWDS) measurements.push(await measureCrowd(workers, options));
    const notMeasured = [
      'a network, and workers on machines of their own: all share these processors, the workers at the lowest priority',
    ];
    return { measurements, notMeasured };
  },
};

async function measureCrowd(workers: number, { onProgress }: BenchOptions): Promise<Measurement> {
  const name = `step of ${workers} simulated workers, ${LEAVES_PER_WORKER} leaves of ${TOKENS_PER_LEAF} tokens each`;
  onProgress(name);
  const run = await CrowdRun.start(workers);
  try {
    // Warm-up.
    await run.next(STEPS);
    const { milliseconds, cpuMilliseconds } = await run.next(STEPS);
    const figures = {
      'coordinator CPU ms': cpuMilliseconds,
      'CPU µs a worker': (1000 * cpuMilliseconds) / workers,
    };
    return { name, milliseconds: sampleOf(milliseconds), baseline: null, figures };
  } finally {
    await run.end();
  }
}
