import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import Database from 'libsql';

import { ConfigError, messageOf } from '../errors.js';

const retryMs = 200;

export interface LockOptions {
  /** Called once, if another process holds the lock. */
  readonly onWait: () => void;
  /** What to do where the directory cannot be written to, or locked. */
  readonly advice: string;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the directory `root` and runs `work` while no other process holds its lock. Node has no `flock`; SQLite's
 * exclusive transaction is one: the kernel frees it with its holder, so a killed holder leaves no lock to be judged
 * stale.
 * @throws ConfigError where there can be no lock; the signal's reason
 */
export async function withLock<T>(root: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const { onWait, advice, signal } = options;
  const database = openLock(root, advice);
  try {
    for (let waits = 0; !tryLock(database, advice); waits++) {
      if (waits === 0) onWait();
      signal?.throwIfAborted();
      await sleep(retryMs);
    }
    return await work();
  } finally {
    database.close();
  }
}

function openLock(root: string, advice: string): Database.Database {
  try {
    mkdirSync(root, { recursive: true });
    return new Database(join(root, 'lock'), { timeout: 0 });
  } catch (error) {
    throw unusable(root, error, advice);
  }
}

function tryLock(database: Database.Database, advice: string): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY') return false;
    throw unusable(database.name, error, advice);
  }
}

function unusable(path: string, error: unknown, advice: string): ConfigError {
  return new ConfigError(`cannot write or lock ${path} (${messageOf(error)}); ${advice}`);
}
