import { fileURLToPath } from 'node:url';
import { sampleOf } from '../sample.js';
import type { BenchOptions, Measurement, Suite } from '../suite.js';
import { PACE_MS } from './pace.js';
import { RunUnderWay } from './run-under-way.js';

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The real one says what a user sees; the other one shows what the noise of computing would hide. */
const cases = [
  { name: 'a worker that trains a tiny Llama', workerEntry: program('../../../worker/main.js') },
  { name: `a worker that waits ${PACE_MS} ms a step`, workerEntry: program('./paced-worker.js') },
] as const;

const WATCHERS = 50;
const QUEUED = 20;
const ROUNDS = 10;
const STEPS_PER_TURN = 40;
/** Steps after someone has come or gone that are not counted. */
const SETTLING_STEPS = 5;

export const coordinatorSuite: Suite = {
  name: 'coordinator',
  baseline: 'alone',
  async run(options) {
    const measurements: Measurement[] = [];
    for (const one of cases) measurements.push(await measure(one, options));
    const notMeasured = [
      'clients on other machines: they share this one’s processors, at the lowest priority',
    ];
    return { measurements, notMeasured };
  },
};

/** In one run, with the audience and without it by turns: what disturbs the machine disturbs both. */
async function measure(
  { name, workerEntry }: (typeof cases)[number],
  { onProgress }: BenchOptions,
): Promise<Measurement> {
  const full = `step of ${name}: ${WATCHERS} watchers, a page, ${QUEUED} queued`;
  const run = await RunUnderWay.start({ workerEntry, watchers: WATCHERS, queued: QUEUED });
  const watched: number[] = [];
  const alone: number[] = [];
  const changes: number[] = [];
  try {
    const turn = async () => {
      await run.stepTimes.next(SETTLING_STEPS);
      return run.stepTimes.next(STEPS_PER_TURN);
    };
    // Warm-up.
    await turn();
    for (let round = 1; round <= ROUNDS; round++) {
      onProgress(`${name}, round ${round} of ${ROUNDS}`);
      const before = await turn();
      await run.come();
      const during = await turn();
      await run.go();
      alone.push(...before);
      watched.push(...during);
      changes.push(100 * (sampleOf(during).median / sampleOf(before).median - 1));
    }
  } finally {
    await run.end();
  }
  const change = sampleOf(changes);
  const figures = {
    'longer by %': change.median,
    'lower quartile': change.lowerQuartile,
    'upper quartile': change.upperQuartile,
  };
  return { name: full, milliseconds: sampleOf(watched), baseline: sampleOf(alone), figures };
}
