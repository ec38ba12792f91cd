import type { LogLine } from '../view/log.js';
import { element } from './dom.js';
import { formatTime } from './format.js';

/** What happened to the run, the newest first. Lines are added to what is there, so that reading is not disturbed. */
export class EventLog {
  readonly root: HTMLElement;
  readonly #list = element('ol', { class: 'log', tabindex: 0, 'aria-label': 'Events, the newest first' });
  readonly #lines = new Map<number, HTMLElement>();
  #shown = 0;

  constructor() {
    this.root = element(
      'section',
      { class: 'card' },
      element('header', {}, element('h2', {}, 'Events')),
      this.#list,
    );
  }

  draw(log: readonly LogLine[]): void {
    const nowMs = Date.now();
    for (const line of log) {
      if (line.sequence <= this.#shown) continue;
      this.#shown = line.sequence;
      const shown = lineOf(line, nowMs);
      this.#lines.set(line.sequence, shown);
      this.#list.prepend(shown);
    }
    this.#removeDropped(new Set(log.map(({ sequence }) => sequence)));
  }

  /** The log drops old lines, and not always the oldest. */
  #removeDropped(kept: ReadonlySet<number>): void {
    for (const [sequence, shown] of this.#lines) {
      if (kept.has(sequence)) continue;
      shown.remove();
      this.#lines.delete(sequence);
    }
  }
}

function lineOf({ kind, timeMs, text }: LogLine, nowMs: number): HTMLElement {
  return element(
    'li',
    { class: kind },
    element('time', { datetime: new Date(timeMs).toISOString() }, formatTime(timeMs, nowMs)),
    element('span', { class: 'dot' }),
    element('p', {}, text),
  );
}
