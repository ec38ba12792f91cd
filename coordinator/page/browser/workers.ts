import { phases, type Phase, type PhaseTimes } from '../view/events.js';
import type { RunView, WorkerView } from '../view/run-view.js';
import { element } from './dom.js';
import { formatShortTime } from './format.js';

const phaseNames: Readonly<Record<Phase, string>> = {
  reference: 'reference',
  statistics: 'statistics',
  gradient: 'gradient',
  allReduce: 'all-reduce',
  update: 'update',
  wait: 'wait',
};

const phaseColors: Readonly<Record<Phase, string>> = {
  reference: 'purple',
  statistics: 'sky',
  gradient: 'blue',
  allReduce: 'orange',
  update: 'green',
  wait: 'grey',
};

/** Each worker's state, and where the time of its steps goes. */
export function workersCard({ workers, generation }: RunView): HTMLElement {
  const training = workers.filter(({ state }) => state === 'training').length;
  const generationText = generation > 0 ? `generation ${generation}` : '';
  const count = workers.length === 0 ? '' : training > 0 ? `${training} of ${workers.length} training` : '';
  const longest = Math.max(...workers.map(({ meanTimes }) => (meanTimes === null ? 0 : total(meanTimes))));
  return element(
    'section',
    { class: 'card', 'aria-labelledby': 'workers-title' },
    element(
      'header',
      {},
      element('h2', { id: 'workers-title' }, 'Workers and step phases'),
      element('p', {}, [count, generationText].filter((text) => text !== '').join(' · ')),
    ),
    workers.length === 0
      ? element('p', { class: 'none' }, 'No worker has taken part yet.')
      : element('ul', { class: 'workers' }, ...workers.map((worker) => workerRow(worker, longest))),
    workers.some(({ meanTimes }) => meanTimes !== null) ? phaseLegend() : null,
  );
}

function workerRow(worker: WorkerView, longestMs: number): HTMLElement {
  const { id, state, reason, examples } = worker;
  // A lost worker's times are of the past.
  const meanTimes = state === 'lost' ? null : worker.meanTimes;
  return element(
    'li',
    { class: `worker ${state}` },
    element('span', { class: 'dot' }),
    element('span', { class: 'id', title: id }, id),
    element('span', { class: 'state' }, reason === '' ? state : `${state}: ${reason}`),
    element(
      'span',
      { class: 'time' },
      meanTimes === null ? '' : `${examples} examples · ${formatShortTime(total(meanTimes))}`,
    ),
    meanTimes === null ? null : phaseBar(meanTimes, longestMs),
  );
}

function phaseBar(times: PhaseTimes, longestMs: number): HTMLElement {
  const spoken = phases.map((phase) => `${phaseNames[phase]} ${formatShortTime(times[phase])}`).join(', ');
  const bar = element('div', { class: 'bar', role: 'img', 'aria-label': spoken });
  for (const phase of phases) {
    const part = element('div', {
      class: `c-${phaseColors[phase]}`,
      title: `${phaseNames[phase]}: ${formatShortTime(times[phase])}`,
    });
    part.style.width = `${(100 * times[phase]) / longestMs}%`;
    bar.append(part);
  }
  return bar;
}

function phaseLegend(): HTMLElement {
  const keys = phases.map((phase) =>
    element('li', {}, element('span', { class: `key c-${phaseColors[phase]}` }), phaseNames[phase]),
  );
  return element('ul', { class: 'legend bar-legend', 'aria-hidden': 'true' }, ...keys);
}

const total = (times: PhaseTimes) => phases.reduce((sum, phase) => sum + times[phase], 0);
