import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import Database from 'libsql';

import { ConfigError, messageOf } from '../../lib/errors.js';

const retryMs = 200;

/**
 * Makes the directory `root` and runs `work` while no other process holds its lock. Node has no `flock`; SQLite's
 * exclusive transaction is one: the kernel frees it with its holder, so a killed set-up leaves no lock to be judged
 * stale.
 * @param onWait called once, if another process holds the lock.
 */
export async function withLock<T>(root: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const database = openLock(root);
  try {
    for (let waits = 0; !tryLock(database); waits++) {
      if (waits === 0) onWait();
      await sleep(retryMs);
    }
    return await work();
  } finally {
    database.close();
  }
}

function openLock(root: string): Database.Database {
  try {
    mkdirSync(root, { recursive: true });
    return new Database(join(root, 'lock'), { timeout: 0 });
  } catch (error) {
    throw unusable(root, error);
  }
}

function tryLock(database: Database.Database): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY') return false;
    throw unusable(database.name, error);
  }
}

function unusable(path: string, error: unknown): ConfigError {
  return new ConfigError(
    `cannot write or lock ${path} (${messageOf(error)}); set PROSPECT_CACHE to a writable folder on a local disk`,
  );
}
