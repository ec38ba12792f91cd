import type { Journal } from '../journal/journal.js';
import type { RunRecord } from '../journal/records.js';
import { NotFoundError } from './status.js';

/** @throws NotFoundError */
export function requireRun(journal: Journal, id: string): RunRecord {
  const run = journal.findRun(id);
  if (run === undefined) throw new NotFoundError(`no run ${id}`);
  return run;
}
