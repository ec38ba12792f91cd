import { hasEnded } from '../view/events.js';
import type { RunView, StageView } from '../view/run-view.js';
import { element, setText } from './dom.js';
import { formatDuration, formatRate, formatShortTime } from './format.js';

/** A run's name, state, progress and the figures that one looks for first. */
export class RunHeader {
  readonly root: HTMLElement;
  readonly #name = element('h1');
  readonly #state = element('span', { role: 'status' });
  readonly #pill = element('span', { class: 'pill' }, element('span', { class: 'dot' }), this.#state);
  readonly #waitsFor = element('p', { class: 'waits-for' });
  readonly #place = element('p', { class: 'place' });
  readonly #filled = element('div');
  readonly #progress = element(
    'div',
    { class: 'progress', role: 'progressbar', 'aria-label': 'Steps done', 'aria-valuemin': 0 },
    this.#filled,
  );
  readonly #facts = element('dl', { class: 'facts' });

  constructor() {
    this.root = element(
      'header',
      { class: 'run' },
      element('a', { class: 'back', href: '/' }, '← All runs'),
      element('div', { class: 'title' }, this.#name, this.#pill, this.#waitsFor, this.#place),
      this.#progress,
      this.#facts,
    );
  }

  /** @param waitsFor of a queued run, as far as it is known */
  draw(view: RunView, waitsFor: string): void {
    const { run } = view;
    setText(this.#name, run.name);
    setText(this.#state, run.state);
    setText(this.#waitsFor, run.state === 'queued' && waitsFor !== '' ? `waits for ${waitsFor}` : '');
    setText(this.#place, `${run.id} · ${run.outputDir}`);
    this.#pill.className = `pill ${run.state}`;
    this.#progress.className = `progress ${run.state}`;
    this.#progress.setAttribute('aria-valuemax', String(run.totalSteps));
    this.#progress.setAttribute('aria-valuenow', String(run.committedSteps));
    this.#filled.style.width = `${run.totalSteps > 0 ? (100 * run.committedSteps) / run.totalSteps : 0}%`;
    this.#facts.replaceChildren(...factsOf(view).map(fact));
  }
}

interface Fact {
  readonly name: string;
  readonly value: string;
  /** Smaller, behind the value. */
  readonly detail?: string;
}

function fact({ name, value, detail }: Fact): HTMLElement {
  const small = detail === undefined ? null : element('small', {}, ` ${detail}`);
  return element('div', {}, element('dt', {}, name), element('dd', {}, value, small));
}

function factsOf(view: RunView): Fact[] {
  const { run, startedAtMs } = view;
  const stage = view.stages.at(-1);
  const steps = String(run.committedSteps);
  const endMs = hasEnded(run.state) ? run.updatedAtMs : Date.now();
  return [
    { name: 'Steps', value: steps, ...(run.totalSteps > 0 ? { detail: `of ${run.totalSteps}` } : {}) },
    stage === undefined
      ? { name: 'Stage', value: '–' }
      : {
          name: 'Stage',
          value: stage.method,
          ...(stage.count > 1 ? { detail: `${stage.number} of ${stage.count}` } : {}),
        },
    { name: 'Elapsed', value: startedAtMs === null ? '–' : formatDuration(endMs - startedAtMs) },
    { name: 'Remaining', value: remaining(view, stage) },
    {
      name: 'Step time',
      value:
        stage === undefined || stage.meanStepTimeMs === null ? '–' : formatShortTime(stage.meanStepTimeMs),
    },
    { name: 'Tokens in stage', value: stage === undefined ? '–' : formatRate(stage.tokens) },
  ];
}

/** Of the whole run, if a later stage's steps take as long as this one's. */
function remaining({ run }: RunView, stage: StageView | undefined): string {
  if (hasEnded(run.state) || stage === undefined || stage.meanStepTimeMs === null || run.totalSteps === 0)
    return '–';
  return `≈ ${formatDuration((run.totalSteps - run.committedSteps) * stage.meanStepTimeMs)}`;
}
