import type { LogLine } from '../view/log.js';
import { element } from './dom.js';
import { formatTime } from './format.js';

/** What happened to the run, the newest first. Lines are added to what is there, so that reading is not disturbed. */
export class EventLog {
  readonly root: HTMLElement;
  readonly #list = element('ol', { class: 'log', tabindex: 0, 'aria-label': 'Events, the newest first' });
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
      this.#list.prepend(
        element(
          'li',
          { class: line.kind },
          element('time', { datetime: new Date(line.timeMs).toISOString() }, formatTime(line.timeMs, nowMs)),
          element('span', { class: 'dot' }),
          element('p', {}, line.text),
        ),
      );
    }
    while (this.#list.childElementCount > log.length) this.#list.lastElementChild!.remove();
  }
}
