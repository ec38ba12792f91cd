import { afterStep } from '../view/evaluation-text.js';
import type { SampledCompletion } from '../view/events.js';
import type { StageView } from '../view/run-view.js';
import type { SampledStep } from '../view/samples.js';
import { element, setText } from './dom.js';

/** What the policy writes: its newest completions, until the reader pages back to those of an earlier step. */
export class SamplesCard {
  readonly root: HTMLElement;
  readonly #earlier = pageButton('←', 'Earlier samples', () => this.#page(-1));
  readonly #later = pageButton('→', 'Later samples', () => this.#page(1));
  readonly #place = element('p', { role: 'status' });
  readonly #list = element('ol', { class: 'completions', tabindex: 0, 'aria-labelledby': 'samples-title' });
  #stage: StageView | null = null;
  /** The step whose samples the reader chose; null for the newest. */
  #chosen: number | null = null;
  #shown = '';

  constructor() {
    const pager = element('div', { class: 'pager' }, this.#earlier, this.#place, this.#later);
    this.root = element(
      'section',
      { class: 'card', 'aria-labelledby': 'samples-title' },
      element('header', {}, element('h2', { id: 'samples-title' }, 'Sampled completions'), pager),
      this.#list,
    );
  }

  draw(stage: StageView | null): void {
    if (stage?.number !== this.#stage?.number) this.#chosen = null;
    this.#stage = stage;
    const kept = stage?.samples.kept ?? [];
    this.root.hidden = kept.length === 0;
    if (stage !== null && kept.length > 0) this.#show(stage.number, kept);
  }

  #show(stage: number, kept: readonly SampledStep[]): void {
    const place = placeOf(kept, this.#chosen);
    const sampled = kept[place]!;
    setText(this.#place, `${afterStep(sampled.step)} (${place + 1} of ${kept.length})`);
    setEnabled(this.#earlier, place > 0);
    setEnabled(this.#later, place < kept.length - 1);
    const key = `${stage}:${sampled.step}`;
    // What is being read or marked must not be drawn anew.
    if (key === this.#shown) return;
    this.#shown = key;
    this.#list.replaceChildren(...sampled.completions.map(completionItem), ...omittedItem(sampled));
    for (const prompt of this.#list.querySelectorAll('.prompt')) prompt.scrollTop = prompt.scrollHeight;
  }

  #page(by: number): void {
    const kept = this.#stage?.samples.kept ?? [];
    const wanted = placeOf(kept, this.#chosen) + by;
    const sampled = kept[wanted];
    if (sampled === undefined) return;
    this.#chosen = wanted === kept.length - 1 ? null : sampled.step;
    this.draw(this.#stage);
  }
}

/** A step that is kept no more is followed by the next one that is. */
function placeOf(kept: readonly SampledStep[], chosen: number | null): number {
  const place = chosen === null ? -1 : kept.findIndex(({ step }) => step >= chosen);
  return place >= 0 ? place : kept.length - 1;
}

function pageButton(sign: string, name: string, onClick: () => void): HTMLButtonElement {
  const button = element('button', { type: 'button', 'aria-label': name }, sign);
  button.addEventListener('click', onClick);
  return button;
}

/** Without `disabled`, which would take the focus away from who pages by keyboard. */
function setEnabled(button: HTMLElement, enabled: boolean): void {
  button.setAttribute('aria-disabled', String(!enabled));
}

/** The texts are a model's: they are only ever text, each in the direction that its own letters have. */
function completionItem({ prompt, completion, cut }: SampledCompletion): HTMLElement {
  const text = completion === '' ? element('em', {}, 'nothing') : completion;
  return element(
    'li',
    {},
    element('p', { class: 'prompt', dir: 'auto' }, prompt),
    element(
      'p',
      { class: 'completion', dir: 'auto' },
      text,
      cut ? element('small', {}, ' … cut at max_new_tokens') : null,
    ),
  );
}

function omittedItem({ omitted }: SampledStep): HTMLElement[] {
  return omitted === 0 ? [] : [element('li', { class: 'omitted' }, `${omitted} more are in samples.jsonl`)];
}
