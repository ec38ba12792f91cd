import { join } from 'node:path';
import Database from 'libsql';
import { RunError } from '../../lib/errors.js';
import { asUserError } from './database.js';

/**
 * Keeps a state directory for one coordinator. The lock is SQLite's own on a file beside the journal: it ends with the
 * process, even by SIGKILL. (The journal itself cannot carry it: a connection of libsql stays open, and so locked,
 * until the garbage collector has taken its last prepared statement.)
 */
export class StateLock {
  readonly #database: Database.Database;

  /** Throws a RunError where another coordinator has the directory. */
  constructor(stateDir: string) {
    const file = join(stateDir, 'lock.sqlite');
    this.#database = new Database(file);
    try {
      this.#database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      this.#database.close();
      if (!(error instanceof Database.SqliteError) || error.code !== 'SQLITE_BUSY')
        throw asUserError(error, file);
      throw new RunError(
        `${stateDir} is in use by another coordinator: stop it, or use another state directory`,
      );
    }
  }

  release(): void {
    this.#database.exec('ROLLBACK');
    this.#database.close();
  }
}
