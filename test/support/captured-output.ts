import { createStyle } from '../../deploy/cli/output/style.js';
import type { Output } from '../../deploy/cli/output/terminal.js';

/** An output in memory. */
export interface CapturedOutput extends Output {
  /** All that was written. */
  readonly text: () => string;
  /** The same as lines, without the last end of line. */
  readonly lines: () => string[];
}

export function captureOutput({
  interactive = false,
  columns = 80,
}: { readonly interactive?: boolean; readonly columns?: number } = {}): CapturedOutput {
  let text = '';
  const write = (piece: string) => void (text += piece);
  return {
    style: createStyle(false),
    write,
    line: (line) => write(`${line}\n`),
    ready: () => Promise.resolve(true),
    interactive,
    columns: () => columns,
    text: () => text,
    lines: () => text.replace(/\n$/, '').split('\n'),
  };
}
