import {
  convertFile,
  type ConversionOptions,
  type ConversionReport,
} from '../../../coordinator/data/convert/convert-file.js';
import { detectSource } from '../../../coordinator/data/convert/detect.js';
import type { SourceName } from '../../../coordinator/data/convert/source.js';
import { SOURCES } from '../../../coordinator/data/convert/sources.js';
import { Interrupted } from '../exit.js';
import { withInterrupts } from '../interrupts.js';
import type { Terminal } from '../output/terminal.js';
import { reasonLines } from './reasons.js';

export interface ConvertOptions extends Omit<ConversionOptions, 'source'> {
  readonly input: string;
  readonly output: string;
  /** Null to find out. */
  readonly from: SourceName | null;
}

/** `prospect data convert`: writes the rows of a file in another format, and prints what became of each. */
export async function convert(options: ConvertOptions, terminal: Terminal): Promise<void> {
  const { input, output, from, ...conversion } = options;
  const interruption = new AbortController();
  const stop = () => interruption.abort(new Interrupted(`interrupted: ${output} is not written`));
  const source = from === null ? await detectSource(input) : SOURCES[from];
  terminal.out.line(`${input}: rows of ${source.name}${from === null ? ', as their columns tell' : ''}`);
  const report = await withInterrupts({ onFirst: stop, onSecond: stop }, () =>
    convertFile(input, output, { ...conversion, source }, interruption.signal),
  );
  printReport(report, output, terminal);
}

function printReport(
  { rowsIn, rowsOut, rejected }: ConversionReport,
  output: string,
  { out }: Terminal,
): void {
  out.line(`${rowsIn} rows read: ${rowsIn - rejected.total} converted, ${rejected.total} rejected`);
  for (const line of reasonLines(rejected)) out.line(line);
  out.line(`${rowsOut} rows written to ${output}`);
}
