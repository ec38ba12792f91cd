import { fork, type ChildProcess, type StdioOptions } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, messageOf, RunError } from '../errors.js';

/** What a child says over its IPC channel once it can be used. */
export interface ReadyMessage {
  readonly kind: 'ready';
  /** Where it serves: `host:port` or a socket's path. */
  readonly address?: string;
  /** Where it serves HTTP with metrics and health, `host:port`. */
  readonly metricsAddress?: string;
}

/** What a child says instead where it cannot start. */
export interface FailedMessage {
  readonly kind: 'failed';
  readonly reason: string;
  /** The user must change something: a ConfigError. */
  readonly badInput: boolean;
}

/** How a process ended; both are null where it could not be started at all. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type SpawnOptions = {
  /** Names the process in messages. */
  readonly name: string;
  /** Compiled JavaScript file to run with this Node. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gets all that the child says over its IPC channel, `ready` and `failed` too. */
  readonly onMessage?: (message: unknown) => void;
} & (
  | { /** Standard output and error are appended to it. */ readonly logFile: string }
  | { readonly stdio: 'inherit' | 'ignore' }
);

export interface Child {
  readonly name: string;
  readonly pid: number | undefined;
  /**
   * Resolves once the child can be used. Rejects where it cannot start: with the ConfigError or RunError that it
   * announced, or with a RunError that says how it ended.
   */
  readonly ready: Promise<ReadyMessage>;
  /** Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves once the process is gone. May be called at any time. */
  stop(options: { readonly graceMs: number }): Promise<ProcessExit>;
}

/**
 * Starts a Node process with an IPC channel, which carries its `ready` message and is its lifeline (lifeline.ts).
 * Throws a RunError where its log cannot be written.
 *
 * The child gets a session of its own: a Ctrl-C in the terminal reaches the whole foreground process group, and only
 * the parent may decide what it means (cancel the run, stop the children in order). A parent that is killed is
 * noticed by the lifeline, not by a signal.
 */
export function spawnChild(options: SpawnOptions): Child {
  const { name, entry, args, env, onMessage } = options;
  const output = 'logFile' in options ? openLog(options.logFile) : options.stdio;
  const stdio: StdioOptions = ['ignore', output, output, 'ipc'];
  const process_ = fork(entry, args, {
    env: { ...process.env, ...env },
    execArgv: [],
    detached: true,
    stdio,
  });
  if (typeof output === 'number') closeSync(output);

  if (onMessage !== undefined) process_.on('message', onMessage);
  const exited = exitOf(process_);
  const ready = readyOf(process_, name, 'logFile' in options ? options.logFile : null);
  // Whoever needs the child awaits `ready`; a child that nobody waits for must not bring the process down.
  ready.catch(() => undefined);

  const stop = async ({ graceMs }: { readonly graceMs: number }) => {
    process_.kill('SIGTERM');
    const lastResort = setTimeout(() => process_.kill('SIGKILL'), graceMs);
    const exit = await exited;
    clearTimeout(lastResort);
    return exit;
  };
  return { name, pid: process_.pid, ready, exited, stop };
}

/** `exited with code 3`, `was killed by SIGKILL`. */
export function describeExit({ code, signal }: ProcessExit): string {
  if (signal !== null) return `was killed by ${signal}`;
  return code === null ? 'could not be started' : `exited with code ${code}`;
}

function openLog(file: string): number {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return openSync(file, 'a');
  } catch (error) {
    throw new RunError(`cannot write the log ${file}: ${messageOf(error)}`);
  }
}

function exitOf(process_: ChildProcess): Promise<ProcessExit> {
  return new Promise((resolve) => {
    process_.once('exit', (code, signal) => resolve({ code, signal }));
    process_.on('error', () => {
      if (process_.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}

function readyOf(process_: ChildProcess, name: string, logFile: string | null): Promise<ReadyMessage> {
  const where = logFile === null ? '' : `; see ${logFile}`;
  return new Promise((resolve, reject) => {
    process_.on('message', (message) => {
      if (isReady(message)) resolve(message);
      if (isFailed(message)) {
        reject(message.badInput ? new ConfigError(message.reason) : new RunError(message.reason));
      }
    });
    process_.once('exit', (code, signal) => {
      const how = describeExit({ code, signal });
      const end = () => reject(new RunError(`${name} ${how} before it was ready${where}`));
      // What the child has said may still be on its way.
      if (process_.connected) process_.once('disconnect', end);
      else end();
    });
    process_.on('error', (error) =>
      reject(new RunError(`${name} could not be started: ${messageOf(error)}${where}`)),
    );
  });
}

function isReady(message: unknown): message is ReadyMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { kind, address, metricsAddress } = message as Record<string, unknown>;
  const textOrAbsent = (value: unknown) => value === undefined || typeof value === 'string';
  return kind === 'ready' && textOrAbsent(address) && textOrAbsent(metricsAddress);
}

function isFailed(message: unknown): message is FailedMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { kind, reason, badInput } = message as Record<string, unknown>;
  return kind === 'failed' && typeof reason === 'string' && typeof badInput === 'boolean';
}
