import type { StageView } from '../view/run-view.js';
import { element } from './dom.js';

/** Chooses the stage whose curves are shown: the newest one, until the reader chooses another. */
export class StageTabs {
  readonly root = element('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Stage' });
  readonly #onChoice: () => void;
  #chosen: number | null = null;
  #stages: readonly StageView[] = [];

  constructor(onChoice: () => void) {
    this.#onChoice = onChoice;
    this.root.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Null where no stage has begun. */
  get stage(): StageView | null {
    return this.#stages.find(({ number }) => number === this.#chosen) ?? this.#stages.at(-1) ?? null;
  }

  draw(stages: readonly StageView[]): void {
    const isNew = stages.length !== this.#stages.length;
    this.#stages = stages;
    this.root.hidden = stages.length < 2;
    if (isNew) this.#render();
  }

  #render(): void {
    const buttons = this.#stages.map((stage) => {
      const selected = stage === this.stage;
      const button = element(
        'button',
        {
          type: 'button',
          role: 'tab',
          'aria-selected': String(selected),
          'aria-controls': 'charts',
          tabindex: selected ? 0 : -1,
        },
        `${stage.number} · ${stage.method}`,
      );
      button.addEventListener('click', () => this.#choose(stage.number));
      return button;
    });
    this.root.replaceChildren(...buttons);
  }

  #choose(number: number): void {
    this.#chosen = number;
    this.#render();
    this.root.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    this.#onChoice();
  }

  #onKey(event: KeyboardEvent): void {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const current = this.stage;
    if (move === undefined || current === null) return;
    const next = this.#stages[this.#stages.indexOf(current) + move];
    if (next !== undefined) this.#choose(next.number);
  }
}
