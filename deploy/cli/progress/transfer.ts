import { formatBytes, formatDuration } from '../output/numbers.js';
import { RedrawnLine } from '../output/redrawn-line.js';
import type { Style } from '../output/style.js';
import type { Output } from '../output/terminal.js';
import { formatBar, narrowestBar, widestBar } from './format.js';

/** Bytes that are read or sent. */
export interface TransferProgress {
  /** `uploading` */
  readonly title: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Null until it can be told. */
  readonly bytesPerSecond: number | null;
}

/** Time between two lines of a log. */
const plainIntervalMs = 10_000;

/** Speed is told from this time on. */
const leastTimeMs = 500;

/** A shorter transfer needs no bar. */
const shortMs = 300;

/** Shows how a transfer goes on: a bar on a terminal, else a line now and then. */
export class TransferDisplay {
  private readonly bar: RedrawnLine | null;
  private readonly beganAtMs = Date.now();
  private printedAtMs = Date.now();

  /** @param doneBytes that were there before */
  constructor(
    private readonly output: Output,
    private readonly title: string,
    private readonly doneBytes: number,
    private readonly totalBytes: number,
  ) {
    this.bar = output.interactive ? new RedrawnLine(output) : null;
  }

  update(doneBytes: number): void {
    const progress = this.progress(doneBytes);
    const { bar, output } = this;
    if (Date.now() - this.beganAtMs < shortMs) return;
    if (bar !== null) bar.draw(() => formatTransfer(progress, bar.columns(), output.style));
    else if (Date.now() - this.printedAtMs >= plainIntervalMs) {
      this.printedAtMs = Date.now();
      output.line([this.title, ...factsOf(progress)].join('  '));
    }
  }

  line(text: string): void {
    if (this.bar !== null) this.bar.above(text);
    else this.output.line(text);
  }

  warning(text: string): void {
    this.line(`${this.output.style.yellow('warning:')} ${text}`);
  }

  end(): void {
    this.bar?.end();
  }

  private progress(doneBytes: number): TransferProgress {
    const { title, totalBytes } = this;
    const elapsedMs = Date.now() - this.beganAtMs;
    const bytesPerSecond = elapsedMs < leastTimeMs ? null : ((doneBytes - this.doneBytes) / elapsedMs) * 1000;
    return { title, doneBytes, totalBytes, bytesPerSecond };
  }
}

/** `uploading  ━━━━────  98.1 MiB of 200 MiB  45.2 MiB/s  ETA 0:02`, at most `columns` wide. */
export function formatTransfer(progress: TransferProgress, columns: number, style: Style): string {
  const { title, doneBytes, totalBytes } = progress;
  const facts = factsOf(progress);
  const width = (shown: readonly string[]) => [title, '', ...shown].join('  ').length;
  // In a narrow window the facts at the end go first.
  while (facts.length > 1 && width(facts) + narrowestBar > columns) facts.pop();
  const room = Math.min(columns - width(facts), widestBar);
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const bar = room < narrowestBar ? [] : [formatBar(share, room, style)];
  return [style.bold(title), ...bar, ...facts].join('  ');
}

function factsOf({ doneBytes, totalBytes, bytesPerSecond }: TransferProgress): string[] {
  const facts = [`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`];
  if (bytesPerSecond === null || bytesPerSecond <= 0) return facts;
  const remainingMs = ((totalBytes - doneBytes) / bytesPerSecond) * 1000;
  return [...facts, `${formatBytes(bytesPerSecond)}/s`, `ETA ${formatDuration(remainingMs)}`];
}
