import { setImmediate } from 'node:timers/promises';
import { BadRow } from '../bad-row.js';
import type { RawRow } from './raw-row.js';
import { readRows } from './read-rows.js';

/** What became of one row. */
export type MappedRow<T> =
  | { readonly kind: 'sound'; readonly raw: RawRow; readonly value: T }
  | { readonly kind: 'bad'; readonly raw: RawRow; readonly reason: string };

/**
 * Makes something of every row of a file. Lets other work of this process have its turn between rows.
 * @param make throws a BadRow for a row that it can make nothing of
 * @throws ConfigError for a file that cannot be read, or is not sound as a whole.
 */
export async function* mapRows<T>(
  file: string,
  make: (raw: RawRow) => T,
): AsyncGenerator<MappedRow<T>, void, undefined> {
  const letOthersRun = turnTaker();
  for await (const raw of readRows(file)) {
    await letOthersRun();
    yield mapRow(raw, make);
  }
}

function mapRow<T>(raw: RawRow, make: (raw: RawRow) => T): MappedRow<T> {
  try {
    return { kind: 'sound', raw, value: make(raw) };
  } catch (error) {
    if (!(error instanceof BadRow)) throw error;
    return { kind: 'bad', raw, reason: error.message };
  }
}

/** Longest time that heartbeats and requests wait behind a file, but for a single long row. */
const TURN_MS = 5;

function turnTaker(): () => Promise<void> {
  let turnStart = performance.now();
  return async () => {
    if (performance.now() - turnStart < TURN_MS) return;
    await setImmediate();
    turnStart = performance.now();
  };
}
