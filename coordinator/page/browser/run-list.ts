import type { ListedRun } from '../view/events.js';
import { element } from './dom.js';

/** The runs of the coordinator, as links. */
export class RunList {
  readonly #root: HTMLElement;
  #shown = '';

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  draw(runs: readonly ListedRun[], current: string | null): void {
    const key = JSON.stringify([runs, current]);
    if (key === this.#shown) return;
    this.#shown = key;
    const focused = document.activeElement?.getAttribute('href');
    const links = runs.map((run) => element('li', {}, link(run, run.id === current)));
    this.#root.replaceChildren(element('h2', {}, headingOf(runs)), element('ul', {}, ...links));
    if (focused) this.#root.querySelector<HTMLElement>(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

function headingOf(runs: readonly ListedRun[]): string {
  const queued = runs.filter(({ state }) => state === 'queued').length;
  const count = runs.length === 1 ? '1 run' : `${runs.length} runs`;
  return queued === 0 ? count : `${count} · ${queued} queued`;
}

function link(run: ListedRun, isCurrent: boolean): HTMLElement {
  const { id, name, state } = run;
  return element(
    'a',
    {
      class: state,
      href: `/runs/${encodeURIComponent(id)}`,
      title: run.outputDir,
      'aria-current': isCurrent ? 'page' : null,
    },
    element('span', { class: 'dot' }),
    element('span', { class: 'name' }, name),
    element('span', { class: 'state' }, state),
    element('span', { class: 'detail' }, `${progressOf(run)} · ${id}`),
  );
}

function progressOf({ state, waitsFor, committedSteps, totalSteps }: ListedRun): string {
  if (state === 'queued' && waitsFor !== '') return `waits for ${waitsFor}`;
  return totalSteps > 0 ? `step ${committedSteps} of ${totalSteps}` : 'no steps yet';
}
