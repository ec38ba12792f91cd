import type { EncodedAnswer } from '../../../coordinator/data/encode-row.js';
import { Quantiles } from '../../../coordinator/data/inspect/quantiles.js';
import type { RowWatcher } from '../../../coordinator/data/load.js';
import type { Answer } from '../../../coordinator/data/row.js';
import type { Problems } from './problems.js';

/** Bad rows of one reason that are named; the others are counted. */
const MOST_NAMED = 10;

/** Counts what is read of a file, and names its bad rows. */
export class RowCounts implements RowWatcher {
  readonly promptTokens = new Quantiles();
  readonly completionTokens = new Quantiles();
  /** Where the first answer stands, and what its row is made of. */
  firstAnswer: { readonly where: string; readonly kind: Answer['kind'] } | null = null;
  readonly #bad = new Map<string, { readonly named: string[]; count: number }>();

  bad(where: string, reason: string): void {
    const rows = this.#bad.get(reason) ?? { named: [], count: 0 };
    this.#bad.set(reason, rows);
    rows.count += 1;
    if (rows.named.length < MOST_NAMED) rows.named.push(where);
  }

  answer(where: string, { promptIds, completionIds }: EncodedAnswer, kind: Answer['kind']): void {
    this.firstAnswer ??= { where, kind };
    this.promptTokens.add(promptIds.length);
    this.completionTokens.add(completionIds.length);
  }

  /** Call it when the file is read. */
  report(file: string, problems: Problems): void {
    const [first] = this.#bad;
    if (first === undefined) return;
    const [firstReason, { named: firstNamed }] = first;
    if (problems.skipsBadRows) {
      const where = `${firstNamed[0]!}: ${firstReason}`;
      problems.warn(`${file}: bad rows that are left out: ${this.#badRows}, the first one at ${where}`);
      return;
    }
    for (const [reason, { named, count }] of this.#bad) {
      for (const where of named) problems.add(`${where}: ${reason}`);
      if (count > named.length) problems.add(`${file}: and ${count - named.length} more rows: ${reason}`);
    }
  }

  get #badRows(): number {
    return [...this.#bad.values()].reduce((sum, { count }) => sum + count, 0);
  }
}
