import { spawn } from 'node:child_process';
import { RunError } from '../../../lib/errors.js';
import { PeakMemory } from './peak-memory.js';

export interface Ended {
  readonly stdout: string;
  /** Of it and all processes below it together. */
  readonly peakBytes: number;
}

/** How much of its complaints is shown where a program fails. */
const SHOWN_CHARACTERS = 2000;

/**
 * Runs a program to its end. It ends with this process too.
 * @throws RunError with the end of what it complained of, where it fails
 */
export async function runChild(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const stop = () => child.kill('SIGTERM');
  process.once('exit', stop);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-SHOWN_CHARACTERS);
  });
  const ended = new Promise<string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code === 0 ? null : `${signal ?? code}`));
  });
  // Without an id it could not be started, which `ended` rejects with.
  const memory = child.pid === undefined ? null : new PeakMemory(child.pid);
  try {
    const failure = await ended;
    if (failure !== null) throw new RunError(`${program} ${args[0]} ended with ${failure}:\n${stderr}`);
    return { stdout, peakBytes: memory!.peakBytes };
  } finally {
    memory?.stop();
    process.off('exit', stop);
  }
}
