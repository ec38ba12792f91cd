import { median } from './numbers.js';
import { clear, found, type Observation, type Rule } from './observation.js';

/** Steps in which the same workers took part. */
export const STRAGGLER_STEPS = 20;

/** Times as long as the others for an example. */
const SLOW = 1.5;
const EVEN = 1.25;

/** Below this a step is over before a difference matters, and timers and other processes decide. */
const LEAST_GRADIENT_MS = 20;

/**
 * Over the last STRAGGLER_STEPS steps a worker took 1.5 times as long for the gradient of an example as the median of
 * the others. It has cleared below 1.25 times.
 */
export const straggler: Rule = (steps) => {
  const last = steps.slice(-STRAGGLER_STEPS);
  const ids = last.at(-1)?.workers.map(({ id }) => id) ?? [];
  const gone = new Set(
    last.flatMap(({ workers }) => workers.map(({ id }) => id)).filter((id) => !ids.includes(id)),
  );
  if (gone.size > 0) return new Map([...gone].map((id) => [`straggler:${id}`, clear]));
  if (last.length < STRAGGLER_STEPS || ids.length < 2) return new Map();
  const speeds = new Map<string, number>();
  for (const id of ids) {
    const speed = timeOfExample(last, id);
    // A new generation, or a worker without examples: nothing to compare.
    if (speed === null) return new Map();
    speeds.set(id, speed);
  }
  return new Map(
    ids.map((id) => {
      const usual = median(ids.filter((other) => other !== id).map((other) => speeds.get(other)!));
      const times = speeds.get(id)! / usual;
      const key = `straggler:${id}`;
      if (times < EVEN) return [key, clear];
      if (times < SLOW) return [key, 'unsure'];
      const line =
        `${id} takes ${times.toFixed(1)} times as long as the others for the same work, and they wait for it: ` +
        'look what else runs on its machine, and at its clock speed and temperature';
      return [key, found(line)];
    }),
  );
};

/** The median over the steps, in ms; null where it took no part in one of them or did too little to tell. */
function timeOfExample(steps: readonly Observation[], id: string): number | null {
  const loads = steps.map(({ workers }) => workers.find((worker) => worker.id === id));
  const times: number[] = [];
  for (const load of loads) {
    if (load === undefined || load.examples === 0) return null;
    times.push(load.gradientMs / load.examples);
  }
  return median(loads.map((load) => load!.gradientMs)) < LEAST_GRADIENT_MS ? null : median(times);
}
