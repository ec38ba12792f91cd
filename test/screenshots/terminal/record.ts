import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

export interface TerminalCommand {
  /** A program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Width of the terminal, in characters. */
  readonly columns: number;
  /** The command is interrupted, as by Ctrl-C, once it has written this; null to let it come to its end. */
  readonly until: RegExp | null;
}

const CTRL_C = '\u0003';

/** Runs a command in a terminal of its own (by util-linux's `script`); returns what it wrote up to there. */
export function recordTerminal({ command, cwd, env, columns, until }: TerminalCommand): Promise<string> {
  const line = `stty cols ${columns} rows 50; exec ${command.map(quote).join(' ')}`;
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', line, '/dev/null'], {
    cwd,
    env: { ...env, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const decoder = new StringDecoder('utf8');
  let text = '';
  let interrupted = false;
  child.stdout.on('data', (bytes: Buffer) => {
    if (interrupted) return;
    text += decoder.write(bytes);
    interrupted = until !== null && until.test(text);
    if (interrupted) child.stdin.write(CTRL_C);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (interrupted || (until === null && code === 0)) resolve(text);
      else reject(new Error(`${command.join(' ')} ended with ${code}:\n${text}`));
    });
  });
}

/** As a shell takes it for one word. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
