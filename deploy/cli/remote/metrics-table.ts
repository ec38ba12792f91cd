import type { StepRow } from '../progress/step-metrics.js';

/** What people look at first comes first: in a narrow window, the last columns go. */
const order = [
  'stage',
  'step',
  'epoch',
  'loss',
  'kl',
  'rewards/margins',
  'rewards/chosen',
  'rewards/rejected',
  'grad_norm',
  'learning_rate',
  'logps/chosen',
  'logps/rejected',
  'kl_unclamped',
  'num_tokens',
  'step_time_s',
];

/** So wide are numbers, mostly: a row that comes later should fit under the header. */
const leastWidth = 7;

/** Rows of metrics.jsonl under the names of their columns. */
export class MetricsTable {
  readonly #columns: readonly string[];
  readonly #widths: readonly number[];
  /** Columns that have values, and no place. */
  readonly left: readonly string[];

  /**
   * @param rows decide on the columns: those that have a value in one of them
   * @param width of the table at most, in characters
   */
  constructor(rows: readonly StepRow[], width: number) {
    const columns = columnsOf(rows);
    const widths = columns.map((name) =>
      Math.max(name.length, leastWidth, ...rows.map((row) => cellOf(row, name).length)),
    );
    let taken = 0;
    const fitting = widths.findIndex((own) => (taken += own + 2) - 2 > width);
    const count = fitting < 0 ? columns.length : Math.max(1, fitting);
    this.#columns = columns.slice(0, count);
    this.#widths = widths.slice(0, count);
    this.left = columns.slice(count);
  }

  header(): string[] {
    const names = this.#columns.map((name, i) => name.padStart(this.#widths[i]!)).join('  ');
    return [names, '─'.repeat(names.length)];
  }

  row(row: StepRow): string {
    return this.#columns.map((name, i) => cellOf(row, name).padStart(this.#widths[i]!)).join('  ');
  }
}

function columnsOf(rows: readonly StepRow[]): string[] {
  const stages = new Set(rows.map((row) => row['stage']));
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const hasValue = (name: string) => rows.some((row) => typeof row[name] === 'number');
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return [...names]
    .filter((name) => hasValue(name) && (name !== 'stage' || stages.size > 1))
    .sort((a, b) => place(a) - place(b));
}

/** All others are shown to four significant digits. */
const wholeNumbers: readonly string[] = ['stage', 'step', 'num_tokens'];

function cellOf(row: StepRow, name: string): string {
  const value = row[name];
  if (typeof value !== 'number') return '';
  return wholeNumbers.includes(name) ? String(value) : formatNumber(value);
}

/** Four significant digits, `0.4821`; `1.00e-6` for what is very small. */
export function formatNumber(value: number): string {
  const isSmall = value !== 0 && Math.abs(value) < 1e-3;
  return isSmall ? value.toExponential(2) : value.toPrecision(4);
}
