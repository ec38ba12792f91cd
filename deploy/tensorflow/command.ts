import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Finished {
  /** `null` where a signal ended the command. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The exit status of a command that does not exist, here as in shells (and in the shims of version managers). */
export const notFound = 127;

/** Runs a command to its end and keeps what it prints. */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: Environment,
): Promise<Finished> {
  const child = spawn(command, args, { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(notFound);
      else reject(error);
    });
  });
  const [exitCode, stdout, stderr] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { exitCode, stdout, stderr };
}

/** The line of a failed command's output that says why: its first with `error:`, else its last. */
export function reasonOf({ exitCode, stdout, stderr }: Finished): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => /error: /i.test(line)) ?? lines.at(-1) ?? `exit status ${exitCode}`;
}
