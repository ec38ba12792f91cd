import type { Curve } from '../view/curve.js';
import { Chart, type ChartSpec } from './chart.js';
import { element } from './dom.js';

const specs: readonly ChartSpec[] = [
  { title: 'Loss', unit: '', lines: [{ key: 'loss', label: '', color: 'blue' }] },
  {
    title: 'KL',
    unit: 'nats',
    lines: [
      { key: 'kl', label: 'clamped', color: 'purple' },
      { key: 'kl_unclamped', label: 'unclamped', color: 'grey' },
    ],
  },
  {
    title: 'Rewards',
    unit: '',
    lines: [
      { key: 'rewards/chosen', label: 'chosen', color: 'blue' },
      { key: 'rewards/rejected', label: 'rejected', color: 'orange' },
    ],
  },
  { title: 'Reward margin', unit: '', lines: [{ key: 'rewards/margins', label: '', color: 'green' }] },
  { title: 'Gradient norm', unit: '', lines: [{ key: 'grad_norm', label: '', color: 'purple' }] },
  { title: 'Throughput', unit: 'tokens/s', lines: [{ key: 'tokens_per_s', label: '', color: 'sky' }] },
];

/** The charts of a stage: those that its method has numbers for. */
export class Charts {
  readonly root = element('div', { class: 'charts' });
  readonly #charts = new Map<string, Chart>();
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  readonly #recolor = (): void => {
    for (const chart of this.#charts.values()) chart.redraw();
  };

  constructor() {
    this.#dark.addEventListener('change', this.#recolor);
  }

  draw(curve: Curve): void {
    let position = 0;
    for (const spec of specs) {
      const lines = spec.lines.filter(({ key }) => curve.columns[key].count.some((count) => count > 0));
      // A number that comes late, or a stage of another method, makes another chart of it.
      const name = lines.map(({ key }) => key).join();
      this.#removeOthers(spec, name);
      if (lines.length === 0) continue;
      const chart = this.#charts.get(name) ?? this.#add(name, { ...spec, lines: named(lines) }, position);
      chart.draw(curve);
      position += 1;
    }
  }

  close(): void {
    this.#dark.removeEventListener('change', this.#recolor);
    for (const chart of this.#charts.values()) chart.close();
  }

  #add(name: string, spec: ChartSpec, position: number): Chart {
    const chart = new Chart(spec);
    this.root.insertBefore(chart.root, this.root.children[position] ?? null);
    this.#charts.set(name, chart);
    return chart;
  }

  #removeOthers({ lines }: ChartSpec, name: string): void {
    for (const [other, chart] of this.#charts) {
      if (other === name || !lines.some(({ key }) => other.split(',').includes(key))) continue;
      chart.close();
      chart.root.remove();
      this.#charts.delete(other);
    }
  }
}

/** A single line is named by the chart's title. */
function named(lines: ChartSpec['lines']): ChartSpec['lines'] {
  return lines.length > 1 ? lines : lines.map((line) => ({ ...line, label: '' }));
}
