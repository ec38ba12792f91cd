import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../deploy/cli/main.js', import.meta.url));

/** A directory that is gone after the test. */
export function temporaryDirectory(t: { after(cleanUp: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const caches = mkdtempSync(join(tmpdir(), 'prospect-test-caches-'));
process.once('exit', () => rmSync(caches, { recursive: true, force: true, maxRetries: 3 }));

/**
 * A cache of reference answers of a command's own, until this process ends: they outlive a run, and a test must neither
 * take them from another run nor leave its own to the user.
 */
export function privateCache(): Readonly<Record<string, string>> {
  return { PROSPECT_REFERENCE_CACHE: mkdtempSync(join(caches, 'cache-')) };
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts `prospect` as a user would, with a private cache. `env` is added to the environment. */
export function startProspect(args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...privateCache(), ...env },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { process: child, finished };
}

export function prospect(args: readonly string[]): Promise<Finished> {
  return startProspect(args).finished;
}
