import type { v1 } from '../../../proto/services.js';
import type { Output, Terminal } from '../output/terminal.js';
import { parseStepRow, type StepRow } from '../progress/step-metrics.js';
import { watchRun } from '../runs/run-client.js';
import type { Coordinator } from './coordinator.js';
import { MetricsTable } from './metrics-table.js';
import { announcerOf } from './patience.js';
import { requireCompleted, RunMemory, watching, whileRead, type Events } from './watch.js';

export interface MetricsMode {
  /** Go on until the run ends, and end as it does. */
  readonly follow: boolean;
  readonly json: boolean;
}

/**
 * Prints the metrics of a run's steps: all as they are, or the last ones as a table.
 * @throws what the run ends with, where it is followed
 */
export async function printMetrics(
  run: v1.Run,
  { follow, json }: MetricsMode,
  coordinator: Coordinator,
  { out, err }: Terminal,
): Promise<void> {
  const printer = json ? new RowPrinter(out) : new TablePrinter({ out, err });
  const memory = new RunMemory(run);
  let sequence = 0;
  const print = async (events: Events) => {
    for await (const event of whileRead(memory.watch(events), out)) {
      sequence = event.sequence;
      if (event.stepCommitted) printer.step(event.stepCommitted.metricsJson ?? '');
    }
  };
  await print(watchRun(coordinator.client, run.id, { historyOnly: true }));
  printer.endPast();
  if (!follow) {
    if (!printer.hasRows) err.line(`${run.id} has no steps yet`);
    return;
  }
  await watching(run, coordinator, announcerOf(err), (watch) => print(watch.events(run.id, sequence)));
  if (await out.ready()) requireCompleted(memory.run, coordinator);
}

/** Prints each row as it is in metrics.jsonl. */
class RowPrinter {
  hasRows = false;

  constructor(private readonly out: Output) {}

  step(json: string): void {
    this.hasRows = true;
    this.out.line(json);
  }

  endPast(): void {
    // All of it has been printed.
  }
}

/** Rows of the past that people are shown. */
const pastRows = 20;

/** Prints the last rows of the past under a header, and those that come after them. */
class TablePrinter {
  private past: StepRow[] | null = [];
  private table: MetricsTable | null = null;
  private stage: unknown;

  constructor(private readonly terminal: Terminal) {}

  get hasRows(): boolean {
    return this.table !== null;
  }

  step(json: string): void {
    const row = parseStepRow(json);
    if (this.past !== null) {
      this.past.push(row);
      if (this.past.length > pastRows) this.past.shift();
    } else {
      // Another stage has other columns.
      if (this.table === null || row['stage'] !== this.stage) this.begin([row]);
      this.print(row);
    }
  }

  endPast(): void {
    const rows = this.past ?? [];
    this.past = null;
    if (rows.length === 0) return;
    this.begin(rows);
    for (const row of rows) this.print(row);
  }

  private begin(rows: readonly StepRow[]): void {
    const { out, err } = this.terminal;
    this.table = new MetricsTable(rows, out.interactive ? out.columns() : Infinity);
    const { left } = this.table;
    if (left.length > 0) err.line(err.style.dim(`no room for ${left.join(', ')}: --json has them`));
    for (const line of this.table.header()) out.line(line);
  }

  private print(row: StepRow): void {
    this.stage = row['stage'];
    this.terminal.out.line(this.table!.row(row));
  }
}
