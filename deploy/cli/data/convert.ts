import {
  convertFile,
  type ConversionOptions,
  type ConversionReport,
} from '../../../coordinator/data/convert/convert-file.js';
import { columnsRead, type NamedColumns } from '../../../coordinator/data/convert/columns-read.js';
import { detectSource } from '../../../coordinator/data/convert/detect.js';
import type { Source, SourceName } from '../../../coordinator/data/convert/source.js';
import { SOURCES } from '../../../coordinator/data/convert/sources.js';
import { tableOf } from '../../../coordinator/data/convert/sources/table.js';
import { Interrupted } from '../exit.js';
import { withInterrupts } from '../interrupts.js';
import type { Terminal } from '../output/terminal.js';
import { reasonLines } from './reasons.js';

export interface ConvertOptions extends Omit<ConversionOptions, 'source' | 'judgement'> {
  readonly input: string;
  readonly output: string;
  /** Null to find out. */
  readonly from: SourceName | null;
  readonly columns: NamedColumns;
}

/** `prospect data convert`: writes the rows of a file in another format, and prints what became of each. */
export async function convert(options: ConvertOptions, terminal: Terminal): Promise<void> {
  const { input, output, from, columns, ...conversion } = options;
  const interruption = new AbortController();
  const stop = () => interruption.abort(new Interrupted(`interrupted: ${output} is not written`));
  const source = await chooseSource(options);
  // A pipe whose format is given is read once, by the conversion.
  const isGiven = from !== null && Object.values(columns).every((column) => column === null);
  const found = isGiven ? columns : await columnsRead(input, columns);
  terminal.out.line(describeSource(input, source, found));
  const report = await withInterrupts({ onFirst: stop, onSecond: stop }, () =>
    convertFile(input, output, { ...conversion, source, judgement: columns }, interruption.signal),
  );
  printReport(report, output, terminal);
}

/** A file whose texts the user points at is a table. */
async function chooseSource({ input, from, columns }: ConvertOptions): Promise<Source> {
  if (columns.prompt !== null || columns.completion !== null) return tableOf(columns);
  return from === null ? detectSource(input) : SOURCES[from];
}

/** What the rows are taken for: a guess that is not shown cannot be corrected. */
export function describeSource(input: string, { name }: Source, columns: NamedColumns): string {
  const { prompt, completion, ...judgement } = columns;
  const shown = name === 'table' ? { prompt, completion, ...judgement } : judgement;
  const named = Object.entries(shown).flatMap(([kind, column]) =>
    column === null ? [] : [`${kind} from "${column}"`],
  );
  return [`${input}: rows of ${name}`, ...named].join(', ');
}

function printReport(report: ConversionReport, output: string, { out }: Terminal): void {
  const { rowsIn, rowsOut, desirable, undesirable, rejected } = report;
  out.line(`${rowsIn} rows read: ${rowsIn - rejected.total} converted, ${rejected.total} rejected`);
  for (const line of reasonLines(rejected)) out.line(line);
  const classes = desirable + undesirable > 0 ? `: ${desirable} desirable, ${undesirable} undesirable` : '';
  out.line(`${rowsOut} rows written to ${output}${classes}`);
}
