import { RunError } from '../../lib/errors.js';
import type { Crew } from '../cluster/crew.js';
import { actionFor } from '../cluster/failure-policy.js';
import type { Disturbance } from '../cluster/generation.js';

/** Generations that failed in a row by their collective, with nobody lost and no step committed in between. */
export class CollectiveFailures {
  #inARow = 0;
  #stepsDone = 0;
  readonly #named = new Map<string, number>();

  /**
   * Has the same workers try again, or the one go that is named most often. Throws a RunError where nobody is named.
   *
   * @param stepsDone how many steps the run had done when the generation ended
   */
  handle({ kind, complaints }: Disturbance, stepsDone: number, crew: Crew): void {
    if (kind !== 'collective-failed' || stepsDone > this.#stepsDone) this.#forget();
    this.#stepsDone = stepsDone;
    if (kind !== 'collective-failed') return;
    this.#inARow += 1;
    for (const suspect of complaints.flatMap(({ suspects }) => suspects)) {
      this.#named.set(suspect, (this.#named.get(suspect) ?? 0) + 1);
    }
    const [suspect] = [...this.#named].sort(([, a], [, b]) => b - a)[0] ?? [];
    const action = actionFor({
      kind: 'collective-failed',
      inARow: this.#inARow,
      suspected: suspect !== undefined,
    });
    if (action === 'retry') return;
    const [complaint] = complaints;
    const reason = complaint === undefined ? '' : `${complaint.workerId}: ${complaint.reason}`;
    if (action === 'fail-run' || suspect === undefined) {
      throw new RunError(`the workers cannot go on together, ${this.#inARow} times in a row: ${reason}`);
    }
    crew.evict(suspect, `could not be worked with, ${this.#inARow} times in a row (${reason})`);
    this.#forget();
  }

  #forget(): void {
    this.#inARow = 0;
    this.#named.clear();
  }
}
