import type { EncodedAnswer } from '../../../coordinator/data/encode-row.js';
import { Quantiles } from '../../../coordinator/data/inspect/quantiles.js';
import type { RowWatcher } from '../../../coordinator/data/load.js';
import type { Problems } from './problems.js';

/** Bad rows that are named; the others are counted. */
const MOST_NAMED = 20;

/** Counts what is read of a file, and names its bad rows. */
export class RowCounts implements RowWatcher {
  readonly promptTokens = new Quantiles();
  readonly completionTokens = new Quantiles();
  /** Where the first answer stands. */
  firstAnswer: string | null = null;
  readonly #bad: string[] = [];

  bad(where: string, reason: string): void {
    this.#bad.push(`${where}: ${reason}`);
  }

  answer(where: string, { promptIds, completionIds }: EncodedAnswer): void {
    this.firstAnswer ??= where;
    this.promptTokens.add(promptIds.length);
    this.completionTokens.add(completionIds.length);
  }

  /** Call it when the file is read. */
  report(file: string, problems: Problems): void {
    const [first] = this.#bad;
    if (first === undefined) return;
    if (problems.skipsBadRows) {
      problems.warn(`${file}: bad rows that are left out: ${this.#bad.length}, the first one at ${first}`);
      return;
    }
    for (const line of this.#bad.slice(0, MOST_NAMED)) problems.add(line);
    const more = this.#bad.length - MOST_NAMED;
    if (more > 0) problems.add(`${file}: and ${more} more bad rows`);
  }
}
