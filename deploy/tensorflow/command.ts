import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Finished {
  /** `null` where a signal ended the command. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end and keeps what it prints; `undefined` where there is no such command. */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: Environment,
): Promise<Finished | undefined> {
  const child = spawn(command, args, { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null | undefined>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
  });
  const [exitCode, stdout, stderr] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return exitCode === undefined ? undefined : { exitCode, stdout, stderr };
}

/** The line of a failed command's output that says why: its first with `error`, else its last. */
export function reasonOf(finished: Finished): string {
  const lines = `${finished.stdout}\n${finished.stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'it printed nothing';
}
