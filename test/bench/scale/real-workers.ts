import { sampleOf } from '../sample.js';
import { preparePart } from '../step/part.js';
import { trainWithProspect, type Crew } from '../step/prospect.js';
import { writeRows } from '../step/rows.js';
import type { BenchOptions, Measurement } from '../suite.js';

const crewOf = (workers: number): Crew => ({ workers, threads: 1, batchSize: 16, epochs: 2 });
const ROUNDS = 3;

/** Two workers against one, by turns: each has a thread to compute with, and nobody computes a reference any more. */
export async function measureRealWorkers(
  directory: string,
  { onProgress }: BenchOptions,
): Promise<Measurement> {
  const part = await preparePart('tiny', { model: null, feedback: null }, directory);
  const { feedback } = await writeRows(part, part.steps, directory);
  const timesOf = async (workers: number, round: number) => {
    onProgress(`tiny model, ${workers} of 1 thread, round ${round} of ${ROUNDS}`);
    const { steps } = await trainWithProspect(part, feedback, null, directory, crewOf(workers));
    // The second epoch.
    return steps.slice(steps.length / 2).map(({ milliseconds }) => milliseconds);
  };
  const times: { one: number[]; two: number[] } = { one: [], two: [] };
  for (let round = 1; round <= ROUNDS; round++) {
    times.one.push(...(await timesOf(1, round)));
    times.two.push(...(await timesOf(2, round)));
  }
  const [one, two] = [sampleOf(times.one), sampleOf(times.two)];
  return {
    name: 'step of 2 workers of 1 thread, tiny model of 1 M parameters, batch 16, second epoch',
    milliseconds: two,
    baseline: one,
    figures: {},
  };
}
