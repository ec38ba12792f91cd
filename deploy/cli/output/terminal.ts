import { createStyle, type Style } from './style.js';

/** Where the command line writes. Results go to `out`; progress, warnings and errors to `err`. */
export interface Terminal {
  readonly out: Output;
  readonly err: Output;
}

export interface Output {
  readonly style: Style;
  /** A line in full; a redrawn line is written with `write`. */
  readonly line: (text: string) => void;
  readonly write: (text: string) => void;
  /** True where lines can be redrawn. */
  readonly interactive: boolean;
  /** Width in characters; read anew for each line, as windows are resized. */
  readonly columns: () => number;
}

const columnsWithoutTerminal = 80;

export function openTerminal(process_: NodeJS.Process): Terminal {
  return { out: outputOf(process_.stdout, process_.env), err: outputOf(process_.stderr, process_.env) };
}

/** NO_COLOR (no-color.org): any value but the empty one turns colours off. */
function outputOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Output {
  const interactive = stream.isTTY && env['TERM'] !== 'dumb';
  const write = (text: string) => void stream.write(text);
  return {
    style: createStyle(interactive && (env['NO_COLOR'] ?? '') === ''),
    write,
    line: (text) => write(`${text}\n`),
    interactive,
    columns: () => (stream.isTTY ? stream.columns : columnsWithoutTerminal),
  };
}
