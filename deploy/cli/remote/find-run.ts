import { ConfigError } from '../../../lib/errors.js';
import { quote } from '../../../lib/text.js';
import type { v1 } from '../../../proto/services.js';

/**
 * The run that a user means: by its id or a beginning of it, with or without `run-`, or by its name, of which the latest
 * run counts; by nothing, the latest of all.
 *
 * @param runs oldest first
 * @throws ConfigError where there is none, or several
 */
export function findRun(runs: readonly v1.Run[], wanted: string | undefined): v1.Run {
  const latest = runs.at(-1);
  if (latest === undefined)
    throw new ConfigError('the coordinator has no runs yet: prospect submit RUN.yaml makes one');
  if (wanted === undefined) return latest;
  const known = runs.find(({ id }) => id === wanted) ?? runs.findLast(({ name }) => name === wanted);
  if (known !== undefined) return known;
  const begun = wanted === '' ? [] : runs.filter(({ id }) => begins(id, wanted));
  if (begun.length === 1) return begun[0]!;
  if (begun.length === 0)
    throw new ConfigError(`no run is called ${quote(wanted)}, nor has such an id: see prospect queue --all`);
  const ids = begun.slice(-MOST_NAMED).map(({ id }) => id);
  const more = begun.length > ids.length ? ` and ${begun.length - ids.length} more` : '';
  throw new ConfigError(`${quote(wanted)} may be ${ids.join(', ')}${more}: give more of the id`);
}

const MOST_NAMED = 5;

const begins = (id: string, beginning: string) =>
  id.startsWith(beginning) || id.replace(/^run-/, '').startsWith(beginning);
