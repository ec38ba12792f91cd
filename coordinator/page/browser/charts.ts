import { chartsOf, type ChartSpec, type DrawnCurves } from '../view/charts.js';
import { Chart } from './chart.js';
import { element } from './dom.js';

/** The charts of a stage. */
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

  draw(curves: DrawnCurves): void {
    const specs = chartsOf(curves);
    // A number that comes late, or a stage of another method, makes another chart of it.
    const names = new Set(specs.map(nameOf));
    for (const [name, chart] of this.#charts) if (!names.has(name)) this.#remove(name, chart);
    specs.forEach((spec, position) =>
      (this.#charts.get(nameOf(spec)) ?? this.#add(spec, position)).draw(curves),
    );
  }

  close(): void {
    this.#dark.removeEventListener('change', this.#recolor);
    for (const chart of this.#charts.values()) chart.close();
  }

  #add(spec: ChartSpec, position: number): Chart {
    const chart = new Chart(spec);
    this.root.insertBefore(chart.root, this.root.children[position] ?? null);
    this.#charts.set(nameOf(spec), chart);
    return chart;
  }

  #remove(name: string, chart: Chart): void {
    chart.close();
    chart.root.remove();
    this.#charts.delete(name);
  }
}

const nameOf = ({ lines, heldOut }: ChartSpec) => [...lines, ...heldOut].map(({ key }) => key).join();
