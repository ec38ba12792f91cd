import { median, mediansOfOthers } from './numbers.js';
import { clear, found, type Observation, type Rule, type WorkerLoad } from './observation.js';

/** Steps in which the same workers took part. */
export const STRAGGLER_STEPS = 20;

/** Times as long as the others for an example. */
const SLOW = 1.5;
const EVEN = 1.25;

/** Nobody minds waiting less for it: a busy machine makes short steps uneven. */
const NOTICEABLE_WAIT_MS = 100;

/**
 * Over the last STRAGGLER_STEPS steps a worker took 1.5 times as long for the gradient of an example as the median of
 * the others, and they waited 100 ms and more for it. It has cleared below 1.25 times.
 */
export const straggler: Rule = (steps) => {
  const last = steps.slice(-STRAGGLER_STEPS);
  const ids = last.at(-1)?.workers.map(({ id }) => id) ?? [];
  const here = new Set(ids);
  const gone = new Set(
    last.flatMap(({ workers }) => workers.map(({ id }) => id)).filter((id) => !here.has(id)),
  );
  if (gone.size > 0) return new Map([...gone].map((id) => [`straggler:${id}`, clear]));
  if (last.length < STRAGGLER_STEPS || ids.length < 2) return new Map();
  const paces: Pace[] = [];
  for (const [rank, id] of ids.entries()) {
    const pace = paceOf(last, id, rank);
    // A new generation, or a worker without examples: nothing to compare.
    if (pace === null) return new Map();
    paces.push(pace);
  }
  const usual = mediansOfOthers(paces.map(({ exampleMs }) => exampleMs));
  return new Map(
    ids.map((id, index) => {
      const { exampleMs, stepMs } = paces[index]!;
      const times = exampleMs / usual[index]!;
      const waitMs = stepMs - stepMs / times;
      const key = `straggler:${id}`;
      if (times < EVEN) return [key, clear];
      if (times < SLOW || waitMs < NOTICEABLE_WAIT_MS) return [key, 'unsure'];
      const line =
        `${id} takes ${times.toFixed(1)} times as long as the others for the same work, and they wait for it: ` +
        'look what else runs on its machine, and at its clock speed and temperature';
      return [key, found(line)];
    }),
  );
};

/** Medians over the steps. */
interface Pace {
  readonly exampleMs: number;
  readonly stepMs: number;
}

/** Null where the worker took no part in one of the steps. It mostly has the rank that it has now. */
function paceOf(steps: readonly Observation[], id: string, rank: number): Pace | null {
  const loads = steps.map(({ workers }) =>
    workers[rank]?.id === id ? workers[rank] : workers.find((worker) => worker.id === id),
  );
  const own = loads.filter((load) => load !== undefined && load.examples > 0) as readonly WorkerLoad[];
  if (own.length < steps.length) return null;
  return {
    exampleMs: median(own.map(({ gradientMs, examples }) => gradientMs / examples)),
    stepMs: median(own.map(({ gradientMs }) => gradientMs)),
  };
}
