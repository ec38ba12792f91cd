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
  /** Resolves once more can be written without waiting in memory: to false where nobody reads any more. */
  readonly ready: () => Promise<boolean>;
  /** True where lines can be redrawn. */
  readonly interactive: boolean;
  /** Width in characters; read anew for each line, as windows are resized. */
  readonly columns: () => number;
}

/** Where there is no terminal, or one that does not know its width. */
const unknownColumns = 80;

/**
 * Standard output and error. A reader that has gone away (`| head`) is no error: what it does not read is not missed.
 *
 * @param onBroken told where a stream cannot be written for another reason, such as a full disk
 */
export function openTerminal(process_: NodeJS.Process, onBroken: (error: Error) => void): Terminal {
  for (const stream of [process_.stdout, process_.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') onBroken(error);
    });
  }
  return { out: outputOf(process_.stdout, process_.env), err: outputOf(process_.stderr, process_.env) };
}

/** NO_COLOR (no-color.org): any value but the empty one turns colours off. */
function outputOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Output {
  const interactive = stream.isTTY && env['TERM'] !== 'dumb';
  const write = (text: string) => void stream.write(text);
  let hasReader = true;
  stream.once('error', () => (hasReader = false));
  return {
    style: createStyle(interactive && (env['NO_COLOR'] ?? '') === ''),
    write,
    line: (text) => write(`${text}\n`),
    ready: async () => {
      if (hasReader && stream.writableNeedDrain) await drained(stream);
      return hasReader;
    },
    interactive,
    columns: () => (stream.isTTY && stream.columns > 0 ? stream.columns : unknownColumns),
  };
}

/** Resolves also where the stream breaks. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('error', done);
      resolve();
    };
    stream.on('drain', done).on('error', done);
  });
}
